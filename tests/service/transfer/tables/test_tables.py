"""The tables of other applications become the record: whole, in order, with their own times and links."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from service.cli.main import main
from tests.service.api.calling import calling, events
from tests.service.api.recording import got
from tests.service.transfer.tables.made import (
    CHAT_MESSAGE,
    CHAT_MESSAGES,
    CHATKIT,
    PER_USER,
    assistant_item,
    item,
    made,
    put,
    thread,
    user_item,
)

pytestmark = pytest.mark.filterwarnings("ignore:Direct usage of named widget classes:DeprecationWarning")

NOON = "2024-05-01T12:00:0{}.123456"


def at(second: int) -> str:
    return NOON.format(second)


def imported(dsn: str, theirs: str, *flags: str) -> int:
    return main(["import", "--dsn", dsn, "--from-dsn", theirs, *flags])


async def sessions(dsn: str, user: str = "ann") -> list[dict[str, Any]]:
    async with calling(dsn) as client:
        found = await got(client, "/api/conversations/", user)
        return list(found["conversations"])


async def said(dsn: str, conversation_id: str, user: str = "ann") -> list[dict[str, Any]]:
    async with calling(dsn) as client:
        found = await got(client, f"/api/conversations/{conversation_id}/messages", user)
        return list(found["messages"])


def words(messages: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(each["role"], each["content"], each["timestamp"]) for each in messages]


def row(user: str, role: str, content: str, second: int, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "role": role, "content": content, "created_at": at(second), **more}


async def test_a_history_per_user_becomes_a_conversation_each(dsn: str, empty_dsn: str) -> None:
    made(empty_dsn, PER_USER)
    put(empty_dsn, "chat_messages", row("ann", "assistant", "Hello!", 2), row("ann", "user", "Hello?", 1))
    put(empty_dsn, "chat_messages", row("bob", "human", "Me too", 3))
    assert imported(dsn, empty_dsn) == 0
    (anns,), (bobs,) = await sessions(dsn), await sessions(dsn, "bob")
    assert words(await said(dsn, anns["id"])) == [
        ("user", "Hello?", "2024-05-01T12:00:01.123456Z"),
        ("assistant", "Hello!", "2024-05-01T12:00:02.123456Z"),
    ]
    assert [each["content"] for each in await said(dsn, bobs["id"], "bob")] == ["Me too"]
    assert anns["title"] == "Hello?"


async def test_sessions_are_told_apart_and_keep_their_ids_and_what_is_a_fortune(
    dsn: str, empty_dsn: str
) -> None:
    made(empty_dsn, CHAT_MESSAGES)
    # The one whose id sorts first was active last.
    late, early = sorted((uuid4(), uuid4()))
    put(empty_dsn, "chat_messages", row("ann", "user", "Later", 5, session_id=late))
    put(empty_dsn, "chat_messages", row("ann", "user", "My fortune?", 1, session_id=early, is_fortune=True))
    put(empty_dsn, "chat_messages", row("ann", "assistant", "Luck", 1, session_id=early))
    assert imported(dsn, empty_dsn) == 0
    assert [each["id"] for each in await sessions(dsn)] == [str(late), str(early)]
    messages = await said(dsn, str(early))
    assert [each["content"] for each in messages] == ["My fortune?", "Luck"]
    assert [each["is_fortune"] for each in messages] == [True, False]
    assert [each["id"] for each in messages] == ["2", "3"]


async def test_conversations_with_a_table_of_their_own_keep_owner_title_and_times(
    dsn: str, empty_dsn: str
) -> None:
    made(empty_dsn, *CHAT_MESSAGE)
    began = {"created_at": at(0)}
    put(empty_dsn, "conversation", {"id": 7, "user_id": "ann", "title": "Plans", **began})
    put(empty_dsn, "conversation", {"id": 8, "user_id": "bob", "title": "Empty", **began})
    for number, role in enumerate(["SYSTEM", "USER", "ASSISTANT"], start=1):
        put(
            empty_dsn,
            "chat_message",
            {"conversation_id": 7, "role": role, "content": f"word {number}", "created_at": at(number)},
        )
    assert imported(dsn, empty_dsn) == 0
    (plans,), (empty,) = await sessions(dsn), await sessions(dsn, "bob")
    assert (plans["title"], empty["title"]) == ("Plans", "Empty")
    assert plans["created_at"] == "2024-05-01T12:00:00.123456Z"
    # What the system was told is on the record, and nothing that clients are shown.
    assert [each["content"] for each in await said(dsn, plans["id"])] == ["word 2", "word 3"]
    assert events(dsn) == 5


async def test_threads_and_items_of_chatkit_come_back_whole_with_their_opportunity(
    dsn: str, empty_dsn: str
) -> None:
    made(empty_dsn, *CHATKIT)
    put(empty_dsn, "chatkit_threads", thread("thr_1", "ann", "Offer", at(0), opportunity_id="opp_42"))
    closed = {"type": "closed", "reason": "won"}
    put(empty_dsn, "chatkit_threads", thread("thr_2", "ann", None, at(0), status=closed))
    widget = {"type": "Card", "children": [{"type": "Text", "value": "A card"}]}
    put(
        empty_dsn,
        "chatkit_thread_items",
        user_item("msg_1", "thr_1", "How much?", at(1)),
        assistant_item("msg_2", "thr_1", "Much.", at(2)),
        item("wig_1", "thr_1", at(3), type="widget", widget=widget, copy_text="A card"),
        user_item("msg_3", "thr_2", "Hello?", at(1)),
    )
    assert imported(dsn, empty_dsn) == 0
    async with calling(dsn) as client:
        found = await got(client, "/api/opportunities/opp_42/conversations", "ann")
    (offer,) = found["conversations"]
    assert offer["title"] == "Offer"
    messages = await said(dsn, offer["id"])
    assert [(each["role"], each["content"], each["kind"]) for each in messages] == [
        ("user", "How much?", "message"),
        ("assistant", "Much.", "message"),
        ("assistant", "A card", "widget"),
    ]
    with psycopg.connect(dsn) as connection:
        states = connection.execute(
            "SELECT convert_from(state, 'UTF8')::json -> 'payload' -> 'data' -> 'widget' "
            "FROM hansard.events WHERE message_id = 'wig_1'"
        ).fetchone()
    assert states is not None
    assert states[0]["children"] == [
        {"type": "Text", "value": "A card"} | {k: v for k, v in states[0]["children"][0].items() if v is None}
    ]
    (ended,) = [each for each in await sessions(dsn) if each["id"] != offer["id"]]
    assert ended["ended"]


async def test_threads_of_chatkit_keep_their_ids(dsn: str, empty_dsn: str) -> None:
    """Also where their items lie there without them."""
    made(empty_dsn, *CHATKIT)
    upper, lower, long = str(uuid4()).upper(), str(uuid4()), "t" * 256
    put(empty_dsn, "chatkit_threads", *(thread(each, "ann", None, at(0)) for each in (upper, lower, "thr_1")))
    items = {upper: "ann", lower: "ann", "thr_1": "ann", "thr_2": "bob", long: "ann"}
    for number, (thread_id, user_id) in enumerate(items.items()):
        put(
            empty_dsn,
            "chatkit_thread_items",
            user_item(f"msg_{number}", thread_id, thread_id, at(number)) | {"user_id": user_id},
        )
    assert imported(dsn, empty_dsn) == 0
    assert imported(dsn, empty_dsn) == 0
    async with calling(dsn) as client:
        for thread_id, user_id in items.items():
            body = {"type": "items.list", "params": {"thread_id": thread_id}}
            answer = await client.post("/support/chatkit", json=body, headers={"X-User-Id": user_id})
            if thread_id == long:  # which no conversation can be called
                assert answer.status_code == 404
                continue
            (item,) = answer.json()["data"]
            assert (item["thread_id"], item["content"][0]["text"]) == (thread_id, thread_id)
    assert {each["name"] for each in await sessions(dsn)} == {upper, None, "thr_1"}
    assert {each["name"] for each in await sessions(dsn, "bob")} == {"thr_2"}


async def test_importing_again_adds_nothing_and_later_what_is_new(dsn: str, empty_dsn: str) -> None:
    made(empty_dsn, *CHAT_MESSAGE)
    put(empty_dsn, "conversation", {"id": 7, "user_id": "ann", "title": "Plans", "created_at": at(0)})
    message = {"conversation_id": 7, "role": "USER", "content": "One", "created_at": at(1)}
    put(empty_dsn, "chat_message", message)
    assert imported(dsn, empty_dsn) == 0
    assert events(dsn) == 2
    assert imported(dsn, empty_dsn) == 0
    assert events(dsn) == 2
    put(empty_dsn, "chat_message", message | {"content": "Two", "created_at": at(2)})
    made(empty_dsn, "UPDATE conversation SET title = 'Renamed'")
    assert imported(dsn, empty_dsn) == 0
    (plans,) = await sessions(dsn)
    assert plans["title"] == "Plans"
    assert [each["content"] for each in await said(dsn, plans["id"])] == ["One", "Two"]


async def test_rows_that_cannot_be_taken_are_named_and_the_others_are_taken(
    dsn: str, empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made(empty_dsn, PER_USER, "ALTER TABLE chat_messages ALTER id TYPE text")
    put(
        empty_dsn,
        "chat_messages",
        row("ann", "user", "Good", 1, id="good"),
        row("ann", "parrot", "Bad role", 1, id="parrot"),
        row("ann", "user", "", 1, id="empty"),
        row("ann", "user", "x" * 1_000_001, 1, id="long"),
        {**row("ann", "user", "", 1, id="null"), "content": None},
        {**row("ann", "user", "Whose?", 1, id="nobodys"), "user_id": None},
        {**row("ann", "user", "When?", 1, id="never"), "created_at": None},
        {**row("ann", "user", "Then?", 1, id="far"), "created_at": "infinity"},
    )
    assert imported(dsn, empty_dsn) == 1
    told = capsys.readouterr().out
    assert "row parrot: its role is 'parrot'" in told
    assert "row empty: content is empty" in told
    assert "row long: content is 1000001 bytes long" in told
    assert "row null: it has no content" in told
    assert "row nobodys: nothing says whose it is" in told
    assert "5 skipped" in told
    (anns,) = await sessions(dsn)
    assert {each["content"] for each in await said(dsn, anns["id"])} == {"Good", "When?", "Then?"}


async def test_a_message_in_somebody_elses_conversation_is_not_taken(
    dsn: str, empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made(empty_dsn, *CHATKIT)
    put(empty_dsn, "chatkit_threads", thread("thr_1", "bob", "Bob's", at(0)))
    put(empty_dsn, "chatkit_thread_items", user_item("msg_1", "thr_1", "I am Ann", at(1)))
    assert imported(dsn, empty_dsn) == 1
    assert "it is of the user 'ann', in a conversation of 'bob'" in capsys.readouterr().out
    assert events(dsn) == 0


async def test_columns_of_other_names_are_said_in_a_mapping(dsn: str, empty_dsn: str, tmp_path: Path) -> None:
    made(
        empty_dsn,
        "CREATE SCHEMA shop",
        'CREATE TABLE shop."Talk; DROP" '
        '(nr int, "who" text, deal text, "what""s said" jsonb, bot text, at bigint)',
    )
    with psycopg.connect(empty_dsn) as connection:
        for number, role in enumerate(["customer", "shop"]):
            connection.execute(
                'INSERT INTO shop."Talk; DROP" VALUES (%s, %s, %s, %s, %s, %s)',
                (
                    number,
                    "ann",
                    "d1",
                    json.dumps([{"type": "text", "text": f"w{number}"}]),
                    role,
                    1714564800000,
                ),
            )
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        """
        table = "shop.Talk; DROP"
        source = "shop"
        id = "nr"
        user = "who"
        content = 'what"s said'
        role = "bot"
        time = "at"
        order = "nr"
        [links]
        deal = "deal"
        [roles]
        shop = "assistant"
        """
    )
    assert imported(dsn, empty_dsn, "--mapping", str(mapping)) == 0
    async with calling(dsn) as client:
        found = await got(client, "/api/links/deal/d1/conversations", "ann")
    (deal,) = found["conversations"]
    assert words(await said(dsn, deal["id"])) == [
        ("user", "w0", "2024-05-01T12:00:00.000000Z"),
        ("assistant", "w1", "2024-05-01T12:00:00.000000Z"),
    ]


async def test_times_without_a_zone_are_of_the_one_that_the_mapping_says(
    dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    made(empty_dsn, PER_USER)
    put(empty_dsn, "chat_messages", row("ann", "user", "Hello?", 1))
    mapping = tmp_path / "mapping.json"
    mapping.write_text('{"zone": "Europe/Berlin"}')
    assert imported(dsn, empty_dsn, "--mapping", str(mapping)) == 0
    (anns,) = await sessions(dsn)
    assert (await said(dsn, anns["id"]))[0]["timestamp"] == "2024-05-01T10:00:01.123456Z"


def test_a_dry_run_shows_the_mapping_and_what_would_come_and_imports_nothing(
    dsn: str, empty_dsn: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made(empty_dsn, *CHAT_MESSAGE)
    put(empty_dsn, "conversation", {"id": 7, "user_id": "ann", "title": "Plans", "created_at": at(0)})
    put(
        empty_dsn,
        "chat_message",
        {"conversation_id": 7, "role": "USER", "content": "One", "created_at": at(1)},
    )
    assert imported(dsn, empty_dsn, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert 'table = "chat_message"' in shown
    assert "# 1 messages in 1 conversations of 1 users" in shown
    assert "ann, user: 'One'" in shown
    assert events(dsn) == 0
    saved = tmp_path / "mapping.toml"
    saved.write_text(shown)
    assert imported(dsn, empty_dsn, "--mapping", str(saved)) == 0
    assert events(dsn) == 2


@pytest.mark.parametrize(
    ("statements", "flags", "why"),
    [
        ((), (), "there is none of chat_messages, chat_message, chatkit_thread_items"),
        ((), ("--table", "nowhere"), "there is no table nowhere"),
        ((CHAT_MESSAGES, *CHATKIT), (), "chat_messages and chatkit_thread_items are both there"),
        (
            ("CREATE TABLE chat_messages (id int, user_id text, words text)",),
            (),
            "it is not clear which column of chat_messages is role and which is content",
        ),
    ],
)
def test_what_is_not_clear_is_asked_back(
    dsn: str,
    empty_dsn: str,
    statements: tuple[str, ...],
    flags: tuple[str, ...],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made(empty_dsn, *statements)
    assert imported(dsn, empty_dsn, *flags) == 1
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mapping", "why"),
    [
        ("role = ", "is no mapping"),
        ('rolle = "role"', "unknown field `rolle`"),
        ('role = "speaker"', "role is to be the column speaker, but chat_messages has only id, user_id"),
        ('zone = "Mars/North"', "is no time zone"),
        ('[links]\ndeal = "deal"', "links.deal is to be the column deal"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(
    dsn: str, empty_dsn: str, tmp_path: Path, mapping: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made(empty_dsn, CHAT_MESSAGES)
    file = tmp_path / "mapping.toml"
    file.write_text(mapping)
    assert imported(dsn, empty_dsn, "--mapping", str(file)) == 1
    assert why in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_named_as_theirs(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(dsn, "postgresql://nobody@127.0.0.1:1/none") == 1
    assert "The tables cannot be read" in capsys.readouterr().err


async def test_two_users_with_one_conversation_id_do_not_cross(dsn: str, empty_dsn: str) -> None:
    made(empty_dsn, CHAT_MESSAGES)
    shared = uuid4()
    put(empty_dsn, "chat_messages", row("ann", "user", "Ann's", 1, session_id=shared))
    put(empty_dsn, "chat_messages", row("bob", "user", "Bob's", 2, session_id=shared))
    assert imported(dsn, empty_dsn) == 0
    (anns,), (bobs,) = await sessions(dsn), await sessions(dsn, "bob")
    assert anns["id"] != bobs["id"]
    assert [each["content"] for each in await said(dsn, anns["id"])] == ["Ann's"]
    assert [each["content"] for each in await said(dsn, bobs["id"], "bob")] == ["Bob's"]


def test_their_database_is_only_read(dsn: str, empty_dsn: str) -> None:
    made(empty_dsn, CHAT_MESSAGES)
    put(empty_dsn, "chat_messages", row("ann", "user", "Hello?", 1))
    made(empty_dsn, "CREATE ROLE reader_of_chats LOGIN", "GRANT SELECT ON chat_messages TO reader_of_chats")
    try:
        assert imported(dsn, psycopg.conninfo.make_conninfo(empty_dsn, user="reader_of_chats")) == 0
    finally:
        made(empty_dsn, "DROP OWNED BY reader_of_chats", "DROP ROLE reader_of_chats")
