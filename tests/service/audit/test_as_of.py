"""At every version of a random history, what is told of it equals a plain fold of its first events."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    ConversationLinked,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnlinked,
    Link,
    MessageAdded,
    MessageRated,
    MessageRemoved,
    MessageRevised,
    MetadataChanged,
    SessionEnded,
    SessionReopened,
)
from domain.message import SHOWN, WITH_ITEMS
from domain.recorded import Recorded
from domain.title import title_from
from projections.history import History
from projections.reading.view import configure
from service.audit.as_of import Stood, conversation_at
from service.audit.history import page_of_events
from service.store.append import append_of
from service.store.connections import Database, conninfo
from service.store.log import DatabaseLog
from service.store.past import Pool
from service.store.store import Store
from tests.projections.given import SHARD, histories
from tests.service.store.appending import storing

END = 2**63 - 1


def plain(history: list[Recorded]) -> tuple[dict[str, Any], list[Link], list[dict[str, Any]]]:
    """With dictionaries, event after event."""
    row: dict[str, Any] = {}
    links: list[Link] = []
    messages: dict[str, dict[str, Any]] = {}
    for recorded in history:
        row["version"] = recorded.version
        match recorded.event:
            case ConversationStarted() as started:
                row |= {
                    "title": started.title,
                    "opening": None,
                    "metadata": started.metadata,
                    "ended": None,
                    "user_id": recorded.user_id,
                    "started_at": recorded.recorded_at,
                }
                links += started.links
            case MessageAdded() as added:
                messages[added.message_id] = msgspec.structs.asdict(added) | {
                    "version": recorded.version,
                    "position": recorded.position,
                    "user_id": recorded.user_id,
                    "rating": None,
                    "comment": None,
                    "revised_at": None,
                }
                if added.role == "user" and added.kind == "message":
                    row["opening"] = row["opening"] or title_from(added.content) or None
            case MessageRevised() as revised:
                messages[revised.message_id] |= msgspec.structs.asdict(revised)
                messages[revised.message_id]["revised_at"] = recorded.recorded_at
            case MessageRated() as rated:
                messages[rated.message_id] |= {"rating": rated.rating, "comment": rated.comment}
            case MessageRemoved() as removed:
                del messages[removed.message_id]
            case ConversationRenamed(title=title):
                row["title"] = title
            case MetadataChanged(metadata=metadata):
                row["metadata"] = metadata
            case ConversationLinked(link=link):
                links.append(link)
            case ConversationUnlinked(link=link):
                links.remove(link)
            case SessionEnded():
                row["ended"] = recorded.recorded_at
            case SessionReopened():
                row["ended"] = None
            case ConversationAnonymised():
                row |= {"title": None, "metadata": {}, "user_id": recorded.user_id}
                links = []
                for message in messages.values():
                    message |= {"metadata": {}, "payload": None, "user_id": recorded.user_id}
        if isinstance(recorded.event, ConversationStarted | MessageAdded | MessageRevised):
            row |= {"last_activity_at": recorded.recorded_at, "last_position": recorded.position}
    row["message_count"] = len(messages)
    return row, links, list(messages.values())


async def check(pool: Pool, history: list[Recorded], version: int, limit: int) -> None:
    first = history[0]
    row, links, messages = plain(history[:version])
    found, linked = await conversation_at(pool, first.shard, first.conversation_id, version)
    assert found.title == (row["opening"] if row["title"] is None else row["title"])
    assert (found.user_id, found.version, found.message_count) == (row["user_id"], version, len(messages))
    assert (found.started_at, found.ended_at) == (row["started_at"], row["ended"])
    assert (found.last_activity_at, found.last_position) == (row["last_activity_at"], row["last_position"])
    assert msgspec.json.decode(found.metadata) == row["metadata"]
    assert sorted(linked, key=repr) == sorted(links, key=repr)
    for kinds in (None, SHOWN, WITH_ITEMS):
        stood = Stood(pool, History(), first.shard, first.conversation_id, version, kinds)
        expected = [each for each in messages if kinds is None or each["kind"] in kinds]
        assert await backwards(stood, limit) == await forwards(stood, limit) == list(map(told, expected))


async def backwards(stood: Stood, limit: int) -> list[dict[str, Any]]:
    found, before = list[dict[str, Any]](), END
    while page := await stood.page(limit, before):
        assert len(page) <= limit
        found, before = [*map(read, page), *found], page[0].position
    return found


async def forwards(stood: Stood, limit: int) -> list[dict[str, Any]]:
    found, after = list[dict[str, Any]](), 0
    while page := await stood.page(limit, after=after):
        found, after = [*found, *map(read, page)], page[-1].position
    return found


SAME = (
    "position",
    "version",
    "user_id",
    "role",
    "kind",
    "is_fortune",
    "in_reply_to",
    "status",
    "rating",
    "revised_at",
)


def read(message: Any) -> dict[str, Any]:
    as_json = {name: getattr(message, name) for name in ("content", "metadata", "payload", "comment")}
    decoded = {name: None if value is None else msgspec.json.decode(value) for name, value in as_json.items()}
    return {"id": message.message_id} | {name: getattr(message, name) for name in SAME} | decoded


def told(message: dict[str, Any]) -> dict[str, Any]:
    payload = None if message["payload"] is None else msgspec.to_builtins(message["payload"])
    kept = {name: message[name] for name in (*SAME, "content", "metadata", "comment")}
    return {"id": message["message_id"], "payload": payload} | kept


def append(store: Store, history: list[Recorded]) -> dict[UUID, UUID]:
    """Under new ids, one event an append, so that those of several conversations lie between each other."""
    ids = {each.conversation_id: uuid4() for each in history}
    for each in history:
        store.append_blocking(
            append_of(
                SHARD,
                ids[each.conversation_id],
                [each.event],
                each.recorded_at,
                user_id=each.user_id,
                expected=each.version - 1,
            )
        )
    return ids


def test_a_conversation_as_it_stood_is_the_fold_of_its_first_events(dsn: str) -> None:
    database = Database.open(dsn)

    @given(history=histories, limit=st.integers(1, 4))
    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    def at_every_version(history: list[Recorded], limit: int) -> None:
        ids = append(store, history)
        with database.connect() as connection:
            for conversation_id in ids.values():
                log = DatabaseLog().piece(connection, SHARD, conversation_id, 0, 1_000)
                runner.run(each_version(log, limit))

    async def each_version(log: list[Recorded], limit: int) -> None:
        for version in range(1, len(log) + 1):
            if not isinstance(log[version - 1].event, ConversationErased):
                await check(pool, log, version, limit)
        await check_history(log, limit)

    async def check_history(log: list[Recorded], limit: int) -> None:
        """However it is paged, what an event found and left is the same."""
        whole = await page_of_events(pool, SHARD, log[0].conversation_id, 0, 1_000)
        paged, after = list[Any](), 0
        while True:
            page = await page_of_events(pool, SHARD, log[0].conversation_id, after, limit)
            paged += page.told
            if page.next_version is None:
                break
            after = page.next_version
        assert paged == whole.told
        assert [each.recorded.version for each in paged] == [each.version for each in log]

    with storing(dsn) as store, asyncio.Runner() as runner:
        pool: Pool = AsyncConnectionPool(
            conninfo(dsn), configure=configure, min_size=1, max_size=2, open=False
        )
        runner.run(pool.open())
        try:
            at_every_version()
        finally:
            runner.run(pool.close())
