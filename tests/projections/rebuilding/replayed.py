"""A projection that can be made to fail, a log to project, and a look at what became of it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar
from uuid import UUID, uuid5

from msgspec import Struct
from psycopg import Connection

from domain.events import (
    ConversationErased,
    ConversationRenamed,
    ConversationStarted,
    Event,
    MessageAdded,
    MessageRated,
    MessageRemoved,
)
from domain.recorded import Recorded
from projections.generations import Generation, every, install, live
from projections.projection import Projection, fold
from projections.rows.apply import apply
from projections.rows.changes import Change, Delete, Insert, Tally, Update
from projections.rows.tables import Small, Table
from service.store.connections import Database
from service.store.log import DatabaseLog
from service.store.store import Store, shard_of
from tests.cluster import TOPOLOGY
from tests.conftest import SHARDS
from tests.service.store.appending import asked, rows, said, storing

LOG = DatabaseLog(TOPOLOGY)
SPACE = UUID(int=1)


class Line(Struct):
    shard: Small
    conversation_id: UUID
    message_id: str
    words: str
    rating: str | None = None


class Title(Struct):
    shard: Small
    conversation_id: UUID
    title: str | None
    messages: int


class Count(Struct):
    shard: Small
    user_id: str
    messages: int


LINES = Table(name="lines", row=Line, key=("shard", "conversation_id", "message_id"))
TITLES = Table(
    name="titles", row=Title, key=("shard", "conversation_id"), small=True, indexes=("(shard, title)",)
)
COUNTS = Table(name="counts", row=Count, key=("shard", "user_id"), sums=("messages",), small=True)


class Poisonous(Exception):
    """The projection's code gives up."""


class Words:
    """Fails on messages with `poison` in them, unless it is cured; PostgreSQL refuses those with NUL."""

    name: ClassVar[str] = "words"
    with_append: ClassVar[bool] = False
    tables: tuple[Table, ...] = (LINES, TITLES, COUNTS)

    def __init__(self, version: str = "1", cured: bool = False) -> None:
        self.version = version
        self.cured = cured

    def changes(self, recorded: Recorded) -> Iterable[Change]:
        key = (recorded.shard, recorded.conversation_id)
        match recorded.event:
            case ConversationStarted(title=title):
                yield Insert(TITLES, Title(*key, title, 0))
            case ConversationRenamed(title=title):
                yield Update(TITLES, key, put={"title": title})
            case MessageAdded(message_id=message_id, content=content):
                yield Tally(COUNTS, Count(recorded.shard, recorded.user_id or "", 1))
                yield Update(TITLES, key, add={"messages": 1})
                if "poison" in content and not self.cured:
                    raise Poisonous(content)
                yield Insert(
                    LINES, Line(*key, message_id, content.replace("\0", "") if self.cured else content)
                )
            case MessageRated(message_id=message_id, rating=rating):
                yield Update(LINES, (*key, message_id), put={"rating": rating})
            case MessageRemoved(message_id=message_id):
                yield Delete(LINES, (*key, message_id))
                yield Update(TITLES, key, add={"messages": -1})
            case ConversationErased():
                yield Delete(LINES, key)
                yield Delete(TITLES, key)


class WordsAtOnce(Words):
    with_append: ClassVar[bool] = True


class Other(Words):
    name: ClassVar[str] = "other"
    tables: tuple[Table, ...] = (
        Table(name="other_titles", row=Title, key=("shard", "conversation_id"), small=True),
    )

    def changes(self, recorded: Recorded) -> Iterable[Change]:
        if isinstance(recorded.event, ConversationStarted):
            key = (recorded.shard, recorded.conversation_id)
            yield Insert(self.tables[0], Title(*key, recorded.event.title, 0))


class Spoken:
    """A user's conversation and what was said in it."""

    def __init__(self, number: int) -> None:
        self.user_id = f"user {number}"
        self.id = uuid5(SPACE, self.user_id)
        self.shard = shard_of(self.user_id, SHARDS)


