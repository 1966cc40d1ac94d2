"""What replays and their proofs are asked for by name, and what came of them, in words."""

from collections.abc import Container, Iterator, Sequence
from typing import Final

from domain.errors import Refusal
from projections.projection import Projection
from projections.rebuilding.check import CheckResult
from projections.rebuilding.rebuild import Rebuilt

NAME: Final = "hansard replay"
"""What PostgreSQL shows of the connections of a replay."""


class NoSuchProjection(Refusal):
    """There is no projection {name}; there are {names}."""


def choose(projections: Sequence[Projection], names: Sequence[str]) -> list[Projection]:
    """Those that are named; all of them where none is."""
    known = {projection.name: projection for projection in projections}
    for name in names:
        if name not in known:
            raise NoSuchProjection(name=name, names=", ".join(known))
    return [known[name] for name in dict.fromkeys(names)] or list(projections)


def rebuilt_in_words(rebuilt: Rebuilt) -> Iterator[str]:
    for generation in rebuilt.generations:
        yield f"{generation.projection} is built: generation {generation.number} is live"
    yield (
        f"{rebuilt.events:,} events in {rebuilt.seconds:,.1f} s, {rebuilt.speed:,.0f} a second; "
        f"appends waited {rebuilt.locked * 1000:,.0f} ms for the switch"
    )
    if rebuilt.parked:
        yield f"{rebuilt.parked} conversations could not be taken whole: `hansard status` lists them"
    for left in rebuilt.left:
        yield f"{left.projection} generation {left.number} is still read: the next replay drops it"


def proof_in_words(proof: CheckResult, keys: Container[str] | None = None) -> Iterator[str]:
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
        yield f"  {name} was not compared where what is parked changed meanwhile"
