"""The pages: one document, whatever its address, and the files that it is made of."""

import gzip
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from mimetypes import guess_type
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, PathParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from service.api.asking.auth import OPEN
from service.settings.settings import Settings

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
FOR_EVER: Final = "public, max-age=31536000, immutable"
"""The address of a file holds a digest of all of them: what it leads to never changes."""
NEVER: Final = "no-store"
LATER: Final = frozenset({"history.js", "saving.js", "service.js", "replay.js", "chart.js"})
"""What the first page does without."""


class File(Struct, frozen=True):
    name: str
    media_type: str
    body: bytes
    packed: bytes


class Files(Struct, frozen=True):
    by_name: dict[str, File]
    digest: str

    @property
    def place(self) -> str:
        return f"/assets/{self.digest}"


@cache
def files() -> Files:
    found = {each.name: each for each in read(resources.files("service.web").joinpath("assets"))}
    digest = sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + found[name].body + b"\0")
    return Files(found, digest.hexdigest()[:16])


def read(folder: Traversable, prefix: str = "") -> Iterator[File]:
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            yield from read(entry, f"{name}/")
        else:
            body = entry.read_bytes()
            media_type = guess_type(name)[0] or "text/plain"
            yield File(name, media_type, body, gzip.compress(body, mtime=0))


@cache
def document(auth: str) -> bytes:
    shell = resources.files("service.web").joinpath("shell.html").read_text("utf-8")
    known = files()
    scripts = sorted(name for name in known.by_name if name.endswith(".js") and name not in LATER)
    preloads = "\n".join(f'<link rel="modulepreload" href="{known.place}/{name}">' for name in scripts)
    return shell.format(auth=auth, assets=known.place, preloads=preloads).encode()


@get(
    ["/", "/c/{conversation_id:str}", "/c/{conversation_id:str}/history", "/service"],
    include_in_schema=False,
    opt=OPEN,
    sync_to_thread=False,
)
def page(state: State) -> ASGIResponse:
    settings: Settings = state["settings"]
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": NEVER}
    return ASGIResponse(body=document(settings.auth), media_type="text/html", headers=headers)


@get(
    "/assets/{digest:str}/{name:path}",
    include_in_schema=False,
    opt=OPEN,
    sync_to_thread=False,
)
def file(
    request: Request[Any, Any, Any],
    digest: FromPath[str],
    name: Annotated[str, PathParameter()],
) -> ASGIResponse:
    """Under an older digest too: a page that was open before an upgrade still finds its files, or their
    successors, and those are not kept."""
    known = files()
    found = known.by_name.get(name.lstrip("/"))
    if found is None:
        raise NotFoundException
    headers = {"Cache-Control": FOR_EVER if digest == known.digest else NEVER, "Vary": "Accept-Encoding"}
    takes_packed = "gzip" in request.headers.get("accept-encoding", "")
    if takes_packed:
        headers["Content-Encoding"] = "gzip"
    return ASGIResponse(
        body=found.packed if takes_packed else found.body, media_type=found.media_type, headers=headers
    )


HANDLERS: Final = (page, file)