UNTOLD = (
    """
CREATE FUNCTION is_taken(message_id text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF message_id = 'bad' AND current_query() LIKE 'COPY%' THEN
        RAISE 'no word of why' USING ERRCODE = 'XX000';
    END IF;
    RETURN message_id <> 'bad';
END $$""",
    "ALTER TABLE lines_g1 ADD CONSTRAINT taken CHECK (is_taken(message_id))",
)


def refuse_without_a_word(dsn: str) -> None:
    """The message `bad`; where it is copied no reason is told, as none is of any COPY on a cluster."""
    with connected(dsn) as connection:
        for statement in UNTOLD:
            connection.execute(statement.encode())


def spoken(count: int) -> list[Spoken]:
    return [Spoken(number) for number in range(count)]


def say(store: Store, conversation: Spoken, *events: Event) -> int:
    """Where the last of the events is in its shard."""
    append = asked(store, conversation.id, events, user_id=conversation.user_id)
    return store.append_blocking(append).position


def talk(dsn: str, conversations: Sequence[Spoken], messages: int = 5, **more: Any) -> None:
    """Each is started, then each gets a message, then each the next; ratings come late, one is removed."""
    with storing(dsn, **more) as store:
        for each in conversations:
            say(store, each, ConversationStarted(title="first"))
        for number in range(messages):
            for each in conversations:
                say(store, each, said(f"words {number}", f"m{number}"))
        for each in conversations:
            more_said = said("and more", "last"), ConversationRenamed(title="second")
            say(store, each, MessageRated("m0", "up"), *more_said, MessageRemoved("m1"))


def built(dsn: str, *projections: Projection) -> list[Generation]:
    """On an empty log: live at once."""
    with connected(dsn) as connection:
        install(connection, projections, LOG)
        return [generation for each in projections if (generation := live(connection, each))]


@contextmanager
def connected(dsn: str) -> Iterator[Connection[Any]]:
    with Database.open(dsn).connect("test") as connection:
        yield connection


def connecting(dsn: str) -> partial[Connection[Any]]:
    return partial(Database.open(dsn).connect, "test")


def generations(dsn: str) -> list[Generation]:
    with connected(dsn) as connection:
        return every(connection)


def lanes(dsn: str) -> list[list[int]]:
    with connected(dsn) as connection:
        return LOG.lanes(connection)


def positions(dsn: str, generation: Generation) -> dict[int, int | None]:
    query = "SELECT shard, position FROM checkpoints WHERE projection = %s AND generation = %s"
    return dict(rows(dsn, query, generation.projection, generation.number))


def contents(dsn: str, projection: Projection, number: int) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables of a build, in the order of their keys."""
    return {
        table.name: rows(dsn, f"SELECT * FROM {table.name}_g{number} ORDER BY {', '.join(table.key)}")  # noqa: S608
        for table in projection.tables
    }


def wanted(dsn: str, projection: Projection) -> dict[str, list[tuple[Any, ...]]]:
    """The same, as a plain fold of the whole log in one go has it."""
    with connected(dsn) as connection, connection.transaction(force_rollback=True):
        number = 99
        for table in projection.tables:
            connection.execute(table.create(number))
            for statement in table.index(number):
                connection.execute(statement)
        for shard in LOG.shards(connection):
            apply(connection, fold(projection, LOG.page(connection, shard, 0, 100_000)), number)
        return {
            table.name: connection.execute(
                f"SELECT * FROM {table.name}_g{number} ORDER BY {', '.join(table.key)}".encode()  # noqa: S608
            ).fetchall()
            for table in projection.tables
        }


def tables_there(dsn: str) -> set[str]:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'hansard'::regnamespace AND relname ~ '_g[0-9]+$'"
    )
    return {name for (name,) in rows(dsn, query)}
