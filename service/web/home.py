"""The page at `/`, which says what this server is and where to go on."""

from importlib import resources

from litestar import MediaType, get

from service.api.auth import OPEN

PAGE = resources.files("service.web").joinpath("home.html").read_text("utf-8")


@get("/", media_type=MediaType.HTML, include_in_schema=False, opt=OPEN, sync_to_thread=False)
def home() -> str:
    return PAGE
