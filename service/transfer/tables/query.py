"""The statements that read somebody's own tables; every name in them is quoted by the driver."""

from typing import Final

from msgspec import Struct
from psycopg import sql

from service.transfer.tables.mapping import MessagesTable, identifier

# Conversations without messages are there too, and messages whose conversation is missing.
BOTH: Final = sql.SQL("{} AS m FULL JOIN {} AS c ON {} = {}")
MESSAGES: Final = sql.SQL(
    """
SELECT {user} AS user_id, {conversation} AS conversation, {id} AS id, {own_user} AS own_user, {role} AS role,
    {content} AS content, {time} AS time, {is_fortune} AS is_fortune, {metadata} AS metadata,
    {payload} AS payload, {links} AS links, {title} AS title, {began} AS began, {about} AS about,
    {thread} AS thread, {active} AS active, {ended} AS ended, {their_links} AS their_links,
    first_value({user}) OVER (
        PARTITION BY {conversation} ORDER BY {time} NULLS FIRST, {id_itself}) AS first_user
FROM {tables}
ORDER BY user_id, max({time}) OVER (PARTITION BY {user}, {conversation}) NULLS FIRST, conversation,
    {order} NULLS FIRST, {time} NULLS FIRST, {id_itself}"""
)
COUNTS: Final = sql.SQL(
    """
SELECT count({id_itself}), count(DISTINCT {user}), count(DISTINCT ({user}, {conversation})) FROM {tables}"""
)
NOTHING: Final = sql.SQL("NULL::text")


class SourceQuery(Struct, frozen=True):
    rows: sql.Composed
    counts: sql.Composed


def query_of(known: MessagesTable) -> SourceQuery:
    parts = parts_of(known)
    return SourceQuery(MESSAGES.format(**parts), COUNTS.format(**parts))


def parts_of(known: MessagesTable) -> dict[str, sql.Composable]:
    theirs = known.conversations
    conversation, own_user = text("m", known.conversation), text("m", known.user)
    user, tables = own_user, named(known.table, "m")
    if theirs.table:
        tables = BOTH.format(
            identifier(known.table or ""), identifier(theirs.table), conversation, text("c", theirs.id)
        )
        user = either(text("c", theirs.user), own_user)
        conversation = either(conversation, text("c", theirs.id))
    return {
        "tables": tables,
        "user": user,
        "own_user": own_user,
        "conversation": conversation,
        "id": text("m", known.id),
        "id_itself": column("m", known.id),
        "role": text("m", known.role),
        "content": column("m", known.content),
        "time": column("m", known.time),
        "order": column("m", known.order or known.time),
        "is_fortune": column("m", known.is_fortune),
        "metadata": column("m", known.metadata),
        "payload": column("m", known.payload),
        "links": array("m", known.links),
        "title": text("c", theirs.title),
        "began": column("c", theirs.time),
        "about": column("c", theirs.metadata),
        "thread": column("c", theirs.payload),
        "active": column("c", theirs.active),
        "ended": column("c", theirs.ended),
        "their_links": array("c", theirs.links),
    }


def named(table: str | None, alias: str) -> sql.Composed:
    return sql.SQL("{} AS {}").format(identifier(table or ""), sql.Identifier(alias))


def column(table: str, name: str | None) -> sql.Composable:
    return sql.Identifier(table, name) if name else NOTHING


def text(table: str, name: str | None) -> sql.Composable:
    return sql.SQL("{}::text").format(sql.Identifier(table, name)) if name else NOTHING


def either(one: sql.Composable, other: sql.Composable) -> sql.Composed:
    return sql.SQL("COALESCE({}, {})").format(one, other)


def array(table: str, columns: dict[str, str] | None) -> sql.Composed:
    names = [text(table, name) for name in (columns or {}).values()]
    return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(names))
