"""Appends: one thread a lane stores what has gathered while its last batch was stored."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg
from psycopg import Connection

from domain.recorded import Recorded
from projections.following.parking import fold_or_raise
from projections.following.wake import CHANNEL
from projections.projection import Projection
from projections.rows.apply import COPY_FROM, apply
from service.store.answers import answer
from service.store.append import Append
from service.store.arrivals import Arrivals
from service.store.connections import Database
from service.store.decide import Decided
from service.store.errors import OutcomeUnknown, StoreUnavailable
from service.store.insert import insert
from service.store.look import InStep, Look, lock_and_look
from service.store.observer import Observer

log = logging.getLogger("hansard.writer")

PIPELINE_BYTES: Final = 100_000
"""What is larger is sent statement by statement: in its pipeline mode libpq can stop for ever when both sides
wait for the other to read."""
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

MARK_BEHIND: Final = b"""
UPDATE checkpoints AS c SET position = given.position
FROM unnest(%(shards)b::smallint[], %(positions)b::bigint[]) AS given (shard, position)
WHERE c.shard = given.shard AND c.projection = %(projection)s AND c.generation = %(generation)s"""

# A hint need not wait for the disk.
NOTIFY: Final = b"""
SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)s, %(shards)s)"""

Committed = Callable[[Sequence[Recorded]], None]
PASSING: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.IntegrityError,
    psycopg.InternalError,  # among them a transaction that was ended because it stood still for too long
)
"""The connection is lost, or the database is stopping, full or busy: the same append may go through later."""


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
        self._lane = lane
        """The shard whose row in `lanes` is locked."""
        self._projections = {(each.name, each.version): each for each in projections if each.with_append}
        self._committed = committed
        self._observer = observer or Observer()
        self._arrivals = Arrivals(queue_limit)
        self._connection: Connection[Any] | None = None
        self._notify_due = 0.0
        self._to_notify: set[int] = set()
        self._thread = threading.Thread(target=self._run, name=f"hansard-writer-{lane}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stores what was taken, then stops."""
        self._arrivals.close()
        if self._thread.is_alive():
            self._thread.join()

    def waiting(self) -> int:
        return len(self._arrivals)

    def submit(self, append: Append) -> None:
        self._arrivals.put(append)

    def _run(self) -> None:
        while (batch := self._arrivals.take(self._until_notify())) is not None:
            if batch:
                started = time.monotonic()
                self._store(batch)
                self._arrivals.stored(len(batch), time.monotonic() - started)
                self._answer(batch)
            self._notify_others()
        self._disconnect()

    def _answer(self, appends: list[Append]) -> None:
        answer(appends)
        self._tell(self._observer.answered, appends)

    def _tell(self, who: Callable[..., None], *facts: Any) -> None:
        """Whoever listens must not stop whoever works."""
        try:
            who(*facts)
        except Exception:
            log.exception("somebody who was told of appends failed")

    def _store(self, batch: list[Append]) -> None:
        """Sets each append's outcome, whatever happens."""
        delay = 0.01
        while batch:
            try:
                self._store_once(batch)
                return
            except PASSING as lost:
                # Look again, by identity, once the database is back: what was sent may be stored.
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

    def _store_once(self, batch: list[Append]) -> None:
        """Together in one round trip; if something is refused, once more step by step, to find out what."""
        started = time.monotonic()
        events = sum(len(append.events) for append in batch)
        together = events < COPY_FROM and sum(append.size for append in batch) < PIPELINE_BYTES
        without: list[InStep] = []
        while True:
            try:
                decided = self._transact(batch, together, without)
                break
            except PASSING:
                raise
            except ProjectionRefused as refusal:
                log.exception("projection %s refused rows and is behind now", refusal.refused.projection)
                without.append(refusal.refused)
            except psycopg.Error:
                if not together:
                    raise
                together = False
            self._disconnect()
        if decided.recorded:
            self._to_notify |= {recorded.shard for recorded in decided.recorded}
            self._tell(self._observer.stored, len(decided.recorded), time.monotonic() - started)
            self._tell(self._committed, decided.recorded)

    def _transact(self, batch: list[Append], together: bool, without: list[InStep]) -> Decided:
        """Whatever is raised here, the connection is given up, and the transaction with it."""
        connection = self._connected()
        look = lock_and_look(connection, self._lane, batch)
        decided = Decided(look, batch)
        if together:
            with connection.pipeline():
                self._write(connection, look, decided, without)
                connection.execute(b"COMMIT", prepare=False)
        else:
            self._write(connection, look, decided, without)
            connection.execute(b"COMMIT", prepare=False)
        return decided

    def _write(
        self, connection: Connection[Any], look: Look, decided: Decided, without: list[InStep]
    ) -> None:
        if not decided.rows:
            return
        insert(connection, decided.rows)
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
        except PASSING:
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
        patient: list[Append] = []
        gone = self._arrivals.overdue(PATIENCE)
        for append in batch:
            in_time = now - append.asked_at <= (PATIENCE_IN_DOUBT if append.placed else PATIENCE)
            (patient if in_time else gone).append(append)
        for append in gone:
            append.outcome = OutcomeUnknown() if append.placed else StoreUnavailable(why=why, retry_after=1)
        self._answer(gone)
        return patient

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
