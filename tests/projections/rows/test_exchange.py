"""Statements that share a round trip: what comes back, what fails with what, and what is not waited for."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from projections.rows.arrays import Array
from projections.rows.copied import copied
from projections.rows.exchange import Failed, StatementExchange
from projections.rows.silence import Silence
from projections.rows.types import packed
from service.store.connections import Database, connect

PATIENCE = 30.0
IDLE = {"idle_in_transaction_session_timeout": "200ms", "transaction_timeout": "0"}
THERE = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"


@contextmanager
def connected(dsn: str, **parameters: str) -> Iterator[Connection[Any]]:
    with closing(Database.open(dsn).connect("test", parameters=parameters)) as connection:
        yield connection


def soon() -> float:
    return time.monotonic() + PATIENCE


def asked(exchange: StatementExchange, *statements: bytes) -> list[list[Any]]:
    for statement in statements:
        exchange.send(statement, purpose=statement)
    exchange.end_round()
    return [exchange.rows(result) for result in exchange.receive(soon())]


def wait_until_gone(dsn: str, pid: int) -> None:
    with connect(dsn) as other:
        deadline = soon()
        while other.execute(THERE, [pid]).fetchone() != (0,):
            assert time.monotonic() < deadline, "PostgreSQL lets it stand still"


def test_each_statement_has_its_answer_in_its_place(dsn: str) -> None:
    with connected(dsn) as connection:
        exchange = StatementExchange(connection)
        for _ in range(2):  # the second time they are known
            exchange.send(b"SELECT %b::integer + %b::integer", [packed("integer", 1), packed("integer", 2)])
            given = {"words": Array("text", ["a", None]).data, "number": packed("integer", 3)}
            exchange.send(
                b"SELECT unnest(%(words)b::text[]), %(number)b::integer, %(number)b::integer", given
            )
            exchange.end_round()
            assert [exchange.rows(each) for each in exchange.receive(soon())] == [
                [(3,)],
                [("a", 3, 3), (None, 3, 3)],
            ]
        assert connection.execute("SELECT 4").fetchone() == (4,), "the connection is as it was"


def test_what_fails_is_named_and_takes_what_follows_with_it_and_nothing_else(dsn: str) -> None:
    with connected(dsn) as connection:
        exchange = StatementExchange(connection)
        with pytest.raises(Failed) as failed:
            asked(exchange, b"BEGIN", b"SELECT 1", b"SELECT 1 / 0", b"SELECT 2")
        assert failed.value.purpose == b"SELECT 1 / 0"
        assert isinstance(failed.value.error, psycopg.errors.DivisionByZero)
        assert asked(exchange, b"ROLLBACK", b"SELECT 1", b"SELECT 2") == [[], [(1,)], [(2,)]]


def test_an_answer_to_a_later_round_can_wait(dsn: str) -> None:
    with connected(dsn) as connection:
        exchange = StatementExchange(connection)
        for number in (b"SELECT 1", b"SELECT 2"):
            exchange.send(number)
            exchange.end_round()
        exchange.send(b"SELECT 3")
        assert [exchange.rows(each) for each in exchange.receive(soon())] == [[(1,)]]
        assert [exchange.rows(each) for each in exchange.receive(soon())] == [[(2,)]]
        exchange.end_round()
        assert [exchange.rows(each) for each in exchange.receive(soon())] == [[(3,)]]


def test_a_copy_brings_its_rows_and_an_error_in_it_is_its_own(dsn: str) -> None:
    with connected(dsn) as connection:
        exchange = StatementExchange(connection)
        asked(exchange, b"CREATE TEMP TABLE things (name text NOT NULL)", b"BEGIN")
        copy = b"COPY things FROM STDIN (FORMAT BINARY)"
        exchange.send(b"SELECT 1")
        exchange.copy(copy, copied(["text"], [("a" * 1_000_000,)] * 5), soon())
        assert asked(exchange, b"SELECT count(*) FROM things", b"COMMIT") == [[(5,)], []]
        with pytest.raises(Failed) as failed:
            exchange.copy(copy, copied(["text"], [("b",), (None,)]), soon(), "why")
        assert (failed.value.purpose, type(failed.value.error)) == ("why", psycopg.errors.NotNullViolation)
        assert asked(exchange, b"SELECT count(*) FROM things") == [[(5,)]]


def test_megabytes_go_both_ways_at_once(dsn: str) -> None:
    with connected(dsn) as connection:
        exchange = StatementExchange(connection)
        for _ in range(20):
            exchange.send(b"SELECT %b::text", [b"x" * 500_000])
        exchange.end_round()
        assert {len(exchange.rows(each)[0][0]) for each in exchange.receive(soon())} == {500_000}


def test_a_database_that_says_nothing_is_not_waited_for(dsn: str) -> None:
    with connected(dsn) as connection:
        exchange = StatementExchange(connection)
        exchange.send(b"SELECT pg_sleep(60)")
        exchange.end_round()
        with pytest.raises(Silence):
            exchange.receive(time.monotonic() + 0.1)
        assert connection.closed


def test_a_connection_that_is_lost_is_told_as_it_is(dsn: str) -> None:
    with connected(dsn) as connection, connect(dsn) as other:
        exchange = StatementExchange(connection)
        other.execute("SELECT pg_terminate_backend(%s::integer)", [connection.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            asked(exchange, b"SELECT 1")


@pytest.mark.parametrize("prepares", [True, False])
def test_postgresql_ends_a_transaction_that_stands_still_after_a_round(dsn: str, prepares: bool) -> None:
    with connected(dsn, **IDLE) as connection:
        asked(StatementExchange(connection, prepares=prepares), b"BEGIN", b"SELECT 1")
        wait_until_gone(dsn, connection.info.backend_pid)


def test_postgresql_ends_a_transaction_of_which_a_round_is_half_sent(dsn: str) -> None:
    with connected(dsn, **IDLE | {"transaction_timeout": "400ms"}) as connection:
        exchange = StatementExchange(connection)
        exchange.send(b"BEGIN")
        exchange.send(b"SELECT 1")
        connection.pgconn.flush()
        wait_until_gone(dsn, connection.info.backend_pid)


def test_an_older_postgresql_ends_it_too_because_it_is_sent_step_by_step(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one is told to bound no transaction, as one before 17 cannot."""
    with connected(dsn, **IDLE) as connection:
        exchange = StatementExchange(connection)
        monkeypatch.setattr(exchange, "_in_steps", True)
        assert asked(exchange, b"SELECT 1", b"BEGIN", b"SELECT 2") == [[(1,)], [], [(2,)]]
        with pytest.raises(Failed) as failed:
            asked(exchange, b"SELECT 1 / 0", b"SELECT 2")
        assert failed.value.purpose == b"SELECT 1 / 0"
        asked(exchange, b"ROLLBACK", b"BEGIN")
        exchange.send(b"SELECT 1")
        connection.pgconn.flush()
        wait_until_gone(dsn, connection.info.backend_pid)
