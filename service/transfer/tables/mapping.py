"""Which column of somebody's own table is what: guessed from the columns there are, or as a file says."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace
from psycopg import Connection, sql

from domain.errors import Refusal

Table = TypeVar("Table", "MessagesTable", "ConversationsTable")

TABLES: Final = ("chat_messages", "chat_message", "chatkit_thread_items")

# What a column is called that means this, the likeliest first.
OF_MESSAGES: Final[Mapping[str, Sequence[str]]] = {
    "id": ("id", "message_id", "item_id", "uuid"),
    "user": ("user_id", "owner_id", "owner", "user", "username"),
    "conversation": ("conversation_id", "thread_id", "session_id", "chat_id"),
    "role": ("role", "sender", "author"),
    "content": ("content", "message", "text", "body"),
    "time": ("created_at", "timestamp", "created", "inserted_at", "sent_at", "time"),
    "order": ("sequence", "seq", "position", "order_index"),
    "is_fortune": ("is_fortune",),
    "metadata": ("metadata", "meta", "message_metadata", "extra"),
    "payload": ("payload", "item", "data"),
}
OF_CONVERSATIONS: Final[Mapping[str, Sequence[str]]] = {
    "id": ("id", "conversation_id", "thread_id", "session_id"),
    "user": ("user_id", "owner_id", "owner", "user", "username"),
    "title": ("title", "name", "subject"),
    "time": ("created_at", "started_at", "timestamp", "created", "inserted_at"),
    "metadata": ("metadata", "session_data", "meta", "extra"),
    "payload": ("payload", "thread", "data"),
    "active": ("is_active", "active"),
    "ended": ("ended_at", "closed_at"),
}
LINKS: Final[Mapping[str, Sequence[str]]] = {"opportunity": ("opportunity_id", "active_opportunity_id")}
"""Kinds of links, and the columns that hold whereto."""
THEIR_CONVERSATIONS: Final[Mapping[str, Sequence[str]]] = {
    "chat_messages": ("chat_sessions", "sessions", "conversations"),
    "chat_message": ("conversation", "conversations", "chat_session"),
    "chatkit_thread_items": ("chatkit_threads", "chatkit_thread"),
}

COLUMNS: Final = """
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""


class BadMapping(Refusal):
    """{what}."""


class ConversationsTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table with a row a conversation. As for MessagesTable: None is to be guessed, empty is none."""

    table: str | None = None
    id: str | None = None
    user: str | None = None
    title: str | None = None
    time: str | None = None
    metadata: str | None = None
    payload: str | None = None
    active: str | None = None
    ended: str | None = None
    links: dict[str, str] | None = None


class MessagesTable(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table with a row a message: names of its columns."""

    table: str | None = None
    source: str | None = None
    """What tells it from other tables of this name; ids are made of it. The database's name if not given."""
    zone: str = "UTC"
    """Of times that have none."""
    id: str | None = None
    user: str | None = None
    conversation: str | None = None
    role: str | None = None
    content: str | None = None
    time: str | None = None
    order: str | None = None
    is_fortune: str | None = None
    metadata: str | None = None
    payload: str | None = None
    links: dict[str, str] | None = None
    roles: dict[str, str] = {}
    """What their roles are: user, assistant, system or tool."""
    conversations: ConversationsTable = ConversationsTable(table="")


def mapping_from(file: Path | None, table: str | None) -> MessagesTable:
    given = read(file) if file is not None else MessagesTable(conversations=ConversationsTable())
    if table is not None and given.table not in (None, table):
        raise BadMapping(
            what=f"{file} is for the table {given.table}, not for {table}; leave one of them out"
        )
    return replace(given, table=given.table or table)


