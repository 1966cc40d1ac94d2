"""Which builds of each projection there are, and which of them is read."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from msgspec import Struct
from psycopg import Connection, errors, sql
from psycopg.rows import class_row, scalar_row

from projections.log import Log
from projections.projection import Projection
from projections.rows.tables import Table

Stage = Literal["building", "live", "retired"]

ALONE: Final = "LOCK TABLE generations IN SHARE ROW EXCLUSIVE MODE"

FIND: Final = """
    SELECT projection, generation AS number, version, stage
    FROM generations
    WHERE projection = %(projection)s AND version = %(version)s AND stage = %(stage)s
    ORDER BY generation DESC
"""

ALL: Final = """
    SELECT projection, generation AS number, version, stage
    FROM generations
    ORDER BY projection, generation
"""

ADD: Final = """
    INSERT INTO generations (projection, generation, version, stage, started_at)
    SELECT %(projection)s, COALESCE(max(generation), 0) + 1, %(version)s, %(stage)s, %(now)s
    FROM generations
    WHERE projection = %(projection)s
    RETURNING projection, generation AS number, version, stage
"""

START: Final = """
    INSERT INTO checkpoints (shard, projection, generation, position)
    SELECT l.shard, %(projection)s, %(number)s, %(position)s
    FROM lanes AS l
    WHERE l.shard = ANY(%(shards)s::smallint[])
"""

RETIRE: Final = """
    UPDATE generations SET stage = 'retired'
    WHERE projection = %(projection)s AND version = %(version)s AND stage = 'live'
    RETURNING projection, generation AS number, version, stage
"""

GO_LIVE: Final = """
    UPDATE generations SET stage = 'live'
    WHERE projection = %(projection)s AND generation = %(number)s
"""

FORGET: Final = "DELETE FROM {} WHERE projection = %(projection)s AND generation = %(number)s"

NAME: Final = """
    INSERT INTO build_tables (name, projection, generation) VALUES (%(name)s, %(projection)s, %(number)s)
"""

TABLES: Final = """
    SELECT name FROM build_tables WHERE projection = %(projection)s AND generation = %(number)s
    UNION
    SELECT relname::text FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND obj_description(oid, 'pg_class') = %(comment)s
"""


WAIT_NO_LONGER: Final = "SET LOCAL lock_timeout = {}"
"""On the nodes of a cluster too, to which no other way of setting it is passed on."""


class Generation(Struct, frozen=True):
    """One physical build of a projection: its tables end in `_g<number>`."""

    projection: str
    number: int
    version: str
    stage: Stage

    @property
    def comment(self) -> str:
        """What the tables say of themselves to people, and to processes of the version before this one."""
        return f"projection {self.projection}, generation {self.number}"


def live(connection: Connection[Any], projection: Projection) -> Generation | None:
    """The build that this code reads and writes; other versions of the code have their own."""
    return find(connection, projection, "live")


def building(connection: Connection[Any], projection: Projection) -> Generation | None:
    """A build of this version that was begun and is not done."""
    return find(connection, projection, "building")


def find(connection: Connection[Any], projection: Projection, stage: Stage) -> Generation | None:
    given = {"projection": projection.name, "version": projection.version, "stage": stage}
    with connection.cursor(row_factory=class_row(Generation)) as cursor:
        return cursor.execute(FIND, given).fetchone()


def every(connection: Connection[Any]) -> list[Generation]:
    with connection.cursor(row_factory=class_row(Generation)) as cursor:
        return cursor.execute(ALL).fetchall()


def not_built(connection: Connection[Any], projections: Iterable[Projection]) -> list[Projection]:
    """The projections that a replay has to build before this code can read them."""
    return [projection for projection in projections if live(connection, projection) is None]


def install(connection: Connection[Any], projections: Iterable[Projection], log: Log) -> list[Projection]:
    """Builds at once what an empty log allows; gives back what needs a replay.

    The lanes are locked before the log is looked at for the last time: a first append that came between
    would be in no projection. Lanes before `generations`, as in a switch, or the two wait for each other.
    """
    missing = not_built(connection, projections)
    if not missing or not is_empty(connection, log):
        return missing
    with connection.transaction():
        shards = log.shards(connection)
        log.lock(connection, shards)
        connection.execute(ALONE)
        missing = not_built(connection, missing)
        if not is_empty(connection, log):
            return missing
        for projection in missing:
            create(connection, projection, log, "live")
    return []


def is_empty(connection: Connection[Any], log: Log) -> bool:
    return not any(log.heads(connection).values())


def create(connection: Connection[Any], projection: Projection, log: Log, stage: Stage) -> Generation:
    """A build that is live at once has all its indexes; any other gets them when it has its rows.

    Only the primary keys of small tables are there from the start: their rows are changed during the build.
    """
    with connection.transaction():
        connection.execute(ALONE)
        generation = add(connection, projection, stage)
        for table in projection.tables:
            connection.execute(table.create(generation.number))
            log.place(connection, table.named(generation.number))
            connection.execute(NAME, named(generation) | {"name": table.named(generation.number)})
            name = table.physical(generation.number)
            comment = sql.SQL("COMMENT ON TABLE {} IS {}").format(name, sql.Literal(generation.comment))
            connection.execute(comment)
            for at, statement in enumerate(table.index(generation.number)):
                if stage == "live" or (is_held(table) and at == 0):
                    connection.execute(statement)
        position = None if stage == "live" and projection.with_append else 0
        for lane in log.lanes(connection):
            connection.execute(START, named(generation) | {"shards": lane, "position": position})
    return generation


def is_held(table: Table) -> bool:
    """Whether a build holds the table's rows in memory for a while, and changes stored ones by their key."""
    return table.small or bool(table.sums)


