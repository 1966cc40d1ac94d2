"""A conversation as it stood at one of its versions, or at a time, with its messages."""

import re
from datetime import datetime
from typing import Annotated, Any, Final

from litestar.params import QueryParameter
from litestar.response.base import ASGIResponse
from msgspec import UNSET, UnsetType

from projections import history
from service.api.answering import examples
from service.api.answering.documented import A_VERSION_OR_A_TIME
from service.api.answering.including import kinds_shown
from service.api.answering.paging import page_at, place_of, position_as_cursor
from service.api.answering.times import time_in
from service.api.answering.wire import (
    RFC3339,
    ConversationBody,
    MessageBody,
    answer,
    links,
    message,
    moment,
    raw,
    unfit,
)
from service.api.asking.asking import Asking
from service.api.asking.seeing import seen
from service.api.asking.terms import etag
from service.audit.as_of import Stood, conversation_at
from service.audit.errors import BeforeTheStart, NoSuchVersion, NothingLeft
from service.store.past import Bounds, Past

A_VERSION: Final = re.compile(r"\s*([0-9]{1,18})\s*")
A_DAY: Final = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
EXPECTED: Final = "Expected a version, as in 12, or a time, as in 2026-03-14T09:26:53Z"
At = Annotated[
    str | None,
    QueryParameter(
        description="A version, or a time: the conversation is shown as it stood then, with a page of its "
        "messages. limit, before and after are about those.",
        schema_extra=A_VERSION_OR_A_TIME,
    ),
]


class ConversationRead(ConversationBody, frozen=True, kw_only=True):
    """With `at`: as it stood at that version, recorded at that time, and a page of the messages it had. The
    version that it has come to since is current_version."""

    at: datetime | UnsetType = UNSET
    current_version: int | UnsetType = UNSET
    messages: list[MessageBody] | UnsetType = UNSET
    older: str | UnsetType | None = UNSET
    newer: str | UnsetType = UNSET


THEN: Final[dict[str, Any]] = examples.CONVERSATION | {
    "at": examples.ANSWERED_AT,
    "current_version": 7,
    "messages": [examples.QUESTION, examples.ANSWER],
    "older": examples.OLDER,
    "newer": examples.NEWER,
}


async def as_it_stood(
    asking: Asking,
    conversation: str,
    at: str,
    limit: int,
    before: str | None,
    after: str | None,
    items: bool,
) -> ASGIResponse:
    whose, pool = await seen(asking, conversation), asking.hansard.pool
    conversation_id = whose.conversation_id
    place = place_of(whose.user_id or "", limit, before, after)
    async with pool.connection() as connection:
        past = Past(connection, whose.shard, conversation_id)
        bounds = await past.bounds()
        version = await version_meant(past, bounds, at)
        recorded_at = await past.time_of(version)
    found, linked = await conversation_at(pool, whose.shard, conversation_id, version)
    projection = asking.hansard.views[history.History.name].projection
    kinds = kinds_shown(whose.everything, items)
    stood = Stood(pool, projection, whose.shard, conversation_id, version, kinds)
    rows, around = await page_at(place, stood.page)
    position = position_as_cursor(whose.user_id or "", found.last_position)
    told = ConversationRead(
        found.conversation_id,
        found.user_id,
        found.title,
        moment(found.started_at),
        moment(found.last_activity_at),
        found.ended_at is not None,
        found.message_count,
        raw(found.metadata),
        links(linked),
        found.version,
        position,
        found.name,
        at=moment(recorded_at),
        current_version=bounds.version,
        messages=[message(row, items) for row in rows],
        older=around.older,
        newer=around.newer,
    )
    return answer(told, headers=etag(version))


async def version_meant(past: Past, bounds: Bounds, at: str) -> int:
    if bounds.erased:
        raise NothingLeft(at=bounds.changed_at.strftime(RFC3339))
    if number := A_VERSION.fullmatch(at):
        version = int(number[1])
        if not 1 <= version <= bounds.version:
            raise NoSuchVersion(version=version, current_version=bounds.version)
        return version
    if not A_DAY.match(at):
        raise unfit("at", EXPECTED)
    time = time_in("at", at, EXPECTED)
    found = await past.version_at(time)
    if found is None:
        raise BeforeTheStart(at=time.strftime(RFC3339), started_at=bounds.started_at.strftime(RFC3339))
    return found
