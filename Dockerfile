# Hansard without a PostgreSQL beside it keeps its data in /data; with HANSARD_DSN it keeps none.
FROM python:3.13-slim

RUN useradd --system --user-group --no-create-home --shell /usr/sbin/nologin hansard \
    && install -d -o hansard -g hansard /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY domain domain
COPY projections projections
COPY service service
RUN pip install --no-cache-dir --constraint constraints.txt .

USER hansard
# Beyond this machine everybody is asked who he is: HANSARD_JWT_SECRET, or `docker exec … hansard keys create NAME`.
ENV HANSARD_AUTH=token HANSARD_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["hansard", "serve", "--host", "0.0.0.0"]
