"""The words again, so that they can be searched: a row a message, and an index over all of them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import ClassVar, Final, Literal
from uuid import UUID

from msgspec import Struct

from domain.events import (
    ConversationAnonymised,
    ConversationErased,
    MessageAdded,
    MessageRemoved,
    MessageRevised,
)
from domain.message import SHOWN
from domain.recorded import Recorded
from projections.reading.view import Query, View
from projections.rows.changes import Change, Delete, Insert, Update
from projections.rows.tables import Small, Table

LONGEST_TEXT: Final = 100_000
MOST_BYTES: Final = 250_000
"""A tsvector holds a megabyte, and some words get into it twice: alone and as part of a compound."""
LONGEST_USER: Final = 400
BEGIN: Final = "\x02"
END: Final = "\x03"
"""Around what was found. They are taken out of every text, so that nobody can write them."""
LESS: Final = "\x04"
"""Stands for `<`, after which PostgreSQL would see a tag, and neither find nor show what is in it."""
PLAIN: Final = (("\0", " "), (BEGIN, " "), (END, " "), (LESS, " "), ("<", LESS))
"""What takes the place of what, one after the other."""


class Row(Struct, gc=False):
    shard: Small
    conversation_id: UUID
    message_id: str
    position: int
    user_id: str
    role: str
    recorded_at: datetime
    content: str


def table(language: str) -> Table:
    return Table(
        name="search",
        row=Row,
        key=("shard", "conversation_id", "message_id"),
        # Not the shard first: the planner would read a shard of the key to narrow down what the words found.
        primary=("conversation_id", "message_id", "shard"),
        # The user is a word of each message too, so that one index finds "this word of this user", which is
        # quick however often others use the word. It begins with a blank, as no word of a text does.
        computed=(
            f"words tsvector GENERATED ALWAYS AS (to_tsvector('{language}', content)"
            f" || array_to_tsvector(ARRAY[' ' || left(user_id, {LONGEST_USER})])) STORED",
        ),
        # Without fastupdate, since what waits in its list is read by every search.
        indexes=("USING gin (words) WITH (fastupdate = off)",),
    )


class Search:
    """Every message has a row, if only an empty one: a revision may give words to what had none."""

    name: ClassVar[str] = "search"
    with_append: ClassVar[bool] = False

    def __init__(self, language: str = "simple") -> None:
        """The language is the name of one of PostgreSQL's text search configurations."""
        if not re.fullmatch("[a-z_]+", language):
            raise ValueError(f"{language!r} is no name of a text search configuration")
        self.language = language
        self.version = f"2-{language}"
        self.table = table(language)
        self.tables: tuple[Table, ...] = (self.table,)

    def changes(self, recorded: Recorded) -> tuple[Change, ...]:
        shard, conversation_id = recorded.shard, recorded.conversation_id
        match recorded.event:
            case MessageAdded() as added:
                return (Insert(self.table, row(recorded, added)),)
            case MessageRevised(message_id=message_id) as revised:
                key = (shard, conversation_id, message_id)
                return (Update(self.table, key, put={"content": found_in(revised)}),)
            case MessageRemoved(message_id=message_id):
                return (Delete(self.table, (shard, conversation_id, message_id)),)
            case ConversationAnonymised():
                put = {"user_id": recorded.user_id or ""}
                return (Update(self.table, (shard, conversation_id), put=put),)
            case ConversationErased():
                return (Delete(self.table, (shard, conversation_id)),)
        return ()


def row(recorded: Recorded, added: MessageAdded) -> Row:
    """By place, which takes half the time that names do."""
    return Row(
        recorded.shard,
        recorded.conversation_id,
        added.message_id,
        recorded.position,
        recorded.user_id or "",
        added.role,
        recorded.recorded_at,
        found_in(added),
    )


def found_in(message: MessageAdded | MessageRevised) -> str:
    """Nobody finds what only the server sees."""
    return searchable(message.content) if message.kind in SHOWN else ""


def searchable(content: str) -> str:
    """What of a text can be found: nearly always all of it."""
    text = plain(content[:LONGEST_TEXT])
    if len(text) * 4 <= MOST_BYTES or text.isascii():
        return text
    return text.encode()[:MOST_BYTES].decode(errors="ignore")


