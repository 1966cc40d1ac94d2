"""Appends: one thread a lane gathers what arrives while its last batch commits, and stores it as the next."""

import asyncio
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

import psycopg
from psycopg import Connection

from domain.recorded import Recorded
from projections.apply import apply
from projections.parking import fold_or_raise
from projections.projection import Projection
from projections.wake import CHANNEL
from service.store.append import Append, Appended, Outcome
from service.store.connections import Database
from service.store.decide import Decided
from service.store.errors import OutcomeUnknown, StoreIsBusy, StoreIsClosed, StoreUnavailable
from service.store.look import InStep, Look, lock_and_look
from service.store.observer import Observer

log = logging.getLogger("hansard.writer")

BATCH_EVENTS: Final = 1_000
BATCH_BYTES: Final = 1_000_000
PIPELINE_BYTES: Final = 200_000
"""libpq's pipeline mode stops for ever when one message is larger than the socket's buffers."""
LONGEST_GATHER: Final = 0.002
PATIENCE: Final = 5.0
"""How long an append waits for a database that is gone before its caller is told that nothing was stored."""
PATIENCE_IN_DOUBT: Final = 30.0
"""The same for one that may have been stored: only the database can tell, so it is asked for longer."""
NOTIFY_INTERVAL: Final = 0.05

SETTINGS: Final = (
    b"SET lock_timeout = '10s'",
    # All that an append looks up, it looks up by key; plans made while a table was small would scan it.
    b"SET enable_seqscan = off",
    b"SET enable_hashjoin = off",
    b"SET enable_mergejoin = off",
)

INSERT: Final = b"""
INSERT INTO events (
    shard, conversation_id, version, position, topic, message_id, state, state_salt, state_digest,
    user_id, actor, person_salt, person_digest, request_id, command_id, command_digest, command_size,
    recorded_at, digest)
SELECT * FROM unnest(
    %b::smallint[], %b::uuid[], %b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::bytea[], %b::bytea[],
    %b::bytea[], %b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::text[], %b::uuid[], %b::bytea[],
    %b::integer[], %b::timestamptz[], %b::bytea[])"""

MARK_BEHIND: Final = b"""
UPDATE checkpoints AS c SET position = given.position
FROM unnest(%(shards)b::smallint[], %(positions)b::bigint[]) AS given (shard, position)
WHERE c.shard = given.shard AND c.projection = %(projection)s AND c.generation = %(generation)s"""

# A hint need not wait for the disk.
NOTIFY: Final = b"""
SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)s, %(shards)s)"""

Committed = Callable[[Sequence[Recorded]], None]


class ProjectionRefused(Exception):
    """PostgreSQL would not take a projection's rows; the batch goes in again without that projection."""

    def __init__(self, refused: InStep) -> None:
        self.refused = refused


