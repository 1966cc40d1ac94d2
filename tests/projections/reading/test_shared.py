"""The reads of all requests go over a few connections, and none of them is another's concern."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, PoolClosed

from projections.reading.prepared import Statement
from projections.reading.shared import NAME, SharedConnections
from projections.reading.view import configure
from service.store.connections import connect, conninfo

DOUBLE = Statement("SELECT 2 * %(number)s::bigint")
DIVIDE = Statement("SELECT 12 / %(by)s::integer")
OF_TABLE = Statement("SELECT number FROM scratch WHERE number = %(number)s")
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
WAITING = BACKENDS + " AND wait_event_type = 'Lock'"


@asynccontextmanager
async def sharing(dsn: str, **given: Any) -> AsyncIterator[SharedConnections]:
    async with AsyncConnectionPool(
        conninfo(dsn), configure=configure, min_size=1, max_size=1, open=False
    ) as pool:
        shared = SharedConnections(conninfo(dsn), pool, **given)
        await shared.open()
        try:
            yield shared
        finally:
            await shared.close()


@pytest.fixture
def table(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(dsn) as connection:
        connection.execute("CREATE TABLE scratch AS SELECT generate_series(1, 100)::bigint AS number")
        connection.execute("GRANT SELECT ON scratch TO PUBLIC")
        yield connection


async def doubled(shared: SharedConnections, numbers: Sequence[int]) -> list[int]:
    found = await asyncio.gather(*(shared.fetch(DOUBLE, {"number": number}) for number in numbers))
    return [row[0] for rows in found for row in rows]


async def until_waiting(connection: psycopg.Connection[Any], number: int) -> list[int]:
    while len(found := connection.execute(WAITING, [NAME]).fetchall()) < number:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return [pid for (pid,) in found]


async def test_each_of_many_gets_its_own_answer(dsn: str) -> None:
    async with sharing(dsn) as shared:
        numbers = range(3_000)
        assert await doubled(shared, numbers) == [2 * number for number in numbers]
        with connect(dsn) as connection:
            assert len(connection.execute(BACKENDS, [NAME]).fetchall()) == 2


async def test_a_statement_that_fails_fails_alone(dsn: str) -> None:
    async with sharing(dsn) as shared:
        asked = [shared.fetch(DIVIDE, {"by": number % 3}) for number in range(60)]
        found = await asyncio.gather(*asked, return_exceptions=True)
    for number, rows in enumerate(found):
        if number % 3:
            assert rows == [(12 // (number % 3),)]
        else:
            assert isinstance(rows, psycopg.errors.DivisionByZero)


async def test_what_is_behind_a_failure_is_prepared_all_the_same(
    dsn: str, table: psycopg.Connection[Any]
) -> None:
    async with sharing(dsn, size=1) as shared:
        for statement, given in ((DIVIDE, {"by": 1}), (OF_TABLE, {"number": 1}), (DOUBLE, {"number": 1})):
            await shared.fetch(statement, given)
    async with sharing(dsn, size=1) as shared:  # by a connection to which all of them are new
        asked = [
            shared.fetch(DIVIDE, {"by": 0}),
            shared.fetch(OF_TABLE, {"number": 7}),
            shared.fetch(DOUBLE, {"number": 4}),
        ]
        failed, seven, eight = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(failed, psycopg.errors.DivisionByZero)
    assert (seven, eight) == ([(7,)], [(8,)])


async def test_a_statement_that_cannot_be_prepared_any_more_says_so_to_those_who_ask_it(
    dsn: str, table: psycopg.Connection[Any]
) -> None:
    statement = Statement("SELECT number FROM scratch WHERE number = %(number)s + 1")
    async with sharing(dsn, size=1) as shared:
        await shared.fetch(statement, {"number": 1})
    table.execute("DROP TABLE scratch")
    async with sharing(dsn, size=1) as shared:
        asked = [shared.fetch(statement, {"number": 1}) for _ in range(3)]
        *gone, eight = await asyncio.gather(
            *asked, shared.fetch(DOUBLE, {"number": 4}), return_exceptions=True
        )
        assert [type(each) for each in gone] == [psycopg.errors.UndefinedTable] * 3
        assert eight == [(8,)]
        table.execute("CREATE TABLE scratch AS SELECT 2::bigint AS number")
        table.execute("GRANT SELECT ON scratch TO PUBLIC")
        assert await shared.fetch(statement, {"number": 1}) == [(2,)]


async def test_a_value_that_does_not_fit_is_told_to_its_own_caller(dsn: str) -> None:
    async with sharing(dsn, size=1) as shared:
        asked = [shared.fetch(DOUBLE, {"number": number}) for number in (1, "one", 2)]
        one, wrong, two = await asyncio.gather(*asked, return_exceptions=True)
    assert (one, two) == ([(2,)], [(4,)])
    assert isinstance(wrong, Exception)


async def test_what_is_large_goes_both_ways_beside_what_is_small(dsn: str) -> None:
    large, echo = "x" * 5_000_000, Statement("SELECT %(text)s::text")
    async with sharing(dsn, size=1) as shared:
        (found, small) = await asyncio.gather(
            shared.fetch(echo, {"text": large}), doubled(shared, range(100))
        )
    assert found == [(large,)]
    assert small == [2 * number for number in range(100)]


async def test_who_gives_up_takes_no_answer_from_others(dsn: str, table: psycopg.Connection[Any]) -> None:
    async with sharing(dsn, size=1) as shared:
        await shared.fetch(OF_TABLE, {"number": 1})
        with table.transaction():
            table.execute("LOCK TABLE scratch")
            held = asyncio.create_task(shared.fetch(OF_TABLE, {"number": 2}))
            await until_waiting(table, 1)
            behind = asyncio.create_task(doubled(shared, [21]))
            held.cancel()
        assert await behind == [42]
        with pytest.raises(asyncio.CancelledError):
            await held


async def test_what_was_under_way_on_a_lost_connection_is_asked_again(
    dsn: str, table: psycopg.Connection[Any]
) -> None:
    async with sharing(dsn) as shared:
        await shared.fetch(OF_TABLE, {"number": 1})
        with table.transaction():
            table.execute("LOCK TABLE scratch")
            asked = [
                asyncio.create_task(shared.fetch(OF_TABLE, {"number": number})) for number in range(1, 11)
            ]
            with connect(dsn) as other:
                for pid in await until_waiting(other, 2):
                    other.execute("SELECT pg_terminate_backend(%s::integer, 5000)", [pid])
        assert await asyncio.gather(*asked) == [[(number,)] for number in range(1, 11)]
        assert await doubled(shared, range(10)) == list(range(0, 20, 2))


async def test_a_read_that_ends_every_connection_is_given_up(dsn: str) -> None:
    suicide = Statement("SELECT pg_terminate_backend(pg_backend_pid()), %(number)s::integer")
    async with sharing(dsn) as shared:
        shared_fate = shared.fetch(suicide, {"number": 1})
        with pytest.raises(psycopg.OperationalError):
            await shared_fate
        assert await doubled(shared, [1]) == [2]


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """Alive, connected, and without a word: as a node is that nobody can reach any more."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_a_silent_connection_holds_up_nobody_for_long(dsn: str) -> None:
    async with sharing(dsn, patience=20.0, silence=0.5) as shared:
        assert await doubled(shared, range(4)) == [0, 2, 4, 6]
        with connect(dsn) as connection:
            ((one,), _) = connection.execute(BACKENDS, [NAME]).fetchall()
        with frozen([one]):
            for _ in range(5):
                assert await doubled(shared, range(50)) == list(range(0, 100, 2))


