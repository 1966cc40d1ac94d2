"""A replay that is started over HTTP, and watched to its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from projections.rebuilding.guard import guarded
from projections.usage import Usage
from service.replay import thread
from service.store.connections import Database
from tests.listening import LONGEST_WAIT, Heard, Listener, chat
from tests.service.api.calling import asked_who, bearer, calling, key, problem
from tests.service.api.recording import assistant, at_once, got, started, user
from tests.service.watch.given import change
from tests.serving import Service, serving

REPLAYS = "/api/admin/replays"


async def start(client: httpx.AsyncClient, *projections: str, check: bool = False) -> Any:
    answer = await client.post(REPLAYS, json={"projections": projections, "check": check})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def to_its_end(client: httpx.AsyncClient, begun: Any) -> Any:
    """What the stream told: how it was, and how it ended."""
    answer = await client.get(f"{REPLAYS}/{begun['id']}/stream", timeout=LONGEST_WAIT)
    assert answer.headers["content-type"].startswith("text/event-stream")
    heard = list(Listener(answer))
    assert {each.event for each in heard[:-1]} <= {"progress"}
    assert heard[-1].event == "ended"
    return heard[-1].data


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Replays go no further than to their first report, until this is set."""
    go, report = Event(), thread.Rebuilding._report

    def waiting(self: thread.Rebuilding, progress: Any) -> None:
        self.progress = progress
        while not go.wait(0.01) and not self._stopping.is_set():
            pass
        report(self, progress)

    monkeypatch.setattr(thread.Rebuilding, "_report", waiting)
    yield go
    go.set()


