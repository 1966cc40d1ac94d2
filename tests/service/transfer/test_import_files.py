"""Files that are not what they should be: each is named, and nothing of it is half there."""

from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from service.hansard import prepare
from service.settings.settings import Settings
from service.transfer.file.read import CutOff, Edited, NotAnExport
from tests.conftest import SHARDS
from tests.service.store.appending import rows, storing
from tests.service.transfer.test_export_import import NO_POSITION, file_of, holds, taken_in
from tests.service.transfer.test_import_conversations import said, taken, talk

TALKS = [UUID(int=number) for number in range(1, 5)]
USERS = ("ann", "bob", "cleo", "dora")


@pytest.fixture
def file(dsn: str) -> bytes:
    """Four users' conversations, of three lines each."""
    for user, id in zip(USERS, TALKS, strict=True):
        taken(dsn, talk(said(1), said(2), user_id=user, id=id))
    return file_of(dsn)


@pytest.fixture
def there(empty_dsn: str) -> str:
    prepare(Settings(shards=SHARDS), empty_dsn)
    return empty_dsn


def count(dsn: str) -> int:
    return int(rows(dsn, "SELECT count(*) FROM events")[0][0])


def signed(lines: list[dict[str, Any]]) -> bytes:
    """As somebody would write it who knows the format."""
    body = b'{"format":"hansard.export","version":1}\n' + b"".join(
        msgspec.json.encode(line) + b"\n" for line in lines
    )
    events = [line.get("event") or {} for line in lines]
    end = {
        "conversations": sum(line["version"] == 1 for line in lines),
        "events": len(lines),
        "messages": sum(event.get("event") == "message_added" for event in events),
        "sha256": sha256(body).hexdigest(),
    }
    return body + msgspec.json.encode({"end": end}) + b"\n"


def line(version: int, event: dict[str, Any] | None, user: str | None = "eve", **more: Any) -> dict[str, Any]:
    at = "2024-01-01T00:00:00Z"
    return {
        "conversation_id": str(TALKS[0]),
        "version": version,
        "recorded_at": at,
        "user_id": user,
        "event": event,
    } | more


STARTED = {"event": "conversation_started"}


def added(id: str = "m1", **more: Any) -> dict[str, Any]:
    return {"event": "message_added", "message_id": id, "role": "user", "content": "x"} | more


@pytest.mark.parametrize("left", [0.99, 0.5, 0.2])
def test_a_file_that_was_cut_off_is_named_and_nothing_of_it_imported(
    file: bytes, there: str, left: float
) -> None:
    with pytest.raises(CutOff):
        taken_in(there, file[: file.rindex(b"\n", 0, int(len(file) * left)) + 1])
    assert count(there) == 0


def test_what_there_is_of_it_can_be_imported_all_the_same_and_the_rest_later(file: bytes, there: str) -> None:
    lines = file.splitlines(keepends=True)
    report = taken_in(there, b"".join(lines[:6]), unchecked=True)
    assert (report.conversations, count(there)) == (2, 5)
    assert taken_in(there, file).conversations == 3
    assert file_of(there) == file


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"word 2", b"word 3", "SHA-256"),
        (b'"bob"', b'"eve"', "SHA-256"),
        (b'"version":2', b'"version":3', "SHA-256"),
    ],
)
def test_a_file_that_was_edited_is_named(file: bytes, there: str, old: bytes, new: bytes, told: str) -> None:
    with pytest.raises(Edited, match=told):
        taken_in(there, file.replace(old, new, 1))
    assert count(there) == 0


def test_a_line_that_is_missing_is_counted(file: bytes, there: str) -> None:
    lines = file.splitlines(keepends=True)
    with pytest.raises(Edited, match="it has 11 events, and had 12"):
        taken_in(there, b"".join(lines[:3] + lines[4:]))


def test_what_comes_after_the_last_line_is_named(file: bytes, there: str) -> None:
    with pytest.raises(Edited, match="after the last one"):
        taken_in(there, file + file.splitlines(keepends=True)[1])


