"""An open stream ends with the right to it: when its token runs out, or its key is revoked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from service.access.tokens import LEEWAY
from tests.knocking import Knock, as_json, crowd, knocking
from tests.listening import LONGEST_WAIT, eventually, history
from tests.model import Hold, Model, scripted
from tests.service.api.calling import SECRET, as_user, bearer, key, revoke
from tests.serving import Service, serving

END_READERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'hansard reader'"""
HEARTBEAT = b": nothing new"
LAST_CHUNK = b"\r\n0\r\n\r\n"
SESSION_ID = re.compile(rb'"session_id":"([^"]+)"')
LONG = b"word " * 2_000
TYPED = {"content": [{"type": "input_text", "text": "Tell me."}], "attachments": [], "inference_options": {}}
THREAD = {"type": "threads.create", "params": {"input": TYPED}}


@contextmanager
def asking_who(dsn: str, place: Path, model: Model | None = None) -> Iterator[Service]:
    given = {"HANSARD_AUTH": "token", "HANSARD_JWT_SECRET": SECRET}
    given |= model.environ(HANSARD_GRACE="0") if model else {}
    with serving("--dsn", dsn, data=place / "data", output=place / "log", **given) as service:
        yield service


def ask(knock: Knock, line: str, shown: dict[str, str], user: str = "alice", body: Any = None) -> None:
    raw = b"" if body is None else as_json(body)
    headers = [f"{name}: {value}" for name, value in {**shown, "X-User-Id": user}.items()]
    if raw:
        headers += ["Content-Type: application/json", f"Content-Length: {len(raw)}"]
    knock.ask(line, *headers, body=raw)


def watch(knock: Knock, shown: dict[str, str], user: str = "alice") -> None:
    ask(knock, "GET /api/changes", shown, user)
    knock.until(b"event: watching")


def ended(knock: Knock) -> None:
    """Whole, and before it had to say that there is nothing new."""
    while LAST_CHUNK not in knock.came and HEARTBEAT not in knock.came:
        more = knock.connection.recv(65_536)
        assert more, "it broke off"
        knock.came += more
    assert HEARTBEAT not in knock.came


def goes_on(knock: Knock, service: Service, shown: dict[str, str], user: str) -> None:
    asked = {**shown, "X-User-Id": user}
    while httpx.post(f"{service.url}/api/conversations", json={}, headers=asked).status_code != 201:
        pass  # the database was just away
    assert LAST_CHUNK not in knock.until(b"conversation_started")


def test_the_streams_of_a_revoked_key_end_and_no_others(dsn: str, tmp_path: Path) -> None:
    lost, kept = bearer(key(dsn, "lost")), bearer(key(dsn, "kept"))
    with asking_who(dsn, tmp_path) as service, crowd(service, 3) as (one, two, other):
        watch(one, lost, "alice")
        watch(two, lost, "bob")
        watch(other, kept, "carol")
        revoke(dsn, "lost")
        ended(one)
        ended(two)
        goes_on(other, service, kept, "carol")


def test_the_streams_of_a_token_that_runs_out_end_and_no_others(dsn: str, tmp_path: Path) -> None:
    with asking_who(dsn, tmp_path) as service, crowd(service, 2) as (one, other):
        watch(other, as_user(exp=datetime.now(UTC) + timedelta(hours=1)))
        watch(one, as_user(exp=datetime.now(UTC) + timedelta(seconds=2 - LEEWAY)))
        ended(one)
        goes_on(other, service, as_user(), "alice")


def test_a_stream_goes_on_while_nobody_can_tell_whether_its_key_was_revoked(dsn: str, tmp_path: Path) -> None:
    shown = bearer(key(dsn))
    with asking_who(dsn, tmp_path) as service, knocking(service) as knock:
        watch(knock, shown)
        with psycopg.connect(dsn) as connection:
            connection.execute("LOCK TABLE hansard.service_keys IN ACCESS EXCLUSIVE MODE")
            connection.execute(END_READERS)
        goes_on(knock, service, shown, "alice")


