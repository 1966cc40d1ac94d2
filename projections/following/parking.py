"""Events that a projection cannot take: their conversation waits, and everything else moves on."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from traceback import extract_tb
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from domain.errors import EventUnreadable
from domain.events import ConversationAnonymised, ConversationErased
from domain.recorded import Recorded, Unreadable
from projections.errors import ASIDE
from projections.generations import Generation, named
from projections.projection import Projection
from projections.rows.apply import apply
from projections.rows.changes import Change, Delete, Fold, Update
from projections.rows.copied import CopyRefused

Skipped = Mapping[tuple[int, UUID], int]
"""Of which conversations nothing is taken, and from which position on."""

PARKED: Final = """
    SELECT shard, conversation_id, position FROM parked
    WHERE projection = %(projection)s AND generation = %(number)s AND shard = ANY(%(shards)s::smallint[])
"""

LIST: Final = """
    SELECT p.projection, p.generation, p.shard, p.conversation_id, p.position, p.error, p.parked_at
    FROM parked AS p
    JOIN generations AS g USING (projection, generation)
    WHERE p.shard = ANY(%(shards)s::smallint[]) AND g.stage = 'live' AND p.error <> %(aside)s
"""

PARK: Final = """
    INSERT INTO parked (shard, projection, generation, conversation_id, position, error, parked_at)
    VALUES (%(shard)s, %(projection)s, %(number)s, %(conversation_id)s, %(position)s, %(error)s, %(now)s)
    ON CONFLICT (shard, projection, generation, conversation_id)
    DO UPDATE SET position = excluded.position, error = excluded.error, parked_at = excluded.parked_at
