"""One database, a few processes on it, and the model: what is done to the first is held against the last."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from msgspec.structs import replace

from domain.conversation import Conversation
from domain.errors import Refusal
from domain.message import SHOWN
from projections import conversations, history
from projections.errors import ConversationIsParked, ProjectionBehind, ReplayIsRunning
from projections.following import unparking
from projections.following.follower import Follower
from projections.log import Log
from projections.rebuilding.check import Check
from projections.rebuilding.loading import LoadLimits
from projections.rebuilding.rebuild import Rebuild
from service.privacy.clearing import clear
from service.privacy.emptying import ERASED, REDACT
from service.store.connections import Database, connect
from service.store.repository import Repository
from service.verify.log import verify_log
from tests.cluster import COORDINATOR
from tests.machine.model import SOME_TIME, Model, Outcome, is_stored, timeless
from tests.machine.moods import NAMES, Moods, is_marked, moody_projections
from tests.machine.plain import Parked, plain
from tests.machine.processes import LOG, Process, parked_of, stored_rows, whole_log
from tests.machine.wishes import USERS, Asked, Wish

T = TypeVar("T")
AT_ONCE = 0.0
PATIENT = 10.0
LIMITS = LoadLimits()


class World:
    def __init__(self, dsn: str, lanes: int) -> None:
        self.dsn = dsn
        self.model = Model()
        self.moods = Moods()
        self.projections = moody_projections(self.moods)
        self.database = Database.open(dsn)
        self.connect = partial(self.database.connect, "machine")
        self.follower = Follower(self.connect, LOG, self.projections.values())
        if COORDINATOR is None:  # a cluster has lanes
            with psycopg.connect(dsn, autocommit=True) as owner:
                owner.execute("UPDATE hansard.layout SET lane = shard %% %s", [lanes])
        self._runner = asyncio.Runner()
        self._looking = self.connect()
        self.processes: list[Process] = []
        for unknown in ("", "", "history"):
            self.processes.append(self.opened(unknown))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def opened(self, unknown: str) -> Process:
        known = [each for each in self.projections.values() if each.name != unknown]
        process = Process(self.dsn, known)
        self.run(process.open())
        return process

    def restart(self, at: int, unknown: str) -> None:
        self.run(self.processes[at].close())
        self.processes[at] = self.opened(unknown)

    def close(self) -> None:
        try:
            for process in self.processes:
                self.run(process.close())
        finally:
            self._looking.close()
            self._runner.close()

    def wish(self, wishes: Sequence[tuple[int, Wish]], chores: Sequence[str] = ()) -> None:
        """All at once, each of one process, while the chores are done."""
        asked = [
            (at, wish.asked(self.model.version(wish.shard, wish.conversation_id))) for at, wish in wishes
        ]
        outcomes = self.run(self.asking(asked, chores))
        told = [(each, outcome) for (_, each), outcome in zip(asked, outcomes, strict=True)]
        self.model.take(told)
        self.check_log()
        for (at, each), outcome in zip(asked, outcomes, strict=True):
            if is_stored(outcome):
                self.run(self.read_at_once(self.processes[(at + 1) % len(self.processes)], each))

    async def asking(self, asked: Sequence[tuple[int, Asked]], chores: Sequence[str]) -> list[Outcome]:
        busy = [asyncio.create_task(asyncio.to_thread(self.do, chore)) for chore in chores]
        outcomes = await asyncio.gather(
            *(self.ask(self.processes[at].repository, each) for at, each in asked)
        )
        await asyncio.gather(*busy)
        return outcomes

    async def ask(self, repository: Repository, asked: Asked) -> Outcome:
        try:
            return await asked.ask(repository)
        except Refusal as refusal:
            return refusal

    def do(self, chore: str) -> None:
        with suppress(ReplayIsRunning):
            match chore:
                case "follow":
                    self.follower.run_once()
                case "replay":
                    self.replay(NAMES, LoadLimits(3, 7, 5))
                case "check":
                    self.check_builds(NAMES)
                case "retry":
                    self.retry()

    def replay(self, names: Sequence[str], limits: LoadLimits = LIMITS, log: Log = LOG) -> None:
        projections = [self.projections[name] for name in names]
        Rebuild(self.connect, log, projections, limits=limits).run()

    def retry(self) -> None:
        with self.connect() as connection:
            for projection in self.projections.values():
                unparking.retry(connection, LOG, projection)

    def check_builds(self, names: Sequence[str], limits: LoadLimits = LIMITS) -> None:
        """Of those that are well: one that gives up on what it took before is not what it built any more, and
        a check would say so, rightly."""
        well = [self.projections[name] for name in names if self.moods.of(name) == "well"]
        for proof in Check(self.connect, LOG, well, limits=limits).run():
            assert proof.equal, proof
            assert not proof.uncomparable

    def forget(self) -> None:
        """The words of what was erased are taken out of the log, and the person; then out of the tables."""
        with connect(self.dsn) as owner:
            for shard, conversation_id in self.model.erased():
                given = {"shard": shard, "conversation_ids": [conversation_id], "erased": ERASED}
                owner.execute(REDACT, given)
                self.run(self.clear(shard, conversation_id))
                self.model.forget(shard, conversation_id)

    async def clear(self, shard: int, conversation_id: UUID) -> None:
        async with self.processes[0].pool.connection() as connection:
            await clear(connection, shard, [conversation_id])

    def check_log(self) -> None:
        """It holds what was accepted, in its order, place by place, and nothing else."""
        found = [replace(each, recorded_at=SOME_TIME) for each in whole_log(self._looking)]
        assert found == [each for shard in sorted(self.model.log) for each in self.model.log[shard]]

    def check_tables(self, names: Sequence[str] = NAMES) -> None:
        """Once all is followed, each table is a plain fold of the log."""
        self.follower.run_once()
        log = whole_log(self._looking)
        for name in names:
            projection = self.projections[name]
            parked = parked_of(self._looking, projection)
            for each in log:
                if parked.get((each.shard, each.conversation_id)) == each.position:
                    assert is_marked(each), f"{name} parked {each} for nothing"
            assert stored_rows(self._looking, projection) == plain(name, log, parked)

    def check_parked_nothing(self) -> None:
        for projection in self.projections.values():
            assert not parked_of(self._looking, projection)

    def check_states(self) -> None:
        """A process that remembers nothing loads what the events come to."""
        process = self.processes[0]
        self.run(process.repository.close())
        fresh = Repository(process.store, process.pool)
        for shard, log in self.model.log.items():
            for conversation_id in {each.conversation_id for each in log}:
                loaded = self.run(fresh.load(shard, conversation_id))
                assert timeless(loaded) == timeless(self.model.state(shard, conversation_id))

    def verify(self) -> None:
        verified = verify_log(self.database)
        assert not verified.faults, "\n".join(map(str, verified.faults))
        assert verified.events == sum(map(len, self.model.log.values()))

    async def read_at_once(self, process: Process, asked: Asked) -> None:
        """What was acknowledged is in what is read after it; or else it is said that it is not."""
        state = self.model.state(asked.shard, asked.conversation_id)
        assert state
        with suppress(ProjectionBehind, ConversationIsParked):
            if "conversations" in process.projections:
                view = process.view("conversations", AT_ONCE)
                found = await conversations.conversation(view, asked.shard, asked.conversation_id)
                assert is_as(found, state)
        with suppress(ProjectionBehind, ConversationIsParked):
            if "history" in process.projections:
                view = process.view("history", AT_ONCE)
                page = await history.page_of_items(view, asked.shard, asked.conversation_id, 1_000)
                assert len(page) == (0 if state.erased else state.message_count)

    async def read(self, process: Process) -> None:
        """Everybody's pages, while the follower is at work: they wait for it where they have to."""
        following = asyncio.create_task(asyncio.to_thread(self.follower.run_once))
        read = {
            (name, user): await self.read_page(process, name, user)
            for name in ("history", "conversations")
            for user in USERS
            if name in process.projections
        }
        await following
        log = whole_log(self._looking)
        for (name, user), keys in read.items():
            shard = process.store.shard_of(user)
            rows = plain(name, log, self.parked(name))[name].values()
            found = [row for row in rows if (row["shard"], row["user_id"]) == (shard, user)]
            if name == "history":
                found.sort(key=lambda row: row["position"])
                assert keys == [row["message_id"] for row in found if row["kind"] in SHOWN]
            else:
                found.sort(key=lambda row: -row["last_position"])
                assert keys == [row["conversation_id"] for row in found]

    async def read_page(self, process: Process, name: str, user: str) -> list[Any]:
        view, shard = process.view(name, PATIENT), process.store.shard_of(user)
        if name == "history":
            return [each.message_id for each in await history.page_of_user(view, shard, user, 1_000)]
        return [each.conversation_id for each in await conversations.page(view, shard, user, 1_000)]

    def parked(self, name: str) -> Parked:
        return parked_of(self._looking, self.projections[name])


def is_as(found: conversations.ListedConversation | None, state: Conversation) -> bool:
    if found is None or state.erased:
        return found is None and state.erased
    return (found.version, found.message_count, found.ended_at is not None) == (
        state.version,
        state.message_count,
        state.ended,
    )
