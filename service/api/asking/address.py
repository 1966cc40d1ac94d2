"""What an address says: text in UTF-8 and whole, or the request is refused.

Whoever decodes it for us puts one sign in place of all that is no UTF-8, and takes an escaped slash for one
that ends a name: so different users would become one.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from litestar.types import Scope

from domain.errors import ContentNotText
from service.api.answering.errors import SlashInPath, UsersDiffer
from service.api.asking.requests import headers_of

USER: Final = b"x-user-id"
SLASH: Final = re.compile(b"%2f", re.IGNORECASE)


def check_address(scope: Scope) -> None:
    path, query = scope.get("raw_path", b""), scope["query_string"]
    if b"%" in path or not path.isascii():
        template = scope["path_template"].split("/")
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


def check_names_one_user(scope: Scope) -> None:
    """Of a parameter that is given twice, one value would count, and nobody could tell which."""
    in_header = {value for name, value in scope["headers"] if name == USER}
    query = scope["query_string"]
    has_several = b"&" in query and (b"%" in query or query.count(b"user_id") > 1)
    if len(in_header) > 1 or (has_several and len(set(named_in_query(query))) > 1):
        raise UsersDiffer


def named_in(scope: Scope) -> str | None:
    """The user who is named outside of the body, if one is."""
    named = headers_of(scope).get(USER)
    if named is not None:
        return named.decode("latin-1")
    return next(iter(named_in_query(scope["query_string"])), None)


def named_in_query(query: bytes) -> list[str]:
    if b"user_id" not in query and b"%" not in query:
        return []
    return [value for name, value in parse_qsl(query.decode(), keep_blank_values=True) if name == "user_id"]