async def test_a_database_that_is_silent_altogether_is_told_within_the_patience(dsn: str) -> None:
    async with sharing(dsn, patience=1.0, silence=30.0) as shared:
        assert await doubled(shared, range(4)) == [0, 2, 4, 6]
        with connect(dsn) as connection:
            pids = [pid for (pid,) in connection.execute(BACKENDS, [NAME]).fetchall()]
        with frozen(pids):
            asked = [shared.fetch(DOUBLE, {"number": number}) for number in range(10)]
            found = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(each) for each in found} == {psycopg.OperationalError}
        assert "did not answer within 1.0 s" in str(found[0])
        assert await doubled(shared, range(4)) == [0, 2, 4, 6]


async def test_whoever_still_asks_when_it_is_closed_is_told_so(
    dsn: str, table: psycopg.Connection[Any]
) -> None:
    async with sharing(dsn) as shared:
        await shared.fetch(OF_TABLE, {"number": 1})
        with table.transaction():
            table.execute("LOCK TABLE scratch")
            asking = [asyncio.create_task(shared.fetch(OF_TABLE, {"number": 1})) for _ in range(3)]
            await until_waiting(table, 1)
            await shared.close()
        asking.append(asyncio.create_task(shared.fetch(OF_TABLE, {"number": 1})))
        done, hanging = await asyncio.wait(asking, timeout=10)
        assert not hanging
        assert {type(each.exception()) for each in done} == {PoolClosed}