def test_a_token_that_runs_out_ends_its_streams_while_nobody_can_tell_of_keys(
    dsn: str, tmp_path: Path
) -> None:
    shown = bearer(key(dsn))
    with (
        asking_who(dsn, tmp_path) as service,
        crowd(service, 2) as (by_key, by_token),
        psycopg.connect(dsn) as holding,
    ):
        watch(by_key, shown)
        holding.execute("LOCK TABLE hansard.service_keys IN ACCESS EXCLUSIVE MODE")
        watch(by_token, as_user(exp=datetime.now(UTC) + timedelta(seconds=2 - LEEWAY)))
        ended(by_token)
        holding.rollback()
        goes_on(by_key, service, shown, "alice")


def test_each_kind_of_stream_ends_without_its_last_word(dsn: str, tmp_path: Path) -> None:
    lost, kept, held = bearer(key(dsn, "lost", "admin")), bearer(key(dsn, "kept")), [Hold(), Hold()]
    with (
        scripted() as model,
        asking_who(dsn, tmp_path, model) as service,
        crowd(service, 6) as (reply, again, chatkit, changes, file, feed),
    ):
        a_long_record(service, kept)
        for each in held:
            model.answers("Once ", each, "upon a time.")
        ask(reply, "POST /api/chat/stream", lost, body={"message": "Tell me."})
        session_id = SESSION_ID.search(reply.until(b"Once "))
        assert session_id
        ask(again, f"GET /api/chat/{session_id[1].decode()}/stream", lost)
        ask(chatkit, "POST /support/chatkit", lost, "bob", THREAD)
        watch(changes, lost, "carol")
        ask(file, "GET /api/export", lost, "dora")
        ask(feed, "GET /api/audit/events", {**lost, "Accept": "application/jsonl"}, "dora")
        for knock, begun in (again, b"Once "), (chatkit, b"Once "), (file, LONG), (feed, LONG):
            knock.until(begun)
        revoke(dsn, "lost")
        for knock, last_word in (
            (reply, b"upon a time."),
            (again, b"upon a time."),
            (chatkit, b"upon a time."),
            (changes, HEARTBEAT),
            (file, b'{"end":'),
            (feed, b'{"newer":'),
        ):
            assert last_word not in knock.until(LAST_CHUNK)
        for each in held:
            each.go()
        eventually(lambda: told_to("alice", service, kept) == "Once upon a time.")
        eventually(lambda: told_to("bob", service, kept) == "Once ")  # as if its listener had gone away
    assert "Traceback" not in service.said


def told_to(user: str, service: Service, shown: dict[str, str]) -> str:
    """The last words that are stored."""
    return history(service.url, who={**shown, "X-User-Id": user})[-1][1]


def a_long_record(service: Service, shown: dict[str, str]) -> None:
    """Longer than what waits on its way to those who do not read."""
    messages = [{"role": "user", "content": LONG.decode()}] * 500
    for _ in range(8):
        answer = httpx.post(
            f"{service.url}/api/conversations",
            json={"messages": messages},
            headers={**shown, "X-User-Id": "dora"},
            timeout=LONGEST_WAIT,
        )
        assert answer.status_code == 201, answer.text


def test_the_stream_of_a_replay_ends_while_the_replay_goes_on(dsn: str, tmp_path: Path) -> None:
    lost, kept = bearer(key(dsn, "lost", "admin")), bearer(key(dsn, "kept", "admin"))
    with asking_who(dsn, tmp_path) as service, knocking(service) as knock, psycopg.connect(dsn) as holding:
        replays = f"{service.url}/api/admin/replays"
        holding.execute("LOCK TABLE hansard.events IN ACCESS EXCLUSIVE MODE")
        begun = httpx.post(replays, json={"projections": ["usage"]}, headers=lost).json()
        ask(knock, f"GET /api/admin/replays/{begun['id']}/stream", lost)
        knock.until(b"event: progress")
        revoke(dsn, "lost")
        assert b"event: ended" not in knock.until(LAST_CHUNK)
        holding.rollback()
        eventually(lambda: httpx.get(f"{replays}/{begun['id']}", headers=kept).json()["outcome"] == "done")