class LaneWriter:
    """The only place that inserts into `events`."""

    def __init__(
        self,
        database: Database,
        lane: int,
        projections: Sequence[Projection],
        committed: Committed = lambda events: None,
        queue_limit: int = 10_000,
        observer: Observer | None = None,
    ) -> None:
        self._database = database
        self._observer = observer or Observer()
        self._lane = lane
        """The shard whose row in `lanes` is locked."""
        self._projections = {(each.name, each.version): each for each in projections if each.with_append}
        self._committed = committed
        self._queue_limit = queue_limit
        self._queue: deque[Append] = deque()
        self._arrived = threading.Condition()
        self._closing = False
        self._connection: Connection[Any] | None = None
        self._last_size = 1
        self._last_seconds = 0.0
        self._notify_due = 0.0
        self._to_notify: set[int] = set()
        self._thread = threading.Thread(target=self._run, name=f"hansard-writer-{lane}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stores what was taken, then stops."""
        with self._arrived:
            self._closing = True
            self._arrived.notify()
        self._thread.join()

    def waiting(self) -> int:
        return len(self._queue)

    def submit(self, append: Append) -> None:
        append.asked_at = time.monotonic()
        with self._arrived:
            if self._closing:
                raise StoreIsClosed
            if len(self._queue) >= self._queue_limit:
                raise StoreIsBusy(waiting=len(self._queue), retry_after=1)
            self._queue.append(append)
            if len(self._queue) == 1 or len(self._queue) >= self._last_size:
                self._arrived.notify()

    def _run(self) -> None:
        while batch := self._gather():
            started = time.monotonic()
            self._store(batch)
            self._last_size, self._last_seconds = len(batch), time.monotonic() - started
            self._deliver(batch)
            self._notify_others()
        if self._connection:
            self._connection.close()

    def _gather(self) -> list[Append]:
        """Waits for the first append, and then a little for as many as came together the last time:
        those that were answered together tend to come back together."""
        with self._arrived:
            while not self._queue and not self._closing:
                self._arrived.wait(self._until_notify())
                if not self._queue:
                    self._notify_others()
            if len(self._queue) < self._last_size:
                enough = time.monotonic() + min(LONGEST_GATHER, self._last_seconds / 2)
                while len(self._queue) < self._last_size and (left := enough - time.monotonic()) > 0:
                    self._arrived.wait(left)
            batch: list[Append] = []
            events = size = 0
            while self._queue and (not batch or (events < BATCH_EVENTS and size < BATCH_BYTES)):
                append = self._queue.popleft()
                events, size = events + len(append.events), size + append.size
                batch.append(append)
            return batch

    def _store(self, batch: list[Append]) -> None:
        """Sets each append's outcome, whatever happens."""
        delay = 0.01
        while batch:
            try:
                self._transact(batch)
                return
            except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.IntegrityError) as lost:
                # Lost, refused or shut down: look again, by identity, once the database is back.
                self._disconnect()
                batch = self._still_patient(batch, lost)
                time.sleep(delay)
                delay = min(delay * 2, 0.5)
            except Exception as failed:
                self._disconnect()
                if len(batch) == 1:
                    log.exception("an append failed")
                    batch[0].outcome = failed
                    return
                for append in batch:
                    self._store([append])
                return

    def _transact(self, batch: list[Append]) -> None:
        without: list[InStep] = []
        started = time.monotonic()
        while True:
            connection = self._connected()
            try:
                with connection.transaction():
                    look = lock_and_look(connection, self._lane, batch)
                    decided = Decided(look, batch)
                    if decided.rows:
                        self._write(connection, look, decided, without)
                break
            except ProjectionRefused as refusal:
                log.exception("projection %s refused rows and is behind now", refusal.refused.projection)
                without.append(refusal.refused)
        if decided.recorded:
            self._observe(self._observer.stored, len(decided.recorded), time.monotonic() - started)
            self._to_notify |= {recorded.shard for recorded in decided.recorded}
            self._committed(decided.recorded)

    def _write(
        self, connection: Connection[Any], look: Look, decided: Decided, without: list[InStep]
    ) -> None:
        connection.execute(INSERT, [list(column) for column in zip(*decided.rows, strict=True)])
        by_shard: dict[int, list[Recorded]] = defaultdict(list)
        for recorded in decided.recorded:
            by_shard[recorded.shard].append(recorded)
        for build in look.in_step:
            shards = [shard for shard in by_shard if shard in build.shards]
            events = [recorded for shard in shards for recorded in by_shard[shard]]
            if events and (build in without or not self._project(connection, build, look, events)):
                connection.execute(
                    MARK_BEHIND,
                    {
                        "shards": shards,
                        "positions": [decided.before[shard] for shard in shards],
                        "projection": build.projection,
                        "generation": build.generation,
                    },
                )

    def _project(
        self, connection: Connection[Any], build: InStep, look: Look, events: list[Recorded]
    ) -> bool:
        """Whether the projection's rows are written; if not, its follower sees to them."""
        projection = self._projections.get((build.projection, build.version))
        if projection is None:
            return False
        parked = look.parked.get((build.projection, build.generation), {})
        try:
            changes = fold_or_raise(projection, events, parked)
        except Exception:
            log.exception("projection %s could not take an append and is behind now", build.projection)
            return False
        try:
            apply(connection, changes, build.generation)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as refused:
            raise ProjectionRefused(build) from refused
        return True

    def _connected(self) -> Connection[Any]:
        if self._connection is None:
            connection = self._database.connect("hansard writer")
            for setting in SETTINGS:
                connection.execute(setting)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _still_patient(self, batch: list[Append], lost: psycopg.Error) -> list[Append]:
        """Those that go on waiting; the others are told the truth."""
        now, why = time.monotonic(), " ".join(str(lost).split())
        log.warning("the database does not take appends: %s", why)
        with self._arrived:
            while self._queue and now - self._queue[0].asked_at > PATIENCE:
                batch.append(self._queue.popleft())
        patient = []
        gone = []
        for append in batch:
            if now - append.asked_at <= (PATIENCE_IN_DOUBT if append.placed else PATIENCE):
                patient.append(append)
            else:
                append.outcome = (
                    OutcomeUnknown() if append.placed else StoreUnavailable(why=why, retry_after=1)
                )
                gone.append(append)
        self._deliver(gone)
        return patient

    def _deliver(self, batch: list[Append]) -> None:
        """One call into each event loop for all of its appends."""
        loops: dict[asyncio.AbstractEventLoop, list[Append]] = defaultdict(list)
        answered = [append for append in batch if append.waiting is not None]
        for append in batch:
            waiting, append.waiting, append.based_on = append.waiting, None, None
            if isinstance(waiting, Future):
                settle(waiting, append.outcome)
            elif waiting is not None:
                append.waiting = waiting
                loops[waiting.get_loop()].append(append)
        for loop, appends in loops.items():
            try:
                loop.call_soon_threadsafe(settle_all, appends)
            except RuntimeError:
                log.warning("%d appends were stored after their event loop had closed", len(appends))
        self._observe(self._observer.answered, answered)

    def _observe(self, tell: Callable[..., None], *facts: Any) -> None:
        """Whoever counts must not stop whoever works."""
        try:
            tell(*facts)
        except Exception:
            log.exception("what became of appends was not counted")

    def _until_notify(self) -> float | None:
        if not self._to_notify:
            return None
        return max(0.001, self._notify_due - time.monotonic())

    def _notify_others(self) -> None:
        """A hint to other processes, outside every append and at most twenty times a second."""
        if self._to_notify and time.monotonic() >= self._notify_due and self._connection is not None:
            shards, self._to_notify = self._to_notify, set()
            self._notify_due = time.monotonic() + NOTIFY_INTERVAL
            try:
                self._connection.execute(NOTIFY, {"channel": CHANNEL, "shards": ",".join(map(str, shards))})
            except psycopg.Error:
                self._disconnect()


def settle(waiting: Any, outcome: Outcome | Exception) -> None:
    if waiting.done():
        return
    if isinstance(outcome, Appended):
        waiting.set_result(outcome)
    else:
        waiting.set_exception(outcome)


def settle_all(appends: list[Append]) -> None:
    for append in appends:
        waiting, append.waiting = append.waiting, None
        settle(waiting, append.outcome)
