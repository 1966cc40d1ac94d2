"""What an address says: text in UTF-8 and whole, or the request is refused.

Whoever decodes it for us puts one sign in place of all that is no UTF-8, and takes an escaped slash for one
that ends a name: so different users would become one.
"""

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from litestar.connection import ASGIConnection

from domain.errors import ContentNotText
from service.api.answering.errors import SlashInPath, UsersDiffer

SLASH: Final = re.compile(b"%2f", re.IGNORECASE)


def check_address(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    path, query = connection.scope.get("raw_path", b""), connection.scope["query_string"]
    if b"%" in path or not path.isascii():
        template = connection.scope["path_template"].split("/")
        for name, value in zip(template, path.split(b"/"), strict=False):
            check_value(name.strip("{}"), value)
            if SLASH.search(value):
                raise SlashInPath(field=name.strip("{}"))
    if b"%" in query or not query.isascii():
        for pair in query.split(b"&"):
            given, _, value = pair.partition(b"=")
            name = unquote_to_bytes(given).decode(errors="replace")
            check_value(name, given)
            check_value(name, value)


def check_value(name: str, escaped: bytes) -> None:
    try:
        unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError as broken:
        raise ContentNotText(field=name, at=len(broken.object[: broken.start].decode())) from None


def check_names_one_user(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Of a parameter that is given twice, one value would count, and nobody could tell which."""
    in_header = {value for name, value in connection.scope["headers"] if name == b"x-user-id"}
    query = connection.scope["query_string"]
    has_several = query.count(b"&") > 0 and (b"%" in query or query.count(b"user_id") > 1)
    in_query = set(connection.query_params.getall("user_id", [])) if has_several else set()
    if len(in_header) > 1 or len(in_query) > 1:
        raise UsersDiffer


def named_in(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The user who is named outside of the body, if one is."""
    named: str | None = connection.headers.get("x-user-id")
    if named is None and connection.scope["query_string"]:
        named = connection.query_params.get("user_id")
    return named
