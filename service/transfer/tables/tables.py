"""The tables in which applications kept their conversations before, read as they stand.

A user's conversations come in the order in which they were last active, each with its messages in order; no
more than one of them is in memory at a time.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid5

from psycopg import Connection
from psycopg.rows import class_row

from domain.content import LIMITS, Limits, check_name
from domain.errors import ContentRefused, Refusal
from domain.events import MessageAdded
from service.store.names import as_id
from service.transfer.beginnings import own_id
from service.transfer.chatgpt.conversations import UUID_TEXT, shortened
from service.transfer.incoming import Incoming, Skipped
from service.transfer.tables.conversation import TableConversation, zone_of
from service.transfer.tables.mapping import MessagesTable, as_toml, resolved
from service.transfer.tables.query import query_of
from service.transfer.tables.rows import SourceRow
from service.transfer.tables.source import naming_errors

CONVERSATIONS: Final = UUID("b8c1f0a4-2a57-4c53-8c0b-3d2f7a64e9d5")
"""The name space of the ids that conversations get which bring none that can be kept."""
AT_ONCE: Final = 2_000
SHOWN: Final = 5
"""How much a dry run shows."""


class Tables:
    def __init__(
        self,
        connection: Connection[Any],
        given: MessagesTable,
        user_id: str | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        """The user is whose the rows are of which no column says it."""
        with naming_errors():
            self.known = resolved(connection, given)
        self._connection = connection
        self._query = query_of(self.known)
        self._user_id = user_id
        self._limits = limits
        self._zone = zone_of(self.known)

    def conversations(self) -> Iterator[Incoming | Skipped]:
        for (user_id, name, first), rows in groupby(self._rows(), key=whose):
            owner = user_id or self._user_id
            if owner is not None:
                conversation_id = self._id(owner, name, user_id == first)
                yield from self._conversation(owner, name, conversation_id, rows)
                continue
            for row in rows:
                yield self._skipped(row, "nothing says whose it is; --user can")

    def events(self) -> int:
        """About as many as will come of it."""
        messages, _, conversations = self._counts()
        return messages + conversations

    def dry_run(self) -> Iterator[str]:
        """The mapping, which can be saved, changed and given; and as comments what would come of it."""
        yield from as_toml(self.known)
        messages, users, conversations = self._counts()
        yield ""
        yield f"# {messages:,} messages in {conversations:,} conversations of {users:,} users, such as:"
        for each in self._first():
            yield f"# {each}"

    def _counts(self) -> tuple[int, int, int]:
        with naming_errors():
            found = self._connection.execute(self._query.counts).fetchone()
        messages, users, conversations = found or (0, 0, 0)
        return messages, users, conversations

    def _first(self) -> Iterator[str]:
        shown = 0
        for each in self.conversations():
            if isinstance(each, Skipped):
                shown += 1
                yield f"{each.where}: {each.what}: {each.why}"
            else:
                for time, event in each.events[: SHOWN - shown + 1]:
                    if isinstance(event, MessageAdded):
                        shown += 1
                        said = f"{event.role}: {shortened(event.content)!r}"
                        yield f"{time:%Y-%m-%d %H:%M:%S} {each.user_id}, {said}"
            if shown >= SHOWN:
                return

    def _rows(self) -> Iterator[SourceRow]:
        with naming_errors(), self._connection.cursor("rows", row_factory=class_row(SourceRow)) as cursor:
            cursor.itersize = AT_ONCE
            yield from cursor.execute(self._query.rows)

    def _conversation(
        self, user_id: str, name: str | None, conversation_id: UUID, rows: Iterable[SourceRow]
    ) -> Iterator[Incoming | Skipped]:
        thread_id = self._thread_id(name) or str(conversation_id)
        told = TableConversation(user_id, name, thread_id, self.known, self._zone, self._limits)
        for row in rows:
            try:
                told.take(row)
            except Refusal as unfit:
                yield self._skipped(row, str(unfit))
        where = f"{self.known.table}: {f'conversation {name}' if name else f'user {user_id}'}"
        try:
            events = told.events()
        except Refusal as unfit:
            yield Skipped(where, f"{len(told.messages):,} messages", str(unfit))
            return
        if events:
            yield Incoming(user_id, conversation_id, events, where=where)

    def _id(self, user_id: str, name: str | None, first: bool) -> UUID:
        """As it was, if it is a UUID. Where several users have the same, it is hers who came first."""
        if name and UUID_TEXT.fullmatch(name):
            return UUID(name) if first else own_id(UUID(name), user_id)
        return uuid5(
            CONVERSATIONS, "\0".join((self.known.source or "", self.known.table or "", user_id, name or ""))
        )

    def _thread_id(self, name: str | None) -> str | None:
        """Threads keep the ids that they were given, as names; what is written as an id is none."""
        if name is None or as_id(name) is not None:
            return None
        try:
            check_name("name", name, self._limits.name)
        except ContentRefused:
            return None
        return name

    def _skipped(self, row: SourceRow, why: str) -> Skipped:
        what = f"row {row.id}" if row.id is not None else f"conversation {row.conversation}"
        return Skipped(self.known.table or "", what, why)


def whose(row: SourceRow) -> tuple[str | None, str | None, str | None]:
    return row.user_id, row.conversation, row.first_user