def read(file: Path) -> MessagesTable:
    try:
        text = file.read_text("utf-8")
        found = msgspec.json.decode(text) if file.suffix == ".json" else tomllib.loads(text)
        found.setdefault("conversations", {})
        return msgspec.convert(found, MessagesTable)
    except OSError as unread:
        raise BadMapping(what=f"{file} cannot be read: {unread.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError, AttributeError) as broken:
        raise BadMapping(
            what=f"{file} is no mapping, which is TOML (or JSON, named .json): {broken}"
        ) from None


def resolved(connection: Connection[Any], given: MessagesTable) -> MessagesTable:
    """With everything that was not said found out; every column in it is there."""
    table = given.table or the_table(connection)
    columns = columns_of(connection, table)
    known = completed(replace(given, table=table), columns, OF_MESSAGES)
    theirs = conversations_of(connection, known)
    if not known.source:
        known = replace(known, source=connection.info.dbname)
    must_be_enough(replace(known, conversations=theirs))
    return replace(known, conversations=theirs)


def the_table(connection: Connection[Any]) -> str:
    there = [table for table in TABLES if columns_of(connection, table, must_be=False)]
    match there:
        case [table]:
            return table
        case []:
            raise BadMapping(what=f"there is none of {', '.join(TABLES)}; name the table with --table")
        case _:
            raise BadMapping(what=f"{' and '.join(there)} are both there; name one with --table")


def conversations_of(connection: Connection[Any], known: MessagesTable) -> ConversationsTable:
    """The table of conversations, if the messages have a column that leads there."""
    theirs = known.conversations
    table = theirs.table
    if table is None:
        likely = THEIR_CONVERSATIONS.get(str(known.table).rpartition(".")[2], ())
        there = (each for each in likely if columns_of(connection, each, must_be=False))
        table = next(there, "") if known.conversation else ""
    if not table:
        return ConversationsTable(table="", links={})
    if not known.conversation:
        raise BadMapping(
            what=f"{table} was named, but no column `conversation` of {known.table} that leads there"
        )
    return completed(replace(theirs, table=table), columns_of(connection, table), OF_CONVERSATIONS)


def columns_of(connection: Connection[Any], table: str, must_be: bool = True) -> list[str]:
    name = {"table": identifier(table).as_string(connection)}
    found = [column for (column,) in connection.execute(COLUMNS, name).fetchall()]
    if must_be and not found:
        raise BadMapping(what=f"there is no table {table}")
    return found


def identifier(name: str) -> sql.Identifier:
    """A table may be named with its schema."""
    return sql.Identifier(*name.split("."))


def completed(known: Table, columns: Sequence[str], likely: Mapping[str, Sequence[str]]) -> Table:
    """With the columns that were not named guessed, and those that were named found."""
    named: dict[str, Any] = {}
    for field, names in likely.items():
        column = getattr(known, field)
        if column is None:
            column = next((name for name in names if name in columns), "")
        named[field] = must_be_there(known, field, column, columns)
    if known.links is None:
        guesses = (
            (kind, next((each for each in names if each in columns), "")) for kind, names in LINKS.items()
        )
        return replace(known, **named, links={kind: column for kind, column in guesses if column})
    for kind, column in known.links.items():
        must_be_there(known, f"links.{kind}", column, columns)
    return replace(known, **named)


def must_be_there(known: Table, field: str, column: str, columns: Sequence[str]) -> str:
    if column and column not in columns:
        there = ", ".join(columns)
        raise BadMapping(what=f"{field} is to be the column {column}, but {known.table} has only {there}")
    return column


def must_be_enough(known: MessagesTable) -> None:
    missing = []
    if not known.id:
        missing.append("id")
    if not known.payload:
        missing += [name for name in ("role", "content") if not getattr(known, name)]
    if missing:
        raise BadMapping(
            what=f"it is not clear which column of {known.table} is {' and which is '.join(missing)}; "
            "say so in a --mapping"
        )


def as_toml(known: MessagesTable) -> Iterator[str]:
    """Can be saved, changed, and given as the mapping."""
    tables = []
    for name, value in asdict(known).items():
        if isinstance(value, str):
            yield f"{name} = {msgspec.json.encode(value).decode()}"
        else:
            tables.append((name, asdict(value) if isinstance(value, Struct) else value))
    for name, table in tables:
        yield from toml_table(name, table)


def toml_table(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    inner = [(key, value) for key, value in table.items() if isinstance(value, dict)]
    if len(table) > len(inner):
        yield f"[{name}]"
    for key, value in table.items():
        if isinstance(value, str):
            yield f"{msgspec.json.encode(key).decode()} = {msgspec.json.encode(value).decode()}"
    for key, value in inner:
        yield from toml_table(f"{name}.{key}", value)
