"""How the service fares, over HTTP: its status, what was said each day, what happens each minute."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from service.api import admin
from service.watch.activity import EDGES, Counted, this_minute
from tests.service.api.calling import calling, problem
from tests.service.api.recording import assistant, at_once, got, started, user
from tests.service.watch.given import change

TODAY = datetime.now(UTC).date


async def test_the_status_is_what_the_command_tells(dsn: str) -> None:
    async with calling(dsn) as client:
        await started(client, user("Hello?"), assistant("Hello."))
        park(dsn, 1)
        told = await got(client, "/api/admin/status")
        by_name = {each["name"]: each for each in told["projections"]}
        assert told["events"] == 3
        assert told["guarded"] is True
        assert told["shards"] == len(shards(dsn))
        assert (by_name["history"]["in_step"], by_name["history"]["generation"]) == (True, 1)
        assert by_name["history"]["parked"] == told["parked_in_all"] == 1
        assert told["parked"][0]["error"] == "ValueError in words_of, search.py:81"
        assert (told["building"], told["leftovers"]) == ([], [])


async def test_a_great_many_parked_conversations_are_counted_and_the_first_are_told(dsn: str) -> None:
    async with calling(dsn) as client:
        park(dsn, admin.MOST_PARKED + 1)
        told = await got(client, "/api/admin/status")
        assert len(told["parked"]) == admin.MOST_PARKED
        assert told["parked_in_all"] == admin.MOST_PARKED + 1


def park(dsn: str, number: int) -> None:
    for _ in range(number):
        given = f"0, 'history', 1, '{uuid4()}', 3, 'ValueError in words_of, search.py:81', now()"
        change(dsn, f"INSERT INTO parked VALUES ({given})")  # noqa: S608


def shards(dsn: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT shard FROM hansard.lanes").fetchall()


async def test_each_day_is_told_with_what_everybody_said_on_it(dsn: str) -> None:
    async with calling(dsn) as client:
        for name in ("ann", "bob", "carla"):
            await started(client, user("1234"), assistant("123456"), by_user=name)
        first = TODAY() - timedelta(days=2)
        told = await got(client, "/api/admin/usage", **{"from": first.isoformat()})
        assert told["days"][-1] == {
            "day": TODAY().isoformat(),
            "messages": 6,
            "questions": 3,
            "replies": 3,
            "characters": 30,
            "tokens": 0,
        }
        assert [(each["day"], each["messages"]) for each in told["days"][:-1]] == [
            (first.isoformat(), 0),
            ((first + timedelta(days=1)).isoformat(), 0),
        ]


async def test_thirty_days_up_to_today_are_told_where_nothing_is_said(dsn: str) -> None:
    async with calling(dsn) as client:
        days = [each["day"] for each in (await got(client, "/api/admin/usage"))["days"]]
        assert (len(days), days[-1]) == (30, TODAY().isoformat())
        ended = await got(client, "/api/admin/usage", to="0001-01-02")
        assert [each["day"] for each in ended["days"]] == ["0001-01-01", "0001-01-02"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"from": "2025-01-01", "to": "2026-01-02"}, "at most 366 days: 2025-01-02 or later"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "a day that is not after 2026-01-01"),
        ({"from": "yesterday"}, "from:"),
    ],
)
async def test_days_that_cannot_be_told_are_refused(dsn: str, asked: dict[str, str], why: str) -> None:
    async with calling(dsn) as client:
        answer = await client.get("/api/admin/usage", params=asked)
        assert problem(answer) == (400, "bad-request")
        assert why in answer.json()["detail"]


def told_of(activity: Any, name: str) -> int:
    return sum(each[name] for each in activity["minutes"])


async def seen(client: httpx.AsyncClient, appends: int) -> Any:
    """Appends are counted once their callers were answered, so a moment later."""
    while told_of(told := await got(client, "/api/admin/activity", minutes=5), "appends") < appends:
        pass
    return told


async def test_what_is_appended_is_told_by_the_minute_by_all_processes_together(dsn: str) -> None:
    async with at_once(dsn) as (one, _), at_once(dsn) as (other, _):
        before = datetime.now(UTC)
        await started(one, user("Hello?"), assistant("Hello."))
        await started(other, user("Hello?"))
        await seen(other, 1)
        told = await seen(one, 2)
        minutes = [datetime.fromisoformat(each["at"]) for each in told["minutes"]]
        assert minutes == [minutes[0] + timedelta(minutes=number) for number in range(5)]
        assert minutes[-1] >= before.replace(second=0, microsecond=0)
        assert [told_of(told, name) for name in ("messages", "events", "appends")] == [3, 5, 2]
        busy = [each["latency"] for each in told["minutes"] if each["appends"]]
        assert all(0 < each["p50"] <= each["p95"] <= each["p99"] for each in busy)
        assert {each["latency"] for each in told["minutes"] if not each["appends"]} <= {None}


async def test_writing_counts_twice_counts_nothing_twice(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        await started(client, user("Hello?"))
        await seen(client, 1)
        for _ in range(2):
            hansard.activity._written.clear()  # as if the first time was not known to have been stored
            await hansard.activity.write()
        assert told_of(await got(client, "/api/admin/activity"), "messages") == 1


async def test_what_is_older_than_a_day_is_forgotten(dsn: str) -> None:
    long_ago = "now() - interval '2 days'"
    change(dsn, f"INSERT INTO activity VALUES ({long_ago}, '{uuid4()}', 1, 1, 1, '{{1}}')")  # noqa: S608
    async with at_once(dsn) as (client, _):
        await got(client, "/api/admin/activity", minutes=1)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM hansard.activity").fetchone() == (0,)


async def test_there_are_as_many_minutes_as_a_day_has(dsn: str) -> None:
    async with calling(dsn) as client:
        assert len((await got(client, "/api/admin/activity", minutes=1440))["minutes"]) == 1440
        for number in ("0", "1441", "many"):
            answer: httpx.Response = await client.get("/api/admin/activity", params={"minutes": number})
            assert problem(answer) == (400, "bad-request")


def test_latencies_are_known_to_a_quarter_of_themselves() -> None:
    counted = Counted(this_minute(), appends=100)
    counted.latencies = [0] * len(counted.latencies)
    for place, number in ((10, 90), (30, 9), (len(EDGES), 1)):
        counted.latencies[place] = number
    assert EDGES[9] <= (counted.seconds(0.5) or 0) <= EDGES[10]
    assert EDGES[29] <= (counted.seconds(0.95) or 0) <= EDGES[30]
    assert counted.seconds(1.0) == EDGES[-1]
    assert Counted(this_minute()).seconds(0.5) is None
