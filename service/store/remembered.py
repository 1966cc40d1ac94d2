"""What a writer remembers of its looks, so that the next append is sent without one; and what makes it safe.

Versions and positions are unique, so where somebody else has appended, nothing of it is stored. Whether the
last event of a shard is still there, a build still in step, and a conversation still parked in none, is read
once more with the append itself, under the lane's lock, which whoever changes that holds too.
"""

from collections.abc import Iterable
from typing import Final

from projections.rows.arrays import Array
from projections.rows.types import packed
from service.store.append import Append
from service.store.decide import Decided
from service.store.look import InStep, Look

MOST_TIPS: Final = 20_000
PROOFS: Final = 4
"""After a memory that was stale, so many looks must find what was remembered before one is trusted again: a
stale one costs more than a look, and where several processes append to the same shards most are."""

AS_REMEMBERED: Final = b"""
SELECT 1 / (
    (SELECT count(*) FROM checkpoints AS c
     WHERE c.shard = ANY(%(shards)b::smallint[]) AND c.position IS NULL) = %(number)b::bigint
    AND (SELECT count(*)
         FROM unnest(%(of)b::smallint[], %(projections)b::text[], %(generations)b::integer[])
             AS given (shard, projection, generation)
         JOIN checkpoints AS c USING (shard, projection, generation)
         WHERE c.shard = ANY(%(shards)b::smallint[]) AND c.position IS NULL) = %(number)b::bigint
    AND NOT EXISTS (
        SELECT FROM unnest(%(shards)b::smallint[], %(heads)b::bigint[], %(ends)b::bytea[])
            AS given (shard, position, digest)
        WHERE given.digest IS DISTINCT FROM (
            SELECT e.digest FROM events AS e
            WHERE e.shard = given.shard AND e.shard = ANY(%(shards)b::smallint[])
                AND e.position <= given.position
            ORDER BY e.position DESC LIMIT 1))
    AND NOT EXISTS (
        SELECT FROM parked AS p
        WHERE p.shard = ANY(%(shards)b::smallint[]) AND p.conversation_id = ANY(%(conversations)b::uuid[]))
)::integer"""
"""Fails, and with it all that was sent behind it, where it is not so any more. A shard that does not hold its
last event was restored from a backup: positions are free in it that were not. That event is looked for as the
last one up to its place, which only one index suits, however small the log was when the plan was made."""


class Remembered:
    """Of one connection: after another one it is not known what became of the database in between."""

    def __init__(self) -> None:
        self.forget()
        self._proofs_wanted = 0

    def covers(self, batch: Iterable[Append]) -> bool:
        """Commands have to be answered with their first result, and what is in doubt has to be looked for."""
        if self._proofs_wanted:
            return False
        tips, ends = self.look.tips, self._ends
        return all(
            append.command is None
            and not append.doubts
            and append.shard in ends
            and all((part.shard, part.conversation_id) in tips for part in append.parts)
            for append in batch
        )

    def learn(self, look: Look, decided: Decided) -> None:
        """From a look that was taken, and from what was stored on it."""
        known = self.look
        overtaken = {shard for shard, head in look.heads.items() if known.heads.get(shard, head) != head}
        if overtaken:
            self.distrust()
            for shard in overtaken:
                self._ends.pop(shard, None)
            known.tips = {key: tip for key, tip in known.tips.items() if key[0] not in overtaken}
        elif self._proofs_wanted:
            self._proofs_wanted -= 1
        known.heads.update(look.heads)
        known.in_step = merged(known.in_step, look.in_step, look.heads)
        known.tips.update(look.tips)
        self.confirm(decided)
        for conversations in look.parked.values():
            for key in conversations:
                known.tips.pop(key, None)

    def confirm(self, decided: Decided) -> None:
        """It is stored."""
        self.look.heads.update(decided.heads)
        self.look.tips.update(decided.tips)
        self._ends.update(decided.ends)
        if len(self.look.tips) > MOST_TIPS:
            self.forget()

    def guard(self, batch: Iterable[Append]) -> dict[str, bytes | None]:
        """The values of AS_REMEMBERED."""
        parts = {(part.shard, part.conversation_id) for append in batch for part in append.parts}
        shards = list({shard for shard, _ in parts})
        marks = [
            (shard, build.projection, build.generation)
            for build in self.look.in_step
            for shard in shards
            if shard in build.shards
        ]
        return {
            "shards": Array("smallint", shards).data,
            "heads": Array("bigint", [self.look.heads[shard] for shard in shards]).data,
            "ends": Array("bytea", [self._ends[shard] for shard in shards]).data,
            "conversations": Array("uuid", [conversation_id for _, conversation_id in parts]).data,
            "of": Array("smallint", [shard for shard, _, _ in marks]).data,
            "projections": Array("text", [projection for _, projection, _ in marks]).data,
            "generations": Array("integer", [generation for _, _, generation in marks]).data,
            "number": packed("bigint", len(marks)),
        }

    def distrust(self) -> None:
        """It was stale."""
        self._proofs_wanted = PROOFS

    def forget(self) -> None:
        self._ends: dict[int, bytes] = {}
        self.look = Look(heads={}, tips={}, commands={}, in_step=[], parked={}, digests=set())


def merged(known: Iterable[InStep], found: Iterable[InStep], looked_at: Iterable[int]) -> list[InStep]:
    """What is found counts for the shards that were looked at, and what was known for the others."""
    shards: dict[tuple[str, int, str], frozenset[int]] = {}
    for build in known:
        shards[build.projection, build.generation, build.version] = build.shards.difference(looked_at)
    for build in found:
        key = (build.projection, build.generation, build.version)
        shards[key] = shards.get(key, frozenset()) | build.shards
    return [InStep(*key, of) for key, of in shards.items() if of]
