"""A view that follows an application of the `eventsourcing` library, written in that library's usual way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import get_topic
from psycopg import sql

from service.bench.library import environment
from service.bench.messages import content

LONGEST: Final = 600.0

CREATE_WORDS: Final = """
CREATE TABLE IF NOT EXISTS words (
    conversation_id uuid, version bigint, user_id text, content text,
    words tsvector GENERATED ALWAYS AS (to_tsvector('simple', content)) STORED,
    PRIMARY KEY (conversation_id, version))"""
CREATE_INDEX: Final = (
    "CREATE INDEX IF NOT EXISTS words_words ON words USING gin (words) WITH (fastupdate = off)"
)
CREATE_USAGE: Final = """
CREATE TABLE IF NOT EXISTS usage (user_id text PRIMARY KEY, messages bigint, characters bigint)"""
ADD_WORDS: Final = """
INSERT INTO words (conversation_id, version, user_id, content)
VALUES (%(conversation_id)s, %(version)s, %(user_id)s, %(content)s)"""
ADD_USAGE: Final = """
INSERT INTO usage AS u (user_id, messages, characters) VALUES (%(user_id)s, 1, length(%(content)s))
ON CONFLICT (user_id) DO UPDATE
SET messages = u.messages + 1, characters = u.characters + excluded.characters"""


class LibraryConversation(Aggregate):
    class MessageAdded(Aggregate.Event):
        user_id: str
        content: str

    def add(self, user_id: str, content: str) -> None:
        self.trigger_event(self.MessageAdded, user_id=user_id, content=content)


class LibraryConversations(Application[UUID]):
    def fill(self, events: int, users: int = 10) -> None:
        """So many messages, a hundred in each conversation."""
        for first in range(0, events, 100):
            conversation = LibraryConversation()
            for number in range(first, min(first + 100, events)):
                conversation.add(f"user-{first // 100 % users}", content(number))
            self.save(conversation)


class LibraryView(PostgresTrackingRecorder):
    """What Hansard's search and usage keep: the words, indexed, and how much each user said."""

    def __init__(self, datastore: PostgresDatastore, **given: Any) -> None:
        super().__init__(datastore, **given)
        for statement in (CREATE_WORDS, CREATE_INDEX, CREATE_USAGE):
            self.sql_create_statements.append(sql.SQL(statement).format())

    def add(self, added: LibraryConversation.MessageAdded, tracking: Tracking) -> None:
        given = {
            "conversation_id": added.originator_id,
            "version": added.originator_version,
            "user_id": added.user_id,
            "content": added.content,
        }
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(ADD_WORDS, given, prepare=True)
            cursor.execute(ADD_USAGE, given, prepare=True)


class Words(Projection[LibraryView]):
    name = "words"
    topics = (get_topic(LibraryConversation.MessageAdded),)

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)

    @process_event.register
    def _(self, domain_event: LibraryConversation.MessageAdded, tracking: Tracking) -> None:
        self.view.add(domain_event, tracking)


@contextmanager
def filled(dsn: str, events: int) -> Iterator[int]:
    """An application's log with so many messages; gives back the last notification's id."""
    with LibraryConversations(environment(dsn)) as application:
        application.fill(events)
        yield application.recorder.max_notification_id() or 0


def follow(dsn: str, last: int) -> float:
    """How many seconds the library's runner takes for everything up to there."""
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=LibraryConversations,
        projection_class=Words,
        view_class=LibraryView,
        env=environment(dsn),
    ) as runner:
        runner.wait(last, timeout=LONGEST)
        return time.perf_counter() - started
