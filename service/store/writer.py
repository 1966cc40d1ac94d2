"""Appends: one thread a lane stores what has gathered while its last batch was stored."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg

from domain.recorded import Recorded
from projections.following.wake import CHANNEL
from projections.projection import Projection
from projections.rows.exchange import Failed, Values
from projections.rows.silence import Silence, is_of_a_part
from service.store.answers import answer
from service.store.append import Append
from service.store.arrivals import Arrivals
from service.store.commit import PASSING, Commit, ProjectionRefused
from service.store.connections import Database
from service.store.decide import Decided
from service.store.errors import OutcomeUnknown, ShardOutOfReach, StoreUnavailable
from service.store.look import InStep
from service.store.observer import Observer
from service.store.remembered import Remembered
from service.store.session import Connected, WritingSession, nothing_more

log = logging.getLogger("hansard.writer")

NOTIFY_INTERVAL: Final = 0.05
PROBE_EVERY: Final = 1.0
"""How often a writer that could store nothing looks whether it could again, while nothing is asked of it."""

# A hint need not wait for the disk.
NOTIFY: Final = b"""
SELECT set_config('synchronous_commit', 'off', true), pg_notify(%(channel)b::text, %(shards)b::text)"""
PROBE: Final = b"SELECT 1"

Committed = Callable[[Sequence[Recorded]], None]


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
        connected: Connected = nothing_more,
    ) -> None:
        self._patience = database.patience
        self._lane = lane
        """The shard whose row in `lanes` is locked."""
        self._projections = {(each.name, each.version): each for each in projections if each.with_append}
        self._committed = committed
        self._observer = observer or Observer()
        self._arrivals = Arrivals(queue_limit)
        self._session = WritingSession(database, connected)
        self._remembered = Remembered()
        self._failing_since: float | None = None
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

    def standing_still_for(self) -> float:
        """For how many seconds it could store nothing, or has left somebody waiting; 0 if all is well, as far
        as it knows."""
        since = [each for each in (self._failing_since, self._arrivals.oldest()) if each is not None]
        return time.monotonic() - min(since) if since else 0.0

    def submit(self, append: Append) -> None:
        self._arrivals.put(append)

    def _run(self) -> None:
        while (batch := self._arrivals.take(self._until_due())) is not None:
            if batch:
                started = time.monotonic()
                self._store(batch)
                self._arrivals.stored(len(batch), time.monotonic() - started)
                self._answer(batch)
            elif self._failing_since is not None:
                self._probe()
            self._notify_others()
        self._session.close()

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
            except Exception as failed:
                why = failed.error if isinstance(failed, Failed) else failed
                if not isinstance(why, PASSING):
                    self._store_each(batch, why)
                    return
                # Look again, by identity, once the database is back: what was sent may be stored.
                batch = self._still_patient(batch, why)
                time.sleep(delay)
                delay = min(delay * 2, 0.5)
            else:
                self._failing_since = None
                return

    def _store_each(self, batch: list[Append], failed: Exception) -> None:
        """One of them cannot be stored, and must not take its neighbours with it."""
        if len(batch) == 1:
            log.error("an append failed", exc_info=failed)
            batch[0].outcome = failed
            return
        for append in batch:
            self._store([append])

    def _store_once(self, batch: list[Append]) -> None:
        started = time.monotonic()
        without: list[InStep] = []
        while True:
            try:
                decided = self._attempt(batch, without)
                break
            except ProjectionRefused as refusal:
                without.append(refusal.refused)
        if decided.recorded:
            self._to_notify |= {recorded.shard for recorded in decided.recorded}
            self._tell(self._observer.stored, len(decided.recorded), time.monotonic() - started)
            self._tell(self._committed, decided.recorded)

    def _attempt(self, batch: list[Append], without: list[InStep]) -> Decided:
        until = self._until_answers_are_due(batch)
        with self._trusting():
            exchange = self._session.exchange(until)
            commit = Commit(exchange, self._lane, self._projections, self._remembered, until)
            if not without and self._remembered.covers(batch):
                self._tell(self._observer.looked, "remembered")
                if (decided := commit.store_as_remembered(batch)) is not None:
                    return decided
                if commit.was_stale:
                    self._tell(self._observer.looked, "stale")
            self._tell(self._observer.looked, "taken")
            return commit.store(batch, without)

    @contextmanager
    def _trusting(self) -> Iterator[None]:
        """A connection on which something was not answered as it should be is not used again."""
        try:
            yield
        except (Failed, ProjectionRefused):
            raise
        except BaseException:
            self._session.give_up()
            self._remembered.forget()
            raise

    def _until_answers_are_due(self, batch: list[Append]) -> float:
        """Whoever waits for longest, here or in the queue, must be answered in time."""
        now, silence = time.monotonic(), self._patience.silence
        due = [self._patience.gives_up(append.asked_at, bool(append.doubts)) for append in batch]
        if (oldest := self._arrivals.oldest()) is not None:
            due.append(self._patience.gives_up(oldest, in_doubt=False))
        return max(min(*due, now + silence), now + silence / 4)

    def _still_patient(self, batch: list[Append], lost: Exception) -> list[Append]:
        """Those that go on waiting; the others are told the truth. A database that refuses connections may be
        back soon, and can tell then; one that says nothing may say nothing for long."""
        now, why = time.monotonic(), " ".join(str(lost).split())
        refused = StoreUnavailable(why=why, retry_after=1)
        if is_of_a_part(lost):
            refused = ShardOutOfReach(retry_after=1)
        self._failing_since = self._failing_since or now
        log.warning("the database does not take appends: %s", why)
        patient: list[Append] = []
        gone = self._arrivals.overdue(now - self._patience.gives_up(0, in_doubt=False))
        for append in batch:
            in_doubt = bool(append.doubts) and not isinstance(lost, Silence)
            in_time = now < self._patience.gives_up(append.asked_at, in_doubt)
            (patient if in_time else gone).append(append)
        for append in gone:
            append.outcome = OutcomeUnknown() if append.doubts else refused
        self._answer(gone)
        return patient

    def _until_due(self) -> float | None:
        """How long nothing has to be done if nothing is asked."""
        if self._to_notify:
            return max(0.001, self._notify_due - time.monotonic())
        return None if self._failing_since is None else PROBE_EVERY

    def _probe(self) -> None:
        try:
            self._say(PROBE)
        except psycopg.Error as lost:
            log.debug("the database does not answer yet: %s", lost)
        else:
            self._failing_since = None

    def _notify_others(self) -> None:
        """A hint to other processes, outside every append and at most twenty times a second."""
        if self._to_notify and time.monotonic() >= self._notify_due and self._session.is_open:
            shards, self._to_notify = self._to_notify, set()
            self._notify_due = time.monotonic() + NOTIFY_INTERVAL
            with suppress(psycopg.Error):
                self._say(
                    NOTIFY, {"channel": CHANNEL.encode(), "shards": ",".join(map(str, shards)).encode()}
                )

    def _say(self, statement: bytes, values: Values = ()) -> None:
        until = time.monotonic() + self._patience.silence
        with self._trusting():
            exchange = self._session.exchange(until)
            exchange.send(statement, values)
            exchange.end_round()
            try:
                exchange.receive(until)
            except Failed as failed:
                raise failed.error from None