"""

PASSING: Final = ("08", "25", "40", "53", "55", "57", "58", "XX", "42P01", "42501")
"""What begins so says nothing about an event: connections, full disks, locks, stops, a table that is gone."""

LONGEST_ERROR: Final = 300
QUOTED: Final = re.compile('".*"')


class Poison(Struct, frozen=True):
    """An event that a projection could not take, and why."""

    shard: int
    conversation_id: UUID
    position: int
    error: str


class Parked(Struct, frozen=True):
    """A conversation of which a projection has nothing from a position on."""

    projection: str
    generation: int
    shard: int
    conversation_id: UUID
    position: int
    error: str
    parked_at: datetime


def fold_page(projection: Projection, page: Sequence[Recorded], parked: Skipped) -> tuple[Fold, list[Poison]]:
    """All that can be taken of a page, and what cannot: of its conversation nothing from there on."""
    fold, skipped, poison = Fold(), dict(parked), list[Poison]()
    for recorded in page:
        key = (recorded.shard, recorded.conversation_id)
        try:
            changes = changes_of(projection, recorded, skipped)
        except Exception as error:  # a projection's code may fail in any way
            if key not in skipped:
                skipped[key] = recorded.position
                poison.append(poison_of(recorded, error))
            continue
        try:
            fold.take(changes)
        except Exception as error:  # half of it may be taken: fold again, without it from the start
            fold, more = fold_page(projection, page, {**skipped, key: recorded.position})
            return fold, [*poison, poison_of(recorded, error), *more]
    return fold, poison


def fold_or_raise(projection: Projection, page: Iterable[Recorded], parked: Skipped) -> Fold:
    """For an append, which does not stop to find out what is wrong with a projection."""
    fold = Fold()
    for recorded in page:
        fold.take(changes_of(projection, recorded, parked))
    return fold


def changes_of(projection: Projection, recorded: Recorded, skipped: Skipped) -> Iterable[Change]:
    """What an event changes.

    Of a parked conversation nothing is taken but what makes it be forgotten: nobody's words may stay in a
    table because something else about the conversation could not be understood. Those changes can be made
    twice, as they will be when the conversation is tried again.
    """
    event = recorded.event
    if skipped:
        since = skipped.get((recorded.shard, recorded.conversation_id))
        if since is not None and since <= recorded.position:
            if type(event) is ConversationErased or type(event) is ConversationAnonymised:
                return [change for change in projection.changes(recorded) if is_repeatable(change)]
            return ()
    if type(event) is Unreadable:
        raise EventUnreadable(topic=event.topic, why=event.error)
    changes = projection.changes(recorded)
    return changes if type(changes) is tuple else tuple(changes)


def is_repeatable(change: Change) -> bool:
    return isinstance(change, Delete) or (isinstance(change, Update) and not change.add)


def poison_of(recorded: Recorded, error: Exception) -> Poison:
    return Poison(recorded.shard, recorded.conversation_id, recorded.position, in_words(error))


def in_words(error: Exception) -> str:
    """What went wrong and where, but no word of an event: it is kept, and would outlive an erasure."""
    name = type(error).__name__
    line = next(iter(str(error).splitlines()), "")  # PostgreSQL's further ones quote the row
    if isinstance(error, EventUnreadable) or not is_about_the_event(error):
        told = f"{name}: {line}"
    elif isinstance(error, psycopg.Error):
        told = f"{name}: {QUOTED.sub('…', line)}"
    else:
        frames = extract_tb(error.__traceback__)
        told = (
            f"{name} in {frames[-1].name}, {PurePath(frames[-1].filename).name}:{frames[-1].lineno}"
            if frames
            else name
        )
    return told[:LONGEST_ERROR].replace("\0", "")


def is_about_the_event(error: Exception) -> bool:
    """Whether the same event would be refused again, rather than the database be in trouble."""
    if not isinstance(error, psycopg.Error):
        return not isinstance(error, OSError | MemoryError)
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
    return not error.sqlstate.startswith(PASSING)


Applying = Callable[[Connection[Any], Projection, Generation, Sequence[Recorded], Skipped], list[Poison]]
"""One of the next two: how a page is applied."""


def apply_page(
    connection: Connection[Any],
    projection: Projection,
    generation: Generation,
    page: Sequence[Recorded],
    parked: Skipped,
    copies: bool = True,
) -> list[Poison]:
    """Folds and applies a page in the caller's transaction, and parks what the projection's code cannot take.

    What PostgreSQL refuses is raised, and the transaction is lost: try again with `apply_carefully`.
    """
    fold, poison = fold_page(projection, page, parked)
    apply(connection, fold, generation.number, copies)
    park(connection, generation, poison)
    return poison


def apply_carefully(
    connection: Connection[Any],
    projection: Projection,
    generation: Generation,
    page: Sequence[Recorded],
    parked: Skipped,
    copies: bool = True,
) -> list[Poison]:
    """The same within savepoints: halves the page until the event that PostgreSQL refuses stands alone."""
    try:
        with connection.transaction():
            return apply_page(connection, projection, generation, page, parked, copies)
    except CopyRefused:
        return apply_carefully(connection, projection, generation, page, parked, copies=False)
    except Exception as error:
        if not is_about_the_event(error) or connection.closed:
            raise
        if len(page) == 1:
            poison = [poison_of(page[0], error)]
            park(connection, generation, poison)
            return poison
    half = len(page) // 2
    first = apply_carefully(connection, projection, generation, page[:half], parked, copies)
    rest = also(parked, first)
    return first + apply_carefully(connection, projection, generation, page[half:], rest, copies)


Done = TypeVar("Done")


def carefully(connection: Connection[Any], work: Callable[[Applying], Done]) -> Done:
    """Quickly at first; if an event is refused, once more with care, so that it is found and parked."""
    try:
        return work(apply_page)
    except Exception as error:
        if connection.closed or not is_about_the_event(error):
            raise
    return work(apply_carefully)


def also(parked: Skipped, poison: Iterable[Poison]) -> Skipped:
    return {**{(each.shard, each.conversation_id): each.position for each in poison}, **parked}


def park(connection: Connection[Any], generation: Generation, poison: Iterable[Poison]) -> None:
    for each in poison:
        given = {
            "shard": each.shard,
            "conversation_id": each.conversation_id,
            "position": each.position,
            "error": each.error,
            "now": datetime.now(UTC),
        }
        connection.execute(PARK, named(generation) | given)


def skipped(connection: Connection[Any], generation: Generation, shards: Iterable[int]) -> Skipped:
    return skipped_of(connection.execute(PARKED, named(generation) | {"shards": list(shards)}))


def skipped_of(rows: Iterable[tuple[Any, ...]]) -> Skipped:
    """From rows of PARKED."""
    return {(shard, conversation_id): position for shard, conversation_id, position in rows}


def waiting(connection: Connection[Any], shards: Sequence[int]) -> list[Parked]:
    """What is parked of these shards in what is read now, and waits for somebody."""
    with connection.cursor(row_factory=class_row(Parked)) as cursor:
        return sorted(cursor.execute(LIST, {"aside": ASIDE, "shards": list(shards)}), key=in_order)


def in_order(parked: Parked) -> tuple[Any, ...]:
    return parked.projection, parked.generation, parked.shard, parked.conversation_id
