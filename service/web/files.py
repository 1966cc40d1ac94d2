"""The files that the pages are made of: kept for ever under an address that holds their digest."""

import gzip
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from mimetypes import guess_type
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, PathParameter
from litestar.response.base import ASGIResponse
from msgspec import Struct

from service.api.asking.auth import OPEN

FIRST: Final = "sheets/tokens.css"
"""Says in which order the layers of the others lie, so that theirs does not matter."""
LATER: Final = frozenset(
    {
        "signin.js",
        "step.js",
        "sheets/signin.css",
        "saving.js",
        "history.js",
        "sheets/history.css",
        "service.js",
        "sheets/service.css",
        "chart.js",
        "sheets/chart.css",
        "replay.js",
        "sheets/replay.css",
    }
)
"""What the first page does without."""
FOR_EVER: Final = "public, max-age=31536000, immutable"
"""The address of a file holds a digest of all of them: what it leads to never changes."""
NEVER: Final = "no-store"
POLICY: Final = "default-src 'none'"
"""For one that is opened by itself: a picture may hold scripts, and loads nothing here."""


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

    def at_first(self, kind: str) -> list[str]:
        """The scripts or sheets of the first page, in the order in which they are loaded."""
        names = [name for name in self.by_name if name.endswith(kind) and name not in LATER]
        return sorted(names, key=lambda name: (name != FIRST, name))


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
            yield File(name, media_type, body, packed(body))


def packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


@get("/assets/{digest:str}/{name:path}", include_in_schema=False, opt=OPEN, sync_to_thread=False)
def asset(
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
    headers = {
        "Cache-Control": FOR_EVER if digest == known.digest else NEVER,
        "Content-Security-Policy": POLICY,
    }
    return as_taken(request, found.body, found.packed, found.media_type, headers)


def as_taken(
    request: Request[Any, Any, Any],
    body: bytes,
    packed: bytes,
    media_type: str,
    headers: Mapping[str, str],
) -> ASGIResponse:
    """Packed for whoever takes it packed."""
    sent = {**headers, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return ASGIResponse(body=body, media_type=media_type, headers=sent)
    return ASGIResponse(body=packed, media_type=media_type, headers={**sent, "Content-Encoding": "gzip"})
