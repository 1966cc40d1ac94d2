"""An open stream ends with the right to it: when its token runs out, or its key is revoked."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg

from service.access.tokens import LEEWAY
from tests.knocking import Knock, crowd, knocking
from tests.service.api.calling import SECRET, as_user, bearer, key, revoke
from tests.serving import Service, serving

END_READERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'hansard reader'"""
HEARTBEAT = b": nothing new"
LAST_CHUNK = b"\r\n0\r\n\r\n"


@contextmanager
def asking_who(dsn: str, place: Path) -> Iterator[Service]:
    given = {"HANSARD_AUTH": "token", "HANSARD_JWT_SECRET": SECRET}
    with serving("--dsn", dsn, data=place / "data", output=place / "log", **given) as service:
        yield service


def watch(knock: Knock, shown: dict[str, str], user: str = "alice") -> None:
    knock.ask("GET /api/changes", f"Authorization: {shown['Authorization']}", f"X-User-Id: {user}")
    knock.until(b"event: watching")


def ended(knock: Knock) -> None:
    """Whole, and before it had to say that there is nothing new."""
    heard = knock.until(LAST_CHUNK)
    assert HEARTBEAT not in heard


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
