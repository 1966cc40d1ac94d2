"""The service as it runs, with a scripted model behind it and ChatKit's widgets before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx

from tests.listening import eventually
from tests.model import Model
from tests.serving import Service, serving

ROOT = str(Path(__file__).parents[3])
KITCHEN = "tests.service.chatkit.kitchen:Kitchen"


@contextmanager
def served(dsn: str, model: Model, place: Path, **environ: str) -> Iterator[Service]:
    given = model.environ(HANSARD_GRACE="0", PYTHONPATH=ROOT) | environ
    with serving("--dsn", dsn, data=place / "data", output=place / "output", **given) as service:
        eventually(partial(ready, service))
        yield service


def ready(service: Service) -> bool:
    return httpx.get(f"{service.url}/health/ready").status_code == 200
