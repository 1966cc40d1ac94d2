"""`hansard verify`: the chains of the log, and the projections against a fresh fold of it, told in words."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection

from projections.generations import not_built
from projections.projection import Projection
from service.audit.shard import Verified, read_too_far, reading, verify_conversation, with_holes
from service.audit.verify import verify_log
from service.replaying import proofs_of, reporting, told
from service.store.connections import Database
from service.store.migrations import check_migrated

Part = Literal["chains", "projections"]
Say = Callable[[str], None]


def verify(database: Database, projections: Sequence[Projection], say: Say, only: Part | None = None) -> int:
    """Gives back the exit code: 1 if anything is wrong."""
    with database.connect("hansard verify") as connection:
        check_migrated(connection)
    holds = True
    if only != "projections":
        holds = verify_chains(database, say)
    if only != "chains":
        holds = verify_projections(database, projections, say) and holds
    return 0 if holds else 1


def verify_one(database: Database, conversation_id: UUID, say: Say) -> int:
    with reading(database) as connection:
        check_migrated(connection)
        verified = verify_conversation(connection, conversation_id)
    if not verified.events:
        say(f"There is no conversation {conversation_id}")
        return 1
    if verified.total:
        tell_faults(verified, f"Conversation {conversation_id} is NOT what was recorded", say)
        return 1
    say(f"Conversation {conversation_id} is what was recorded: {verified.events:,} events")
    return 0


def verify_chains(database: Database, say: Say) -> bool:
    started = time.monotonic()
    with reporting() as report:
        verified = verify_log(database, report)
    seconds = time.monotonic() - started
    seen = f"{verified.events:,} events of {verified.conversations:,} conversations"
    if verified.total:
        tell_faults(verified, f"The log is NOT what was recorded ({seen}, {seconds:,.1f} s)", say)
        return False
    say(f"The log is what was recorded: {seen} ({seconds:,.1f} s)")
    return True


def verify_projections(database: Database, projections: Sequence[Projection], say: Say) -> bool:
    with database.connect("hansard verify") as connection:
        missing = not_built(connection, projections)
        reason = incomparable(connection)
    for projection in missing:
        say(f"{projection.name} is not built: hansard replay {projection.name}")
    if reason:
        say(f"The projections were not compared: {reason}")
        return False
    proofs = proofs_of(database, [each for each in projections if each not in missing])
    for proof in proofs:
        for line in told(proof):
            say(line)
    return not missing and all(proof.equal for proof in proofs)


def incomparable(connection: Connection[Any]) -> str | None:
    """Why a fresh fold would prove nothing: it needs a log in which nothing is missing."""
    if holes := with_holes(connection):
        return f"events are missing in shard {', '.join(map(str, holes))}"
    if ahead := read_too_far(connection):
        return f"there was more in the log when {', '.join(ahead)} read it"
    return None


def tell_faults(verified: Verified, heading: str, say: Say) -> None:
    wrong = "1 thing is wrong" if verified.total == 1 else f"{verified.total:,} things are wrong"
    say(f"{heading}: {wrong}")
    for fault in verified.faults:
        say(f"  {fault}")
    if verified.total > len(verified.faults):
        say(f"  … and {verified.total - len(verified.faults):,} more")
