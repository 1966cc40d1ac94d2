"""`hansard replay`: builds projections anew, proves them, or tries once more what they could not take."""

import os
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TextIO

from psycopg import Connection

from domain.errors import Refusal
from projections.following import unparking
from projections.generations import live
from projections.projection import Projection
from projections.rebuilding.check import Check, CheckResult
from projections.rebuilding.progress import Progress, Report
from projections.rebuilding.rebuild import Rebuild, Rebuilt
from service.cli.terminal import Bar
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.migrations import check_migrated

MOST_PROCESSES: Final = 4
"""Each folds on a core of its own, and PostgreSQL needs some too."""
LINE_EVERY: Final = 10.0
NAME: Final = "hansard replay"

Say = Callable[[str], None]


class NoSuchProjection(Refusal):
    """There is no projection {name}; there are {names}."""


def replay(
    database: Database,
    projections: Sequence[Projection],
    names: Sequence[str],
    say: Say,
    *,
    check: bool = False,
    parked: bool = False,
    restart: bool = False,
    processes: int | None = None,
) -> int:
    """Gives back the exit code: 1 if a check found a difference, or if something is still parked."""
    chosen = choose(projections, names)
    with database.connect(NAME) as connection:
        check_migrated(connection)
    if parked:
        return retry(database, chosen, say)
    if check:
        return prove(database, chosen, say, processes)
    return rebuild(database, chosen, say, restart, processes)


def choose(projections: Sequence[Projection], names: Sequence[str]) -> list[Projection]:
    """Those that are named; all of them where none is."""
    known = {projection.name: projection for projection in projections}
    for name in names:
        if name not in known:
            raise NoSuchProjection(name=name, names=", ".join(known))
    return [known[name] for name in dict.fromkeys(names)] or list(projections)


def rebuild(
    database: Database,
    projections: Sequence[Projection],
    say: Say,
    restart: bool = False,
    processes: int | None = None,
) -> int:
    with reporting() as report:
        work = Rebuild(
            partial(database.connect, NAME),
            DatabaseLog(),
            projections,
            report,
            restart=restart,
            processes=processes or processes_here(),
        )
        try:
            rebuilt = work.run()
        except KeyboardInterrupt:
            say("Stopped. What was built so far is kept: starting the replay again goes on from there.")
            raise
    tell_rebuilt(rebuilt, say)
    return 0


def tell_rebuilt(rebuilt: Rebuilt, say: Say) -> None:
    for generation in rebuilt.generations:
        say(f"{generation.projection} is built: generation {generation.number} is live")
    say(
        f"{rebuilt.events:,} events in {rebuilt.seconds:,.1f} s, {rebuilt.speed:,.0f} a second; "
        f"appends waited {rebuilt.locked * 1000:,.0f} ms for the switch"
    )
    if rebuilt.parked:
        say(f"{rebuilt.parked} conversations could not be taken whole: `hansard status` lists them")
    for generation in rebuilt.left:
        say(f"{generation.projection} generation {generation.number} is still read: the next replay drops it")


def prove(
    database: Database, projections: Sequence[Projection], say: Say, processes: int | None = None
) -> int:
    proofs = proofs_of(database, projections, processes)
    for proof in proofs:
        for line in told(proof):
            say(line)
    return 0 if all(proof.equal for proof in proofs) else 1


def proofs_of(
    database: Database, projections: Sequence[Projection], processes: int | None = None
) -> list[CheckResult]:
    with reporting() as report:
        connect = partial(database.connect, NAME)
        return Check(
            connect, DatabaseLog(), projections, report, processes=processes or processes_here()
        ).run()


def told(proof: CheckResult, keys: Container[str] | None = None) -> Iterator[str]:
    """Rows are named by these parts of their keys; by all where none are said."""
    rows = sum(table.rows for table in proof.tables)
    if proof.equal:
        yield f"{proof.projection}: all {rows:,} rows are what the log says"
    else:
        yield f"{proof.projection}: DIFFERS from what the log says"
    for table in proof.tables:
        for difference in table.differences:
            key = ", ".join(
                f"{name} {value}" for name, value in difference.key.items() if keys is None or name in keys
            )
            yield f"  {difference.table}: the row with {key} {difference.what}"
        if table.shards:
            shards = ", ".join(map(str, table.shards))
            yield f"  {table.table} differs in {len(table.shards)} shards: {shards}"
    if proof.parked:
        yield f"  {len(proof.parked)} conversations are parked and were left out"
    for name in proof.uncomparable:
        yield f"  {name} was not compared: what is parked changed meanwhile"


def retry(database: Database, projections: Sequence[Projection], say: Say) -> int:
    """Tries once more what is parked."""
    left = 0
    with database.connect(NAME) as connection:
        for projection in projections:
            retried = unparking.retry(connection, DatabaseLog(), projection)
            for parked in retried.taken:
                say(f"{projection.name}: conversation {parked.conversation_id} is whole again")
            for parked in retried.still:
                say(
                    f"{projection.name}: conversation {parked.conversation_id} is still parked "
                    f"at position {parked.position} of shard {parked.shard}: {parked.error}"
                )
            left += len(retried.still)
            if not (retried.taken or retried.still):
                say(nothing_parked(connection, projection))
    return 1 if left else 0


def nothing_parked(connection: Connection[Any], projection: Projection) -> str:
    built = live(connection, projection) is not None
    return f"{projection.name}: nothing is parked" if built else f"{projection.name} is not built yet"


@contextmanager
def reporting() -> Iterator[Report]:
    """A bar for a person who watches; now and then a line for a log."""
    if sys.stderr.isatty():
        with Bar() as bar:
            yield bar
    else:
        yield Lines(sys.stderr)


class Lines:
    """For a log: one at each stage, and one every ten seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._stage = ""
        self._due = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self._stage or self._clock() >= self._due:
            self._stage, self._due = progress.stage, self._clock() + LINE_EVERY
            self._stream.write(" ".join(words_of(progress)) + "\n")
            self._stream.flush()


def words_of(progress: Progress) -> Iterable[str]:
    yield progress.stage
    if progress.total:
        yield f"{progress.done:,} of {progress.total:,} events"
    if progress.per_second:
        yield f"at {progress.per_second:,.0f} a second"
    if progress.per_second and progress.seconds_left is not None:
        yield f"with {progress.seconds_left:,.0f} s left"


def processes_here() -> int:
    return min(os.cpu_count() or 1, MOST_PROCESSES)
