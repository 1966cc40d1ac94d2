"""`hansard verify`: the log, its seal, the projections and broken replies, told in words or as JSON."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Connection

from projections.generations import not_built
from projections.projection import Projection
from service.cli.conversation import OR_BY_NAME, meant
from service.cli.database import database_of
from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import counted, reporting, say, warn
from service.hansard import projections_of
from service.replay.proving import proofs_of
from service.replay.report import proof_in_words
from service.settings.settings import BadSetting
from service.store.connections import Database
from service.store.migrations import check_migrated
from service.verify.broken_replies import verify_replies
from service.verify.faults import Fault
from service.verify.log import verify_log
from service.verify.seal import Seal, read_seal
from service.verify.seal_keys import public_key
from service.verify.sealing import verify_seal
from service.verify.shard import Verified, read_too_far, reading, verify_conversation, with_holes

Part = Literal["chains", "seal", "projections", "replies"]


class Outcome(Struct, frozen=True):
    """What came of one part of the work."""

    part: Part
    holds: bool
    summary: str
    faults: Sequence[Fault] = ()
    unlisted: int = 0
    """Faults beyond those."""
    remarks: Sequence[str] = ()


class Report(Struct, frozen=True):
    """For a program."""

    holds: bool
    outcomes: Sequence[Outcome]


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--seal", type=Path, metavar="FILE", help="compare with what was sealed in it, too")
    parser.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="the key that must have signed the seal [seal.key.pub in the data folder]",
    )
    parser.add_argument(
        "--conversation", metavar="ID", help=f"the chain of this conversation only; {OR_BY_NAME}"
    )
    parser.add_argument(
        "--only",
        choices=("chains", "seal", "projections", "replies"),
        help="this part only; with chains, the seal too, where one is given [everything]",
    )
    parser.add_argument("--json", action="store_true", help="one object, for a program")
    takes(parser, *DATABASE, *SHAPING)


def run(options: Namespace) -> int:
    """Gives back the exit code: 1 if anything is wrong."""
    settings = settings_of(options)
    if options.only == "seal" and options.seal is None:
        raise BadSetting("--only seal needs a --seal to compare the log with")
    if options.conversation is not None and options.seal is not None:
        raise BadSetting("--seal is of the whole log: leave out the --conversation")
    # A forgery is told before the log has been read for it.
    seal = read_seal(options.seal, public_key(options.public_key, settings.data)) if options.seal else None
    with database_of(settings, warn if options.json else say) as database:
        if options.conversation is not None:
            return tell([of_conversation(database, meant(database, options.conversation))], options.json)
        with database.connect("hansard verify") as connection:
            check_migrated(connection)
        return tell(outcomes(database, projections_of(settings), options.only, seal), options.json)


def of_conversation(database: Database, conversation_id: UUID) -> Outcome:
    with reading(database) as connection:
        check_migrated(connection)
        verified = verify_conversation(connection, conversation_id)
    name = f"Conversation {conversation_id}"
    if not verified.events:
        return Outcome("chains", False, f"There is no conversation {conversation_id}")
    if verified.total:
        return failed("chains", f"{name} is NOT what was recorded", verified)
    return Outcome("chains", True, f"{name} is what was recorded: {counted(verified.events, 'event')}")


def outcomes(
    database: Database, projections: Sequence[Projection], only: Part | None, seal: Seal | None
) -> Iterator[Outcome]:
    if only in {None, "chains"}:
        yield of_chains(database)
    if seal is not None and only in {None, "chains", "seal"}:
        yield of_seal(database, seal)
    if only in {None, "projections"}:
        yield from of_projections(database, projections)
    if only in {None, "replies"}:
        yield of_replies(database)


def of_chains(database: Database) -> Outcome:
    started = time.monotonic()
    with reporting() as report:
        verified = verify_log(database, report)
    seconds = time.monotonic() - started
    seen = f"{counted(verified.events, 'event')} of {counted(verified.conversations, 'conversation')}"
    if verified.total:
        return failed("chains", f"The log is NOT what was recorded ({seen}, {seconds:,.1f} s)", verified)
    return Outcome("chains", True, f"The log is what was recorded: {seen} ({seconds:,.1f} s)")


def of_seal(database: Database, seal: Seal) -> Outcome:
    with reporting() as report:
        verified = verify_seal(database, seal, report)
    sealed = f"{seal.sealed_at:%Y-%m-%d %H:%M:%S} UTC"
    if verified.total:
        return failed("seal", f"The log is NOT what was sealed at {sealed}", verified)
    holds = f"The log begins with what was sealed at {sealed}: {counted(seal.events, 'event')}"
    return Outcome("seal", True, holds)


def of_projections(database: Database, projections: Sequence[Projection]) -> Iterator[Outcome]:
    with database.connect("hansard verify") as connection:
        missing = not_built(connection, projections)
        reason = incomparable(connection)
    for projection in missing:
        what = f"{projection.name} is not built: hansard replay {projection.name}"
        yield Outcome("projections", False, what)
    if reason:
        yield Outcome("projections", False, f"The projections were not compared: {reason}")
        return
    with reporting() as report:
        proofs = proofs_of(database, [each for each in projections if each not in missing], report)
    for proof in proofs:
        summary, *remarks = map(str.strip, proof_in_words(proof))
        yield Outcome("projections", proof.equal, summary, remarks=remarks)


def incomparable(connection: Connection[Any]) -> str | None:
    """Why a fresh fold would prove nothing: it needs a log in which nothing is missing."""
    if holes := with_holes(connection):
        return f"events are missing in shard {', '.join(map(str, holes))}"
    if ahead := read_too_far(connection):
        return f"there was more in the log when {', '.join(ahead)} read it"
    return None


def of_replies(database: Database) -> Outcome:
    with database.connect("hansard verify") as connection:
        verified = verify_replies(connection)
    if verified.total:
        return failed("replies", "There are replies that broke off and are not on the record", verified)
    return Outcome("replies", True, "No reply broke off without being put on the record")


def failed(part: Part, heading: str, verified: Verified) -> Outcome:
    wrong = "1 thing is wrong" if verified.total == 1 else f"{verified.total:,} things are wrong"
    unlisted = verified.total - len(verified.faults)
    return Outcome(part, False, f"{heading}: {wrong}", verified.faults, unlisted)


def tell(outcomes: Iterable[Outcome], as_json: bool) -> int:
    """In words, each part when it is done; or all of it as one JSON object."""
    done = []
    for outcome in outcomes:
        done.append(outcome)
        if not as_json:
            for line in lines_of(outcome):
                say(line)
    holds = all(outcome.holds for outcome in done)
    if as_json:
        say(msgspec.json.format(msgspec.json.encode(Report(holds, done)), indent=2).decode())
    return 0 if holds else 1


def lines_of(outcome: Outcome) -> Iterator[str]:
    yield outcome.summary
    for each in (*outcome.faults, *outcome.remarks):
        yield f"  {each}"
    if outcome.unlisted:
        yield f"  … and {outcome.unlisted:,} more"
