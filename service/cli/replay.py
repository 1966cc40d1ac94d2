"""`hansard replay`: builds projections anew, proves them, or tries once more what they could not take."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from typing import Any

from psycopg import Connection

from projections.following import unparking
from projections.generations import live
from projections.projection import Projection
from projections.rebuilding.loaders import processes_here
from projections.rebuilding.rebuild import Rebuild
from service.cli.database import database_of
from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import reporting, say
from service.hansard import projections_of
from service.replay.proving import proofs_of
from service.replay.report import NAME, choose, proof_in_words, rebuilt_in_words
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.migrations import check_migrated


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "projections", nargs="*", metavar="PROJECTION", help="which ones; all when none is named"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--check", action="store_true", help="build and compare with what is read now; switch nothing"
    )
    how.add_argument("--parked", action="store_true", help="only try again what could not be taken")
    how.add_argument(
        "--restart", action="store_true", help="throw away what an earlier replay has built so far"
    )
    takes(parser, *DATABASE, *SHAPING)


def run(options: Namespace) -> int:
    settings = settings_of(options)
    with database_of(settings, say) as database:
        return replay(
            database,
            projections_of(settings),
            options.projections,
            check=options.check,
            parked=options.parked,
            restart=options.restart,
        )


def replay(
    database: Database,
    projections: Sequence[Projection],
    names: Sequence[str],
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
        return retry(database, chosen)
    if check:
        return prove(database, chosen, processes)
    return rebuild(database, chosen, restart, processes)


def rebuild(
    database: Database,
    projections: Sequence[Projection],
    restart: bool = False,
    processes: int | None = None,
) -> int:
    with reporting() as report:
        work = Rebuild(
            partial(database.connect, NAME),
            DatabaseLog(database.topology),
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
    for line in rebuilt_in_words(rebuilt):
        say(line)
    return 0


def prove(database: Database, projections: Sequence[Projection], processes: int | None = None) -> int:
    with reporting() as report:
        proofs = proofs_of(database, projections, report, processes)
    for proof in proofs:
        for line in proof_in_words(proof):
            say(line)
    return 0 if all(proof.equal for proof in proofs) else 1


def retry(database: Database, projections: Sequence[Projection]) -> int:
    """Tries once more what is parked."""
    left = 0
    with database.connect(NAME) as connection:
        for projection in projections:
            retried = unparking.retry(connection, DatabaseLog(database.topology), projection)
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
