"""Replays that are started over HTTP: one at a time, and any worker can tell how far it has come.

It runs in the worker that was asked for it. What it says goes into a table once in a while, with a lease: if
the worker is killed, the others see that it is gone, and the next replay goes on from where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from projections.errors import ReplayIsRunning
from projections.projection import Projection
from service.replay.report import choose
from service.replay.thread import STOPPED, Kind, Outcome, Rebuilding, ReplayEnd
from service.store.connections import Database
from service.store.ids import new_id

KEEP_EVERY: Final = 0.5
WATCH_EVERY: Final = 0.5
LEASE: Final = 15.0
"""Seconds that the process may be silent about it before it counts as gone."""
LONGEST_STOP: Final = 10.0
PAGE: Final = 20

COLUMNS: Final = """id, kind, projections, started_by, started_at, stage, done, total, per_second,
    seconds_left, ended_at, outcome, report"""
CLAIM: Final = f"""
INSERT INTO replays (id, kind, projections, started_by, started_at, lease_until)
VALUES (%(id)s, %(kind)s, %(projections)s, %(started_by)s, now(), now() + make_interval(secs => %(lease)s))
ON CONFLICT DO NOTHING
RETURNING {COLUMNS}"""  # noqa: S608
GIVE_UP: Final = "DELETE FROM replays WHERE id = %(id)s"
KEEP: Final = """
UPDATE replays SET stage = %(stage)s, done = %(done)s, total = %(total)s, per_second = %(per_second)s,
    seconds_left = %(seconds_left)s, lease_until = now() + make_interval(secs => %(lease)s)
WHERE id = %(id)s"""
END: Final = """
UPDATE replays SET outcome = %(outcome)s, report = %(report)s, ended_at = now(), seconds_left = 0
WHERE id = %(id)s"""
END_ORPHANS: Final = """
UPDATE replays SET outcome = 'stopped', ended_at = lease_until, seconds_left = 0,
    report = ARRAY['The process that ran it is gone.',
        CASE kind WHEN 'check' THEN %(check)s ELSE %(replay)s END]
WHERE outcome IS NULL AND lease_until < now()"""
UNDER_WAY: Final = f"SELECT {COLUMNS} FROM replays WHERE outcome IS NULL"  # noqa: S608
ONE: Final = f"SELECT {COLUMNS} FROM replays WHERE id = %(id)s"  # noqa: S608
LATEST: Final = f"SELECT {COLUMNS} FROM replays ORDER BY started_at DESC, id DESC LIMIT %(limit)s"  # noqa: S608

Pool = AsyncConnectionPool[AsyncConnection[Any]]
AWAY: Final = (psycopg.OperationalError, PoolTimeout)


class ReplayJob(Struct, frozen=True):
    id: UUID
    kind: Kind
    projections: list[str]
    started_by: str
    started_at: datetime
    stage: str
    done: int
    total: int
    per_second: float
    seconds_left: float | None
    ended_at: datetime | None
    outcome: Outcome | None
    """None while it is under way."""
    report: list[str]


class ReplayJobs:
    def __init__(self, pool: Pool, database: Database, projections: Sequence[Projection]) -> None:
        self._pool = pool
        self._database = database
        self._projections = projections
        self._leaving = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    async def start(self, names: Sequence[str], kind: Kind, started_by: str) -> ReplayJob:
        chosen = choose(self._projections, names)
        replay = await self._claim([each.name for each in chosen], kind, started_by)
        work = Rebuilding(self._database, chosen, kind)
        try:
            await asyncio.to_thread(work.check_free)
        except BaseException:
            await self._rows(GIVE_UP, id=replay.id)
            raise
        work.start()
        self._following = asyncio.create_task(self._follow(replay, work))
        return replay

    async def find(self, replay_id: UUID) -> ReplayJob | None:
        found = await self._seen(ONE, id=replay_id)
        return found[0] if found else None

    async def latest(self) -> list[ReplayJob]:
        return await self._seen(LATEST, limit=PAGE)

    async def watch(self, replay_id: UUID, patience: float) -> AsyncIterator[ReplayJob | None]:
        """As it is, whenever that has changed, until it has ended or this process leaves; None after so long
        a silence."""
        last, quiet = None, 0.0
        while not self._leaving.is_set():
            with suppress(*AWAY):
                found = await self.find(replay_id)
                if found is None:
                    return
                if found != last:
                    last, quiet = found, 0.0
                    yield found
                if found.outcome is not None:
                    return
            if quiet >= patience:
                quiet = 0.0
                yield None
            await self._rest(WATCH_EVERY)
            quiet += WATCH_EVERY

    def leave(self) -> None:
        """Who watches goes on at another process; what runs here is stopped, and can be gone on with."""
        self._leaving.set()

    async def close(self) -> None:
        self.leave()
        if self._following is not None:
            await asyncio.wait([self._following], timeout=LONGEST_STOP)
            self._following.cancel()

    async def _claim(self, names: list[str], kind: Kind, started_by: str) -> ReplayJob:
        given = {"id": new_id(), "kind": kind, "projections": names, "started_by": started_by}
        await self._end_orphans()
        while not (claimed := await self._rows(CLAIM, **given, lease=LEASE)):
            for other in await self._rows(UNDER_WAY):
                holder = f"{other.started_by}, since {other.started_at:%Y-%m-%d %H:%M:%S %Z}"
                raise ReplayIsRunning(projection=", ".join(other.projections), holder=holder)
        return claimed[0]

    async def _follow(self, replay: ReplayJob, work: Rebuilding) -> None:
        while not work.ended.done():
            if self._leaving.is_set():
                await asyncio.to_thread(work.stop)
            await asyncio.wait([work.ended], timeout=KEEP_EVERY)
            with suppress(*AWAY):
                await self._keep(replay, work)
        while not await self._end(replay, work.ended.result()):
            await self._rest(KEEP_EVERY)

    async def _keep(self, replay: ReplayJob, work: Rebuilding) -> None:
        now = work.progress
        await self._rows(
            KEEP,
            id=replay.id,
            stage=now.stage,
            done=now.done,
            total=now.total,
            per_second=now.per_second,
            seconds_left=now.seconds_left,
            lease=LEASE,
        )

    async def _end(self, replay: ReplayJob, ended: ReplayEnd) -> bool:
        """Whether it could be written, or will never be: if this process leaves, the lease tells."""
        try:
            await self._rows(END, id=replay.id, outcome=ended.outcome, report=ended.report)
        except AWAY:
            return self._leaving.is_set()
        return True

    async def _seen(self, query: str, **given: Any) -> list[ReplayJob]:
        await self._end_orphans()
        return await self._rows(query, **given)

    async def _end_orphans(self) -> None:
        await self._rows(END_ORPHANS, **STOPPED)

    async def _rows(self, statement: str, **given: Any) -> list[ReplayJob]:
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(ReplayJob))
            await cursor.execute(statement.encode(), given)
            return await cursor.fetchall() if cursor.description else []

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._leaving.wait()
