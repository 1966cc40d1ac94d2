"""What holds for messages holds for items of every kind: erased, anonymised, moved and proven like them."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from service.cli.main import main
from service.items.sorts import Item
from service.postgres.embedded import EmbeddedPostgres
from service.privacy import forget
from service.store.connections import Database
from service.store.repository import Caller
from service.verify.log import verify_log
from tests.conftest import database
from tests.contracts.openai_items import every_shape
from tests.service.api.recording import at_once, by, got, said, started
from tests.service.privacy.dumping import dumped
from tests.service.privacy.test_erasing import follow
from tests.service.transfer.test_export_import import file_of, taken_in
from tests.service.verify.tampering import verify

MARKER = "xyzzy"
USER = f"user-{MARKER}-1"
SAYS_WHAT_IT_IS = ("type", "role", "status")


def marked(value: Any, name: str = "") -> Any:
    """The same with a marker in each text and in the name of a field, but for what says what it is."""
    match value:
        case dict():
            more = {} if "type" in value and value["type"] == "item_reference" else {f"of {MARKER}": MARKER}
            return {key: marked(each, key) for key, each in value.items()} | more
        case list():
            return [marked(each, name) for each in value]
        case str() if name not in SAYS_WHAT_IT_IS:
            return f"{value} {MARKER}"
        case _:
            return value


ITEMS: list[Item] = [marked(item) for item in every_shape()]


async def recorded(client: Any, items: list[Item] = ITEMS, user_id: str = USER) -> Any:
    made = await started(client, by_user=user_id)
    for start in range(0, len(items), 100):
        some = items[start : start + 100]
        await said(client, made, *({"item": item} for item in some), by_user=user_id)
    return made


async def items_of(client: Any, made: Any, user_id: str = USER) -> list[Item]:
    path = f"/api/conversations/{made['id']}/messages"
    page = await got(client, path, by_user=user_id, include="items", limit=1000)
    return [message["item"] for message in page["messages"]]


def test_every_kind_has_a_marker_in_every_text() -> None:
    for item in ITEMS:
        texts = msgspec.json.encode(item).decode().count(MARKER)
        assert texts > 1 or item.keys() <= {"type", "id"}, item


async def test_nothing_of_an_erased_item_is_left(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    async with at_once(dsn) as (client, hansard):
        made = await recorded(client)
        kept = await recorded(client, [{"type": "mood", "id": "mood_1", "text": "calm"}], "bob")
        await asyncio.to_thread(follow, hansard)
        assert dumped(dsn).count(MARKER) > 10_000
        answer = await client.delete(f"/api/conversations/{made['id']}", headers=by(USER))
        assert answer.json()["erased"] == {"messages": len(ITEMS)}
        await asyncio.to_thread(follow, hansard)
        assert [line for line in dumped(dsn).splitlines() if MARKER in line] == []
        assert len(await items_of(client, kept, "bob")) == 1
    assert MARKER not in caplog.text
    assert main(["replay", "--dsn", dsn]) == 0
    assert main(["verify", "--dsn", dsn]) == 0


async def test_of_an_anonymised_item_only_the_words_are_left(dsn: str) -> None:
    hidden = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "the-hidden-one"}
    output = {"type": "function_call_output", "id": "fco_1", "output": f"for {USER}", "x": {"y": "z-hidden"}}
    async with at_once(dsn) as (client, hansard):
        made = await recorded(client, [*ITEMS, hidden, output])
        await asyncio.to_thread(follow, hansard)
        await forget.anonymise(hansard, Caller(USER, USER), UUID(made["id"]))
        await asyncio.to_thread(follow, hansard)
        told = dumped(dsn)
        for gone in (USER, "hidden", "openai.item.v1", "encrypted_content", "file_data"):
            assert gone not in told
        ((content,),) = rows_of(
            dsn, "SELECT content::text FROM hansard.history_g1 WHERE message_id = 'fco_1'"
        )
        assert content.startswith('"for anonymous-')
    assert main(["replay", "--dsn", dsn]) == 0
    assert main(["verify", "--dsn", dsn]) == 0


def rows_of(dsn: str, query: Any) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("anonymous", [False, True])
async def test_items_move_to_another_database_as_they_are(
    dsn: str, postgres: EmbeddedPostgres, template: str, anonymous: bool
) -> None:
    async with at_once(dsn) as (client, hansard):
        made = await recorded(client)
        before = await items_of(client, made)
        if anonymous:
            await forget.anonymise(hansard, Caller(USER, USER), UUID(made["id"]))
    file = file_of(dsn)
    with database(postgres, template) as there:
        assert not taken_in(there, file).skipped
        assert file_of(there) == file
        assert not verify_log(Database.open(there)).faults
        if not anonymous:
            async with at_once(there) as (client, _):
                assert await items_of(client, made) == before


async def test_a_changed_byte_of_any_item_is_found(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with at_once(dsn) as (client, _):
        await recorded(client)
    assert verify(dsn) == 0
    capsys.readouterr()
    with psycopg.connect(dsn) as connection:
        middle = "octet_length(state) / 2"
        changed = f"set_byte(state, {middle}, 255 - get_byte(state, {middle}))"
        statement = f"UPDATE hansard.events SET state = {changed} WHERE topic = 'message_added'"  # noqa: S608
        assert connection.execute(statement.encode()).rowcount == len(ITEMS)
    assert verify(dsn) == 1
    assert f"{len(ITEMS)} things are wrong" in capsys.readouterr().out


async def test_what_clients_are_shown_can_be_found_and_nothing_else(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        made = await recorded(client)
        await asyncio.to_thread(follow, hansard)
        found_ids, cursor = list[str](), dict[str, Any]()
        while True:
            page = await got(client, "/api/search", by_user=USER, q=MARKER, limit=1000, **cursor)
            found_ids += [each["message_id"] for each in page["results"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        shown = {
            message["id"]
            for message in (
                await got(client, f"/api/conversations/{made['id']}/messages", by_user=USER, limit=1000)
            )["messages"]
            if MARKER in message["content"]
        }
        assert set(found_ids) == shown
        assert len(shown) > 50
