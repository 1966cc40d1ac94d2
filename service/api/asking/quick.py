"""The usual request of an operation that is asked all the time, read without the framework's machinery.

Whatever is unusual about a request is left to the operation's own handler: that reads the request from the
start, and refuses in its words what is wrong with it.
"""

import re
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, Final, TypeVar

from litestar.response.base import ASGIResponse
from litestar.types import HTTPReceiveMessage, HTTPScope, Receive, WebSocketReceiveMessage
from msgspec import MsgspecError
from msgspec.json import Decoder

from service.api.answering.errors import BodyBrokeOff
from service.api.answering.paging import MOST
from service.api.asking.asking import Asking, Writing
from service.api.asking.origins import told
from service.api.asking.principal import named_user
from service.api.asking.requests import headers_of, was_read
from service.api.asking.terms import NO_HEADERS
from service.attachment import Attachment
from service.watch.logs import REQUEST_ID

T = TypeVar("T")

PLAIN: Final = re.compile(rb"[a-z_]+=[\w.~-]+(?:&[a-z_]+=[\w.~-]+)*", re.ASCII)
"""A query in which nothing is escaped, and nothing empty."""
NO_VALUE: Final = "null"
"""What the framework takes for a value that was left out."""
AN_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LIMITS: Final = {str(limit): limit for limit in range(1, MOST + 1)}
FLAGS: Final = {"true": True, "false": False}
KEY: Final = b"idempotency-key"
VERSION: Final = b"if-match"


QUICKLY: Final = "quickly"


class Unusual(Exception):
    """Something for the framework to read."""


class UsualRequest:
    def __init__(self, scope: HTTPScope, receive: Receive, attachment: Attachment) -> None:
        self._scope = scope
        self._receive = receive
        self._attachment = attachment
        self._whole: bytes | None = None

    @cached_property
    def _query(self) -> dict[str, str]:
        return query_of(self._scope["query_string"])

    def in_path(self, name: str) -> str:
        """What is written there as ids are; anything else is unusual."""
        return str(self._scope["path_params"][name])

    def limit(self, default: int) -> int:
        given = self._query.get("limit")
        if given is None:
            return default
        return known(LIMITS, given)

    def flag(self, name: str) -> bool:
        given = self._query.get(name)
        return given is not None and known(FLAGS, given)

    def text(self, name: str) -> str | None:
        given = self._query.get(name)
        if given == NO_VALUE:
            raise Unusual
        return given

    def header(self, name: bytes) -> str | None:
        return told(headers_of(self._scope), name)

    def only(self, *names: str) -> None:
        """Has no other parameters, which may be of the same handler's."""
        if not self._query.keys() <= {"user_id", *names}:
            raise Unusual

    @cached_property
    def _named(self) -> str | None:
        return named_user(self.header(b"x-user-id"), self.text("user_id"))

    def asking(self) -> Asking:
        return Asking(self._attachment, self._scope["user"], self._named, REQUEST_ID.get())

    def writing(self) -> Writing:
        given = headers_of(self._scope)
        if KEY in given or VERSION in given:
            raise Unusual
        return Writing(self._attachment, self._scope["user"], self._named, REQUEST_ID.get(), NO_HEADERS)

    async def body(self, decoder: Decoder[T]) -> T:
        """Straight into its Struct."""
        if not headers_of(self._scope).get(b"content-length", b"").isdigit():
            raise Unusual
        self._whole = await self._read()
        try:
            return decoder.decode(self._whole)
        except (MsgspecError, UnicodeError, RecursionError):
            raise Unusual from None

    async def _read(self) -> bytes:
        pieces, more = [], True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise BodyBrokeOff
            pieces.append(message["body"])
            more = message["more_body"]
        was_read(self._scope)
        return b"".join(pieces)

    async def receive_again(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        """What was received, for who reads the request from the start."""
        if self._whole is None:
            return await self._receive()
        whole, self._whole = self._whole, None
        return {"type": "http.request", "body": whole, "more_body": False}


Quick = Callable[[UsualRequest], Awaitable[ASGIResponse]]
"""Answers it."""


def known(values: dict[str, T], given: str) -> T:
    if given not in values:
        raise Unusual
    return values[given]


def query_of(query: bytes) -> dict[str, str]:
    if not query:
        return {}
    if PLAIN.fullmatch(query) is None:
        raise Unusual
    pairs = [pair.split("=") for pair in query.decode().split("&")]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unusual
    return found


def quickly(answer: Quick) -> dict[str, Any]:
    """For an operation's `opt`."""
    return {QUICKLY: answer}