async def test_a_replay_is_started_watched_to_its_end_and_told_of_afterwards(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        await started(client, user("Hello?"), assistant("Hello."))
        begun = await start(client, "usage")
        assert (begun["kind"], begun["projections"], begun["started_by"]) == ("replay", ["usage"], "dev")
        assert (begun["outcome"], begun["ended_at"], begun["report"]) == (None, None, [])
        ended = await to_its_end(client, begun)
        assert ended["outcome"] == "done"
        assert ended["report"][0] == "usage is built: generation 2 is live"
        assert "appends waited" in ended["report"][1]
        assert await got(client, f"{REPLAYS}/{begun['id']}") == ended
        assert await got(client, REPLAYS) == {"replays": [ended]}
        (day,) = (await got(client, "/api/admin/usage"))["days"][-1:]
        assert day["messages"] == 2, "what is read now is the new build"


async def test_all_projections_are_built_where_none_is_named(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        await started(client, user("Hello?"))
        begun = await start(client)
        assert begun["projections"] == [each.name for each in hansard.projections]
        assert (await to_its_end(client, begun))["outcome"] == "done"
        await started(client, user("And now?"))


async def test_a_check_tells_that_all_is_well_and_switches_nothing(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        await started(client, user("Hello?"))
        ended = await to_its_end(client, await start(client, "history", check=True))
        assert (ended["kind"], ended["outcome"]) == ("check", "done")
        assert ended["report"] == ["history: all 1 rows are what the log says"]
        status = await got(client, "/api/admin/status")
        assert {each["generation"] for each in status["projections"]} == {1}


async def test_a_check_that_finds_something_says_where_and_repeats_nothing_that_was_said(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        made = await started(client, user("rosebud", id="rosebud-1"))
        change(dsn, "UPDATE history_g1 SET content = '\"forged\"'")
        ended = await to_its_end(client, await start(client, "history", check=True))
        assert ended["outcome"] == "differs"
        assert ended["report"][0] == "history: DIFFERS from what the log says"
        assert f"conversation_id {made['id']} differs in content" in ended["report"][1]
        assert "rosebud" not in str(ended)


async def test_a_replay_that_fails_says_why_and_leaves_what_is_read(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        change(dsn, "UPDATE generations SET version = 'older' WHERE projection = 'usage'")
        ended = await to_its_end(client, await start(client, "usage", check=True))
        assert ended["outcome"] == "failed"
        assert ended["report"] == ["usage is not built in version 1 yet; `hansard replay` builds it."]


async def test_there_is_one_at_a_time_whichever_process_is_asked(dsn: str, held: Event) -> None:
    async with at_once(dsn) as (client, _), at_once(dsn) as (other, _):
        begun = await start(client, "usage")
        for each in (client, other):
            refused = await each.post(REPLAYS, json={"projections": ["search"]})
            assert problem(refused) == (409, "replay-running")
            assert "usage is being replayed already, by dev, since" in refused.json()["detail"]
            told = await got(each, f"{REPLAYS}/{begun['id']}")
            assert told["outcome"] is None
        held.set()
        assert (await to_its_end(other, begun))["outcome"] == "done"
        assert (await to_its_end(other, await start(other, "search")))["outcome"] == "done"


async def test_a_replay_by_the_command_is_not_disturbed(dsn: str) -> None:
    database = Database.open(dsn)
    async with at_once(dsn) as (client, _):
        with database.connect() as connection, guarded(connection, [Usage()]):
            refused = await client.post(REPLAYS, json={"projections": ["usage"]})
            assert problem(refused) == (409, "replay-running")
            assert "by the connection of PostgreSQL's process" in refused.json()["detail"]
        assert await got(client, REPLAYS) == {"replays": []}
        assert (await to_its_end(client, await start(client, "usage")))["outcome"] == "done"


async def test_a_service_that_stops_stops_its_replay_which_then_goes_on(dsn: str, held: Event) -> None:
    async with at_once(dsn) as (client, _):
        begun = await start(client, "usage")
    async with at_once(dsn) as (client, _):
        stopped = await got(client, f"{REPLAYS}/{begun['id']}")
        assert stopped["outcome"] == "stopped"
        assert "goes on from there" in stopped["report"][0]
        held.set()
        ended = await to_its_end(client, await start(client, "usage"))
        assert ended["report"][0] == "usage is built: generation 2 is live", "the build that was begun"


async def test_a_statement_that_takes_long_does_not_hold_up_the_stop(dsn: str) -> None:
    """The switch waits for the lanes' locks, which somebody holds for as long as the service runs."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT FROM hansard.lanes WHERE shard = 0 FOR UPDATE")
        async with at_once(dsn) as (client, _):
            begun = await start(client, "usage")
            while (told := await got(client, f"{REPLAYS}/{begun['id']}"))["stage"] != "switching":
                assert told["outcome"] is None, told
        row = connection.execute("SELECT outcome FROM hansard.replays").fetchone()
    assert row == ("stopped",)


async def test_a_replay_whose_process_is_gone_is_told_of_as_stopped(dsn: str) -> None:
    long_ago = "now() - interval '1 minute'"
    columns = "id, kind, projections, started_by, started_at, lease_until"
    values = f"'{uuid4()}', 'replay', '{{usage}}', 'dev', {long_ago}, {long_ago}"
    change(dsn, f"INSERT INTO replays ({columns}) VALUES ({values})")  # noqa: S608
    async with at_once(dsn) as (client, _):
        ((told),) = (await got(client, REPLAYS))["replays"]
        assert (told["outcome"], told["report"][0]) == ("stopped", "The process that ran it is gone.")
        assert (await to_its_end(client, await start(client, "usage")))["outcome"] == "done"


async def test_what_is_not_there_is_named(dsn: str) -> None:
    async with calling(dsn) as client:
        refused = await client.post(REPLAYS, json={"projections": ["histroy"]})
        assert problem(refused) == (400, "no-such-projection")
        assert "there are history, conversations, search, usage" in refused.json()["detail"]
        for path in ("", "/stream"):
            unknown = await client.get(f"{REPLAYS}/{uuid4()}{path}")
            assert problem(unknown) == (404, "replay-not-found")


async def test_who_started_it_is_on_record(dsn: str) -> None:
    async with asked_who(dsn) as client:
        shown = bearer(key(dsn, name="operator", scope="admin"))
        answer = await client.post(REPLAYS, json={"projections": ["usage"]}, headers=shown)
        assert answer.status_code == 202
        assert answer.json()["started_by"] == "key:operator"


# With several workers


@contextmanager
def watching(service: Service, begun: Any) -> Iterator[Iterator[Heard]]:
    url = f"{service.url}{REPLAYS}/{begun['id']}/stream"
    with httpx.stream("GET", url, timeout=LONGEST_WAIT) as answer:
        yield iter(Listener(answer))


def post(service: Service, **body: Any) -> Any:
    answer = httpx.post(service.url + REPLAYS, json=body, timeout=LONGEST_WAIT)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_another_process_tells_of_it_while_chats_go_on(dsn: str, tmp_path: Path) -> None:
    with (
        serving("--dsn", dsn, "--workers", "2", data=tmp_path / "a", output=tmp_path / "a.log") as one,
        serving("--dsn", dsn, data=tmp_path / "b", output=tmp_path / "b.log") as other,
    ):
        chat(one.url, "Hello?")
        with watching(other, post(one)) as heard:
            chat(one.url, "Still there?")
            (ended,) = [each.data for each in heard if each.event == "ended"]
        assert (ended["outcome"], len(ended["projections"])) == ("done", 4)
        with watching(one, post(other, check=True)) as heard:
            assert [each.data["outcome"] for each in heard if each.event == "ended"] == ["done"]


def test_a_worker_that_is_stopped_ends_what_is_watched_and_stops_what_runs(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn) as connection:
        with serving("--dsn", dsn, data=tmp_path / "a", output=tmp_path / "a.log") as service:
            connection.execute(
                "SELECT FROM hansard.lanes WHERE shard = 0 FOR UPDATE"
            )  # so that it cannot switch
            with watching(service, post(service, projections=["usage"])) as heard:
                until(lambda: next(heard).data["stage"] == "switching")
                service.process.terminate()
                assert {each.event for each in heard} <= {"progress", "ended"}
            assert service.process.wait(30) == 0
        row = connection.execute("SELECT outcome FROM hansard.replays").fetchone()
    assert row == ("stopped",)


def until(so: Callable[[], bool]) -> None:
    while not so():
        pass