def plain(text: str) -> str:
    """Looking for a sign that is not there costs next to nothing, and hardly any text has one of these."""
    for sign, other in PLAIN:
        text = text.replace(sign, other)
    return text


class Hit(Struct, frozen=True):
    """A message in which something was found."""

    message_id: str
    conversation_id: UUID
    position: int
    role: str
    recorded_at: datetime
    rank: float
    snippet: str
    """The words around what was found, with their signs still standing for others."""

    @property
    def html(self) -> str:
        """The snippet for a page: nothing in it is markup but the marks."""
        return escape(self.snippet.replace(LESS, "<")).replace(BEGIN, "<mark>").replace(END, "</mark>")


class After(Struct, frozen=True):
    """Where the next page begins: behind a message of this rank and position."""

    rank: float
    position: int


Order = Literal["best", "newest"]

PAGE: Final = """
SELECT page.message_id, page.conversation_id, page.position, page.role, page.recorded_at,
    ts_rank(page.words, wanted.words) AS rank,
    ts_headline(%(language)s::regconfig, page.content, wanted.words, %(marks)s) AS snippet
FROM websearch_to_tsquery(%(language)s::regconfig, %(text)s) AS wanted (words)
CROSS JOIN LATERAL (SELECT s.* {matching} {page}) AS page"""
MATCHING: Final = """
FROM {search} AS s
WHERE s.shard = %(shard)s AND s.user_id = %(user_id)s
    AND s.words @@ (websearch_to_tsquery(%(language)s::regconfig, %(text)s) && %(owner)s::tsquery)
    AND numnode(websearch_to_tsquery(%(language)s::regconfig, %(text)s)) > 0
    AND s.recorded_at >= %(since)s AND s.recorded_at < %(until)s
    AND (%(role)s::text IS NULL OR s.role = %(role)s)
    AND (%(conversation_ids)s::uuid[] IS NULL OR s.conversation_id = ANY(%(conversation_ids)s::uuid[]))"""
RANK: Final = "ts_rank(s.words, websearch_to_tsquery(%(language)s::regconfig, %(text)s))"
BY_RANK: Final = f"""
    AND ({RANK}, s.position) < (%(rank)s::real, %(position)s)
ORDER BY {RANK} DESC, s.position DESC LIMIT %(limit)s"""
BY_POSITION: Final = """
    AND s.position < %(position)s
ORDER BY s.position DESC LIMIT %(limit)s"""

BEST: Final = Query(
    Hit, PAGE.replace("{matching}", MATCHING).replace("{page}", BY_RANK), "rank DESC, position DESC"
)
NEWEST: Final = Query(
    Hit, PAGE.replace("{matching}", MATCHING).replace("{page}", BY_POSITION), "position DESC"
)
MARKS: Final = (
    f'StartSel="{BEGIN}", StopSel="{END}", MinWords=12, MaxWords=30, ShortWord=0, '
    'MaxFragments=2, FragmentDelimiter=" … "'
)
ALWAYS: Final = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
FIRST_PAGE: Final = After(float("inf"), 2**63 - 1)


async def find(
    view: View,
    language: str,
    shard: int,
    user_id: str,
    text: str,
    limit: int,
    order: Order = "best",
    role: str | None = None,
    since: datetime = ALWAYS[0],
    until: datetime = ALWAYS[1],
    conversation_ids: Sequence[UUID] | None = None,
    after: After = FIRST_PAGE,
) -> list[Hit]:
    """One user's messages in which the text is found, in the way of search engines on the web: words,
    "a phrase", `or`, and `-` before what must not be there."""
    return await view.rows(
        BEST if order == "best" else NEWEST,
        shard,
        language=language,
        text=plain(text),
        user_id=user_id,
        owner=quoted(" " + user_id[:LONGEST_USER]),
        role=role,
        since=since,
        until=until,
        conversation_ids=None if conversation_ids is None else list(conversation_ids),
        rank=after.rank,
        position=after.position,
        limit=limit,
        marks=MARKS,
    )


def quoted(word: str) -> str:
    """One word of a tsquery, whatever is in it."""
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
