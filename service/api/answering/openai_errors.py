"""Refusals below /v1, in the shape in which OpenAI's clients read them."""

from typing import Any, Final

from litestar import Request
from litestar.plugins.problem_details import ProblemDetailsException
from litestar.response import Response
from msgspec import Struct

ROOT: Final = "/v1"
KEY: Final = "idempotency-key"


class OpenAIError(Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIRefusal(Struct, frozen=True):
    error: OpenAIError


def speaks_openai(path: str) -> bool:
    return path == ROOT or path.startswith(f"{ROOT}/")


def error_of(told: ProblemDetailsException) -> OpenAIRefusal:
    extra = told.extra if isinstance(told.extra, dict) else {}
    code = told.type_.replace("-", "_") if told.type_ else None
    return OpenAIRefusal(OpenAIError(told.detail, kind_of(told.status_code), extra.get("field"), code))


def kind_of(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def response_to(request: Request[Any, Any, Any], told: ProblemDetailsException) -> Response[OpenAIRefusal]:
    headers = dict(told.headers or {})
    if is_final(told, KEY in request.headers):
        headers["X-Should-Retry"] = "false"
    return Response(
        error_of(told), headers=headers, status_code=told.status_code, media_type="application/json"
    )


def is_final(told: ProblemDetailsException, has_key: bool) -> bool:
    """The clients send a request again after 409 and after every 5xx. A conflict stays one; and what may have
    been stored would be stored twice, unless the request has a key."""
    return told.status_code == 409 or (told.type_ == "outcome-unknown" and not has_key)
