"""Puts on record who reads whose history: before it is answered where an auditor asks, and behind the answer
where anybody else does and the settings want that too.

That a request reads is said by its method; where it is not, by its handler.
"""

import logging
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from litestar import Request
from litestar.datastructures import Headers
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, HTTPScope, Scope
from msgspec import Struct

from service.api.answering.problems import details_of
from service.api.asking.principal import Principal, from_header
from service.attachment import Attachment
from service.audit.reads import EVERYBODYS, Read
from service.hansard import Hansard
from service.store.ids import new_id
from service.store.names import as_id, in_any_spelling
from service.store.whereabouts import whereabouts
from service.watch.logs import REQUEST_ID

NOBODYS: Final = "/api/admin/"
"""What is asked there is nobody's history."""
SAID: Final = "hansard.read"
CONVERSATION: Final = ("conversation_id", "session_id")

logger = logging.getLogger("hansard.audit")


class RecordedRead(Struct, frozen=True):
    """What a request reads, as its handler says it."""

    operation: str
    user_id: str
    conversation_id: UUID | None


def say_that_it_reads(scope: Scope, reading: RecordedRead) -> None:
    scope["state"][SAID] = reading


class Recording:
    def __init__(self, attachment: Attachment, everybody: bool) -> None:
        self._attachment = attachment
        self._everybody = everybody

    def concerns(self, scope: HTTPScope) -> bool:
        """Whether the answer to this request tells somebody's history to somebody who is put on record."""
        principal: Principal | None = scope.get("user")
        return (
            principal is not None
            and (self._everybody or audits(principal))
            and (reads_of_somebody(scope) or SAID in scope["state"])
        )

    async def record(self, scope: HTTPScope) -> None:
        principal: Principal = scope["user"]
        hansard = self._attachment.hansard
        if audits(principal):
            return await hansard.reads.record(await read_of(hansard, scope, principal))
        try:
            hansard.reads.record_soon(await read_of(hansard, scope, principal))
        except Exception:
            logger.exception("a read could not be put on record")


def audits(principal: Principal) -> bool:
    return principal.mode == "service" and "audit" in principal.scopes


def refusal(failed: Exception, scope: HTTPScope) -> tuple[HTTPResponseStartEvent, HTTPResponseBodyEvent]:
    request = Request[Any, Any, Any](scope)
    told = details_of(failed).to_response(request).to_asgi_response(None, request)
    return (
        {"type": "http.response.start", "status": told.status_code, "headers": told.encode_headers()},
        {"type": "http.response.body", "body": told.body, "more_body": False},
    )


def reads_of_somebody(scope: HTTPScope) -> bool:
    path = scope["path"]
    return scope["method"] == "GET" and path.startswith("/api/") and not path.startswith(NOBODYS)


async def read_of(hansard: Hansard, scope: HTTPScope, principal: Principal) -> Read:
    said: RecordedRead | None = scope["state"].get(SAID)
    if said is not None:
        shard = hansard.store.shard_of(said.user_id)
        return read(shard, said.user_id, said.conversation_id, said.operation, principal)
    query = parse_qs(scope["query_string"].decode("latin-1"))
    given = {key: values[-1] for key, values in query.items()} | scope.get("path_params", {})
    conversation = next((str(given[key]) for key in CONVERSATION if key in given), None)
    conversation_id = in_any_spelling(conversation or "")
    user_id = principal.user_id or named_in(scope, given)
    shard = EVERYBODYS
    if user_id is not None:
        shard = hansard.store.shard_of(user_id)
        if conversation is not None and as_id(conversation) is None:
            conversation_id = await hansard.names.find(shard, user_id, conversation) or conversation_id
    elif conversation_id is not None:
        async with hansard.pool.connection() as connection:
            whose = await whereabouts(connection, hansard.reach, conversation_id)
        if whose is not None:
            shard, user_id = whose.shard, whose.user_id
    return read(shard, user_id, conversation_id, f"GET {scope['path_template']}", principal)


def read(
    shard: int, user_id: str | None, conversation_id: UUID | None, operation: str, principal: Principal
) -> Read:
    return Read(
        shard,
        new_id(),
        user_id,
        conversation_id,
        principal.name,
        operation,
        REQUEST_ID.get(),
        datetime.now(UTC),
    )


def named_in(scope: HTTPScope, given: dict[str, str]) -> str | None:
    in_header = Headers.from_scope(scope).get("x-user-id")
    return given.get("user_id") if in_header is None else from_header(in_header)