@pytest.mark.parametrize("what", [b"", b"hello\n", b"[]\n", b'{"format":"other","version":1}\n'])
def test_what_is_no_export_is_named(there: str, what: bytes) -> None:
    with pytest.raises(NotAnExport):
        taken_in(there, what)


def test_a_broken_line_is_named_and_its_conversation_left_out_whole(file: bytes, there: str) -> None:
    lines = file.splitlines(keepends=True)
    lines[5] = lines[5].replace(b'"role":"user"', b'"role":"pope"')
    report = taken_in(there, b"".join(lines), unchecked=True)
    assert [(each.where, each.what) for each in report.skipped] == [("line 6", f"conversation {TALKS[1]}")]
    assert {row[0] for row in rows(there, "SELECT conversation_id FROM events")} == {TALKS[0], *TALKS[2:]}
    holds(there)


HOSTILE: list[tuple[str, list[dict[str, Any]], str]] = [
    ("version from nowhere", [line(7, STARTED)], "version 7 follows version 0"),
    ("another user half-way", [line(1, STARTED), line(2, added(), "mallory")], "version 2 follows version 0"),
    ("words that are nobody's", [line(1, STARTED, None)], "no user"),
    ("redacted by nothing", [line(1, STARTED), line(2, None, redacted="message_added")], "nothing erased it"),
    ("both empty and not", [line(1, STARTED, redacted="message_added")], "no event, or several"),
    ("a NUL in a name", [line(1, STARTED, actor="a\0b")], "NUL"),
    ("too long a name", [line(1, STARTED, "e" * 300)], "300 characters"),
    (
        "a topic of its own",
        [line(1, STARTED), line(2, None, opaque={"topic": "message_added", "state": ""})],
        "cannot be read",
    ),
    (
        "half a command",
        [line(1, STARTED, command={"id": str(uuid4()), "digest": "AAAA", "size": 9})],
        "command",
    ),
    ("a million levels", [line(1, STARTED | {"metadata": {"a": [[[[[[[[[[1]]]]]]]]]]}})], "nested"),
    ("a field of its own", [line(1, STARTED, shard=3)], "unknown field"),
    ("no zone", [line(1, STARTED, recorded_at="2024-01-01T00:00:00")], "timezone"),
    ("a far year", [line(1, STARTED, recorded_at="9999-01-01T00:00:00Z")], "yet to come"),
]


@pytest.mark.parametrize(("lines", "why"), [each[1:] for each in HOSTILE], ids=[each[0] for each in HOSTILE])
def test_what_is_made_up_is_left_out_and_named(there: str, lines: list[dict[str, Any]], why: str) -> None:
    report = taken_in(there, signed(lines))
    assert why in " ".join(each.why for each in report.skipped)
    left = {row[0] for row in rows(there, "SELECT user_id FROM events")}
    assert not left or left == {"eve"}
    holds(there)


def test_for_one_user_everything_is_hers_and_nothing_else_is_believed(file: bytes, there: str) -> None:
    report = taken_in(there, file, user_id="eve")
    assert (report.conversations, report.skipped) == (4, [])
    told = rows(there, "SELECT DISTINCT user_id, actor, request_id, command_id FROM events")
    assert told == [("eve", None, None, None)]
    holds(there)


def test_one_users_import_touches_nobody_elses_conversation(dsn: str, file: bytes) -> None:
    with storing(dsn) as store:
        same = next(name for name in map(str, range(99)) if store.shard_of(name) == store.shard_of("bob"))
    before = rows(dsn, NO_POSITION + " LIMIT 12")
    report = taken_in(dsn, file, user_id=same)
    assert f"conversation {TALKS[1]}" in {each.what for each in report.skipped}
    users = rows(dsn, "SELECT DISTINCT user_id FROM events WHERE conversation_id = %s", TALKS[1])
    assert users == [("bob",)]
    assert [row for row in rows(dsn, NO_POSITION) if row[4] != same] == before
    holds(dsn)