def add(connection: Connection[Any], projection: Projection, stage: Stage) -> Generation:
    given = {
        "projection": projection.name,
        "version": projection.version,
        "stage": stage,
        "now": datetime.now(UTC),
    }
    with connection.cursor(row_factory=class_row(Generation)) as cursor:
        generation = cursor.execute(ADD, given).fetchone()
    if generation is None:
        raise RuntimeError(f"no generation of {projection.name} was added")
    return generation


def switch(connection: Connection[Any], generation: Generation) -> Generation | None:
    """Makes a build the one that is read, in the caller's transaction; gives back the one that was.

    The checkpoints of the older one go in the same transaction: whoever still reads it looks for them in the
    query that reads, and so learns at once that it is to look again for the live one.
    """
    with connection.cursor(row_factory=class_row(Generation)) as cursor:
        older = cursor.execute(RETIRE, named(generation)).fetchone()
    if older is not None:
        forget(connection, older)
    connection.execute(GO_LIVE, named(generation))
    return older


def forget(connection: Connection[Any], generation: Generation) -> None:
    """Its checkpoints and what was noted beside them; the tables are dropped later."""
    for table in ("checkpoints", "parked", "deferred"):
        connection.execute(sql.SQL(FORGET).format(sql.Identifier(table)), named(generation))


def drop(
    connection: Connection[Any], generation: Generation, attempts: int = 5, patience: str = "2s"
) -> bool:
    """Drops the tables, if no reader holds them for long; otherwise the next replay does it."""
    for _ in range(attempts):
        try:
            with connection.transaction():
                wait_no_longer(connection, patience)
                drop_now(connection, generation)
        except errors.LockNotAvailable:
            continue
        return True
    return False


def wait_no_longer(connection: Connection[Any], patience: str) -> None:
    """For a lock, until the transaction ends."""
    connection.execute(sql.SQL(WAIT_NO_LONGER).format(sql.Literal(patience)))


def drop_now(connection: Connection[Any], generation: Generation) -> None:
    with connection.cursor(row_factory=scalar_row) as cursor:
        tables = cursor.execute(TABLES, named(generation) | {"comment": generation.comment}).fetchall()
    for table in tables:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))
    forget(connection, generation)
    for table in ("build_tables", "generations"):
        connection.execute(sql.SQL(FORGET).format(sql.Identifier(table)), named(generation))


def drop_retired(connection: Connection[Any], projection: Projection) -> list[Generation]:
    """What earlier replays left. For who has the guard only: a check under way has such a generation."""
    return drop_all(connection, lambda each: each.projection == projection.name and each.stage == "retired")


def prune(connection: Connection[Any], projections: Iterable[Projection]) -> list[Generation]:
    """Drops what other versions of the code left: only once no process of them runs any more."""
    versions = {(projection.name, projection.version) for projection in projections}
    return drop_all(connection, lambda each: (each.projection, each.version) not in versions)


def drop_all(connection: Connection[Any], unwanted: Callable[[Generation], bool]) -> list[Generation]:
    """Gives back what was dropped."""
    return [each for each in every(connection) if unwanted(each) and drop(connection, each)]


def named(generation: Generation) -> dict[str, Any]:
    return {"projection": generation.projection, "number": generation.number, "version": generation.version}
