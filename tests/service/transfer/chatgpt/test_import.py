"""`hansard import` of a data export of ChatGPT: every conversation once, whole, and nobody else's."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from service.cli.main import main
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.service.api.calling import calling, events
from tests.service.api.recording import got
from tests.service.store.appending import rows
from tests.service.transfer.chatgpt.exports import (
    BEGAN,
    answered,
    as_json,
    as_zip,
    asked,
    conversation,
    id_of,
    line,
    message,
    node,
    talk,
    tree,
)


def imported(dsn: str, place: Path, user: str = "ann") -> int:
    return main(["import", str(place), "--user", user, "--dsn", dsn])


async def listed(dsn: str, user: str = "ann") -> list[dict[str, Any]]:
    async with calling(dsn) as client:
        return list((await got(client, "/api/conversations/", user))["conversations"])


async def said(dsn: str, id: str, user: str = "ann") -> list[tuple[str, str, str]]:
    async with calling(dsn) as client:
        found = await got(client, f"/api/conversations/{id}/messages", user)
    return [(each["role"], each["content"], each["timestamp"]) for each in found["messages"]]


def words(messages: Sequence[tuple[str, str, str]]) -> list[str]:
    return [content for _, content, _ in messages]


async def test_an_export_is_read_back_with_its_times_order_roles_and_titles(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"conversations-000.json": [talk("late", BEGAN + 90)], "conversations-001.json": [talk("early")]}
    assert imported(dsn, as_zip(tmp_path / "export.zip", files)) == 0
    told = capsys.readouterr().out
    assert "is taken for a data export of ChatGPT" in told
    assert "Imported 2 conversations: 4 messages, 6 events" in told
    assert [each["title"] for each in await listed(dsn)] == ["Late", "Early"]
    assert await said(dsn, id_of("early")) == [
        ("user", "Hello?", "2023-11-14T22:13:21.123456Z"),
        ("assistant", "Hello!", "2023-11-14T22:13:22.623456Z"),
    ]


async def test_importing_again_adds_nothing(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = as_json(tmp_path / "conversations.json", talk("one"), talk("two", BEGAN + 1))
    assert imported(dsn, place) == 0
    before = rows(dsn, "SELECT conversation_id, version, digest FROM events ORDER BY 1, 2")
    assert imported(dsn, place) == 0
    assert rows(dsn, "SELECT conversation_id, version, digest FROM events ORDER BY 1, 2") == before
    assert "2 conversations were here already" in capsys.readouterr().out


async def test_of_what_has_grown_the_new_messages_are_added(dsn: str, tmp_path: Path) -> None:
    assert imported(dsn, as_json(tmp_path / "may.json", talk())) == 0
    more = [asked("q1", "Hello?", BEGAN + 1), answered("a1", "Hello!", BEGAN + 2.5), asked("q2", "More?")]
    grown = conversation("greetings", line(*more), title="Renamed", update_time=BEGAN + 500)
    assert imported(dsn, as_json(tmp_path / "june.json", grown)) == 0
    assert words(await said(dsn, id_of("greetings"))) == ["Hello?", "Hello!", "More?"]
    assert imported(dsn, as_json(tmp_path / "june.json", grown)) == 0
    assert events(dsn) == 4


async def test_what_took_another_turn_since_is_told_and_left_as_it_is(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(dsn, as_json(tmp_path / "may.json", talk())) == 0
    mapping = tree(
        node("q1", None, asked("q1", "Hello?", BEGAN + 1)),
        node("a1", "q1", answered("a1", "Hello!", BEGAN + 2.5)),
        node("a2", "q1", answered("a2", "Good morning!", BEGAN + 9)),
    )
    assert imported(dsn, as_json(tmp_path / "june.json", conversation("greetings", mapping, "a2"))) == 1
    assert id_of("greetings") in capsys.readouterr().out
    assert words(await said(dsn, id_of("greetings"))) == ["Hello?", "Hello!"]


async def test_the_same_file_for_two_users_does_not_cross(dsn: str, tmp_path: Path) -> None:
    place = as_json(tmp_path / "conversations.json", talk())
    names = (f"user{number}" for number in count())
    neighbour = next(name for name in names if shard_of(name, SHARDS) == shard_of("ann", SHARDS))
    stranger = next(name for name in names if shard_of(name, SHARDS) != shard_of("ann", SHARDS))
    users = ["ann", neighbour, stranger]
    for user in users:
        assert imported(dsn, place, user) == 0
    ids = {(await listed(dsn, user))[0]["id"] for user in users}
    assert len(ids) == len(users)
    assert id_of("greetings") in ids
    for user in users:
        assert imported(dsn, place, user) == 0
    assert events(dsn) == 3 * len(users)


async def test_what_was_not_shown_is_on_the_record_and_not_shown(dsn: str, tmp_path: Path) -> None:
    hidden = message("s", "system", "You are helpful.", BEGAN)
    mapping = line(hidden, asked("q", "Hello?", BEGAN + 1))
    assert imported(dsn, as_json(tmp_path / "c.json", conversation("one", mapping))) == 0
    assert words(await said(dsn, id_of("one"))) == ["Hello?"]
    assert events(dsn) == 3


async def test_a_project_can_be_listed(dsn: str, tmp_path: Path) -> None:
    assert imported(dsn, as_json(tmp_path / "c.json", talk(gizmo_id="g-p-1"), talk("other"))) == 0
    async with calling(dsn) as client:
        found = await got(client, "/api/links/project/g-p-1/conversations")
    assert [each["title"] for each in found["conversations"]] == ["Greetings"]


async def test_other_branches_are_told_and_are_no_failure(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = tree(
        node("q", None, asked("q", "Why?")),
        node("a", "q", answered("a", "No reason.")),
        node("b", "q", answered("b", "Because.")),
    )
    assert imported(dsn, as_json(tmp_path / "c.json", conversation("one", mapping, "b"))) == 0
    assert "c.json: conversation 1: 1 messages on 1 other branches" in capsys.readouterr().out
    (one,) = await listed(dsn)
    assert one["metadata"]["chatgpt"]["other_branches"] == 1


async def test_what_cannot_be_taken_is_named_and_the_rest_is_taken(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = conversation("late", line(asked("q", "When?", 9e9)))
    large = conversation("large", line(asked("q", "x" * 1_000_001), answered("a", "Too much.")))
    place = as_json(tmp_path / "c.json", talk(), {"a": "folder"}, late, large)
    assert imported(dsn, place) == 1
    told = capsys.readouterr().out
    assert "c.json: conversation 2: an entry: it is not a conversation" in told
    assert f"c.json: conversation 3: conversation {id_of('late')}: It happened at 2255" in told
    assert "c.json: conversation 4: message q: content is 1000001 bytes long" in told
    assert {each["title"] for each in await listed(dsn)} == {"Greetings", "Large"}
    assert words(await said(dsn, id_of("large"))) == ["Too much."]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04 and no more", "it begins with b'PK"),
        (b"<html>", "What can be is an export of Hansard (JSONL), a data export of ChatGPT"),
        (b'{"hello": 1}', "it begins with"),
        (b'[{"mapping": {"a": ', "it breaks off in element 1"),
    ],
)
def test_what_is_nothing_of_the_kind_is_refused_and_nothing_is_stored(
    dsn: str, tmp_path: Path, content: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "file"
    place.write_bytes(content)
    assert imported(dsn, place) == 1
    assert why in capsys.readouterr().err
    assert events(dsn) == 0


def test_an_export_that_breaks_off_leaves_nothing_behind(dsn: str, tmp_path: Path) -> None:
    place = as_json(tmp_path / "c.json", *(talk(f"t{number}") for number in range(20)))
    place.write_bytes(place.read_bytes()[:-40])
    assert imported(dsn, place) == 1
    assert events(dsn) == 0
