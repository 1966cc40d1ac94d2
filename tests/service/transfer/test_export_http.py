"""The record over HTTP: one's own, or as an auditor everybody's; line by line, and cut off where it ends."""

from typing import Any

import msgspec

from domain.events import ConversationErased
from service.api.export import begun
from service.store.connections import Database
from service.transfer.file.export import export
from service.transfer.file.lines import Selection
from tests.service.api.calling import Client, as_user, asked_who, bearer, key
from tests.service.store.appending import asked, rows, storing
from tests.service.transfer.test_export_import import file_of, taken_in
from tests.service.transfer.test_import_conversations import TALK, said, taken, talk


def events_in(file: bytes) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in file.splitlines()[1:-1]]


async def say(client: Client, user: str, words: str) -> str:
    answer = await client.post(
        "/api/conversations",
        headers=as_user(user),
        json={"title": "A talk", "messages": [{"role": "user", "content": words}]},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_user_gets_what_is_hers_and_nothing_else(dsn: str) -> None:
    async with asked_who(dsn) as client:
        hers = await say(client, "alice", "mine \0 🌍")
        await say(client, "bob", "his")
        answer = await client.get("/api/export", headers=as_user("alice"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert {line["conversation_id"] for line in events_in(answer.content)} == {hers}
    assert answer.content == file_of(dsn, Selection(user_id="alice"))


async def test_an_auditor_gets_everybodys_and_another_backend_does_not(dsn: str) -> None:
    async with asked_who(dsn) as client:
        await say(client, "alice", "one")
        await say(client, "bob", "two")
        auditor, backend = bearer(key(dsn, "auditor", "audit")), bearer(key(dsn))
        everybodys = await client.get("/api/export", headers=auditor)
        bobs = await client.get("/api/export", headers=auditor | {"X-User-Id": "bob"})
        refused = await client.get("/api/export", headers=backend)
        rest = await client.get("/api/export", headers=auditor, params={"after_user": "alice"})
    assert {line["user_id"] for line in events_in(everybodys.content)} == {"alice", "bob"}
    assert {line["user_id"] for line in events_in(bobs.content)} == {"bob"}
    assert events_in(rest.content) == events_in(bobs.content)
    assert refused.status_code == 400
    assert everybodys.content == file_of(dsn)


async def test_one_conversation_is_a_file_too_and_another_users_is_not_there(dsn: str) -> None:
    async with asked_who(dsn) as client:
        one = await say(client, "alice", "one")
        await say(client, "alice", "two")
        asked = {"conversation_id": one}
        answer = await client.get("/api/export", headers=as_user("alice"), params=asked)
        not_his = await client.get("/api/export", headers=as_user("bob"), params=asked)
    assert {line["conversation_id"] for line in events_in(answer.content)} == {one}
    assert not_his.status_code == 404


async def test_what_was_exported_over_http_can_be_imported(dsn: str) -> None:
    async with asked_who(dsn) as client:
        await say(client, "alice", "one")
        answer = await client.get("/api/export", headers=as_user("alice"))
    again = taken_in(dsn, answer.content)
    assert (again.there_already, again.events, again.skipped) == (1, 0, [])


async def test_what_was_erased_is_in_the_file_as_that_and_does_not_come_back(dsn: str) -> None:
    async with asked_who(dsn) as client:
        auditor = bearer(key(dsn, "auditor", "audit"))
        gone, kept = await say(client, "alice", "the marker"), await say(client, "alice", "stays")
        before = (await client.get("/api/export", headers=auditor)).content
        erased = await client.delete(f"/api/conversations/{gone}", headers=as_user("alice"))
        assert erased.status_code < 300, erased.text
        after = (await client.get("/api/export", headers=auditor)).content
        hers = (await client.get("/api/export", headers=as_user("alice"))).content
    assert b"the marker" in before
    assert b"the marker" not in after
    of_gone = [line for line in events_in(after) if line["conversation_id"] == gone]
    assert [line.get("user_id") for line in of_gone] == [None] * len(of_gone)
    assert of_gone[-1]["event"]["event"] == "conversation_erased"
    assert {line["conversation_id"] for line in events_in(hers)} == {kept}
    assert [each.why for each in taken_in(dsn, before).skipped] == ["it was erased here"]
    assert taken_in(dsn, after).there_already == 2
    assert file_of(dsn) == after


async def test_an_erasure_that_has_only_begun_is_kept_by_the_export_already(dsn: str) -> None:
    taken(dsn, talk(said(1), said(2)))
    with storing(dsn) as store:
        store.append_blocking(asked(store, TALK, [ConversationErased(requested_by="her", reason="so")]))
    file = file_of(dsn)
    assert b"word 1" not in file
    assert b"ann" not in file
    assert file_of(dsn, Selection(user_id="ann")).count(b"\n") == 2


async def test_a_listener_who_goes_away_leaves_nothing_open(dsn: str) -> None:
    blocks = export(Database.open(dsn))
    answer = await begun(blocks)
    await anext(answer)
    await answer.aclose()  # type: ignore[attr-defined]
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hansard export'"
    while rows(dsn, open_ones) != [(0,)]:
        pass
