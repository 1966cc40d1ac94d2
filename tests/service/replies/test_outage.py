"""Replies while the database is away: they go on, and are stored when it is back."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from projections.history import decode_text
from service.postgres.embedded import EmbeddedPostgres
from service.replies import replies
from service.replies.errors import ReplyLost
from tests.listening import draft
from tests.service.replies.conversing import conversing, heard_until, outcome


@contextmanager
def away(postgres: EmbeddedPostgres, dsn: str) -> Iterator[None]:
    """Nobody gets in, and whoever was in is thrown out."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %(name)s", {"name": name}
        )
        try:
            yield
        finally:
            connection.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


async def test_a_reply_that_ends_while_the_database_is_away_is_stored_when_it_is_back(
    dsn: str, postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hansard.replies")
    async with conversing(dsn) as one:
        go = asyncio.Event()
        one.responder.answers("Once ", go, "more.")
        reply = await one.ask("Well?")
        with away(postgres, dsn):
            go.set()
            await heard_until(reply, "Once more.")
            async with asyncio.timeout(30):
                while "a reply cannot be stored yet" not in caplog.text:  # noqa: ASYNC110 - a log sets nothing
                    await asyncio.sleep(0.05)
            assert not reply.ended
        stored = await outcome(reply)
        assert (decode_text(stored.content), stored.status) == ("Once more.", "complete")
        assert len(await one.events(reply.conversation_id)) == 3
        await one.said("And now?", reply.conversation_id)


async def test_a_process_that_stops_meanwhile_does_not_wait_for_it_for_ever(
    dsn: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "STORING", 0.1)
    async with conversing(dsn) as one:
        one.responder.answers("Once ", asyncio.Event())
        reply = await one.ask("Well?")
        await heard_until(reply, "Once ")
        with away(postgres, dsn):
            await one.hansard.replies.drain()
            with pytest.raises(ReplyLost):
                await outcome(reply)
        assert draft(dsn) is not None, "what came so far is for whoever finds it"
