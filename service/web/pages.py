"""The pages: one document, whatever its address."""

from functools import cache
from importlib import resources
from typing import Any, Final

from litestar import Request, get
from litestar.datastructures import State
from litestar.response.base import ASGIResponse

from service.api.asking.auth import OPEN
from service.settings.settings import Settings
from service.web.files import NEVER, as_taken, asset, files, packed

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text becomes markup or a script in the document, whoever wrote it.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS: Final = {"Content-Security-Policy": POLICY, "Cache-Control": NEVER}


@cache
def document(auth: str) -> tuple[bytes, bytes]:
    """As it is, and packed."""
    shell = resources.files("service.web").joinpath("shell.html").read_text("utf-8")
    known = files()
    links = {
        "sheets": [f'<link rel="stylesheet" href="{known.place}/{name}">' for name in known.at_first(".css")],
        "scripts": [
            f'<link rel="modulepreload" href="{known.place}/{name}">' for name in known.at_first(".js")
        ],
    }
    told = {name: "\n".join(each) for name, each in links.items()}
    body = shell.format(auth=auth, assets=known.place, **told).encode()
    return body, packed(body)


@get(
    ["/", "/c/{conversation_id:str}", "/c/{conversation_id:str}/history", "/service"],
    include_in_schema=False,
    opt=OPEN,
    sync_to_thread=False,
)
def page(request: Request[Any, Any, Any], state: State) -> ASGIResponse:
    settings: Settings = state["settings"]
    return as_taken(request, *document(settings.auth), "text/html", HEADERS)


HANDLERS: Final = (page, asset)
