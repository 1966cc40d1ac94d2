"""The floor: the framework and server that Hansard stands on, with the same shapes and nothing behind them.

What Litestar itself does is left to it: it reads the address, the query and the body, and writes the answer.
"""

import socket
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server.mp import MPServer
from litestar import Litestar, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct, field

from service.bench.messages import content

ADDRESS: Final = "127.0.0.1"
PAGE: Final = 50
LIST: Final = 20
NOBODYS: Final = UUID(int=0)


class NewBareMessage(Struct):
    role: str
    content: str
    metadata: dict[str, Any] = field(default_factory=dict)


class NewBareMessages(Struct):
    messages: list[NewBareMessage]


class BareMessage(Struct):
    id: str
    conversation_id: UUID
    user_id: str
    role: str
    kind: str
    content: str
    timestamp: datetime
    is_fortune: bool
    metadata: dict[str, Any]
    status: str
    tags: list[str]
    version: int


class BarePage(Struct):
    messages: list[BareMessage]
    older: str | None
    newer: str


class BareConversation(Struct):
    id: UUID
    user_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    ended: bool
    message_count: int
    metadata: dict[str, Any]
    version: int


class BareConversations(Struct):
    conversations: list[BareConversation]
    next_cursor: str | None


class BareAdded(Struct):
    ids: list[str]
    count: int


def message(conversation_id: UUID, role: str, text: str) -> BareMessage:
    now = datetime.now(UTC)
    return BareMessage(
        str(uuid4()), conversation_id, "ann", role, "message", text, now, False, {}, "complete", [], 1
    )


def conversation() -> BareConversation:
    now = datetime.now(UTC)
    return BareConversation(uuid4(), "ann", content(0)[:60], now, now, False, 2, {}, 3)


MESSAGES: Final = [message(NOBODYS, "user", content(number)) for number in range(PAGE)]
CONVERSATIONS: Final = [conversation() for _ in range(LIST)]


@post("/api/conversations")
async def start() -> BareConversation:
    return conversation()


@get("/api/conversations")
async def listed(limit: FromQuery[int]) -> BareConversations:
    return BareConversations(CONVERSATIONS[:limit], "next")


@post("/api/conversations/{conversation_id:str}/messages")
async def add(conversation_id: FromPath[UUID], data: JSONBody[NewBareMessage]) -> BareMessage:
    return message(conversation_id, data.role, data.content)


@get("/api/conversations/{conversation_id:str}/messages")
async def newest(conversation_id: FromPath[UUID], limit: FromQuery[int]) -> BarePage:
    return BarePage(MESSAGES[:limit], "older", "newer")


@post("/api/conversations/{conversation_id:str}/messages/batch")
async def add_many(conversation_id: FromPath[UUID], data: JSONBody[NewBareMessages]) -> BareAdded:
    return BareAdded([str(uuid4()) for _ in data.messages], len(data.messages))


def create_bare() -> Litestar:
    return Litestar([start, listed, add, newest, add_many], openapi_config=None, logging_config=None)


def main() -> None:
    """Like a worker of Hansard's."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port = probe.getsockname()[1]
    server = MPServer(
        "service.bench.bare:create_bare",
        factory=True,
        address=ADDRESS,
        port=port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        websockets=False,
        log_level=LogLevels.warning,
    )
    print(f"Bare framework on http://{ADDRESS}:{port}", flush=True)  # noqa: T201 - whoever started it reads it
    server.serve()


if __name__ == "__main__":
    main()
