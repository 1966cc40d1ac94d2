"""The `eventsourcing` library's own test cases, and an application written only with it, on our log."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any, ClassVar
from unittest import TestCase
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    EventStore,
    InfrastructureFactory,
    IntegrityError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.tests import persistence as cases

from domain.events import ConversationStarted, MessageAdded
from service.store.append import append_of
from service.store.connections import Database
from service.store.recorder import Factory, LibraryEvent, ShardRecorder
from service.store.store import Store


class OnHansard(TestCase):
    """A recorder on a database of the test's own."""

    dsn: ClassVar[str]

    @pytest.fixture(autouse=True)
    def database(self, dsn: str) -> None:
        type(self).dsn = dsn

    def factory(self) -> Factory:
        factory = Factory({"HANSARD_DSN": self.dsn})
        self.addCleanup(factory.close)
        return factory

    def create_recorder(self) -> ShardRecorder:
        return self.factory().application_recorder()


class TestApplicationRecorder(OnHansard, cases.ApplicationRecorderTestCase[ShardRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNotificationsDoNotInterleave(OnHansard, cases.NonInterleavingNotificationIDsBaseCase):
    """All of one insert's events stand together in the application sequence."""


class WithoutPositions(ShardRecorder):
    """The library's aggregate recorders answer None where ours answers with positions."""

    def insert_events(self, stored_events: Any, **kwargs: Any) -> None:
        super().insert_events(stored_events, **kwargs)


class TestAggregateRecorder(OnHansard, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> ShardRecorder:
        recorder = self.factory().application_recorder()
        recorder.__class__ = WithoutPositions
        return recorder


# Not run from that package: TrackingRecorderTestCase, ProcessRecorderTestCase, InfrastructureFactoryTestCase.
# They are for stores that keep views and their tracking beside the events. Hansard's log keeps events only;
# its own projections have checkpoints of another kind, and the factory says so when it is asked for such a
# recorder. TranscoderTestCase tests the library's transcoder, which this module does not replace.


class Dog(Aggregate):
    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class Dogs(Application[UUID]):
    name = "dogs"

    def register(self, name: str) -> UUID:
        dog = Dog(name)
        self.save(dog)
        return dog.id

    def add_trick(self, dog_id: UUID, trick: str) -> int:
        dog: Dog = self.repository.get(dog_id)
        dog.add_trick(trick)
        return self.save(dog)[-1].notification.id

    def tricks(self, dog_id: UUID) -> list[str]:
        dog: Dog = self.repository.get(dog_id)
        return dog.tricks


class TrickCounts(POPOTrackingRecorder):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def add(self, tracking: Tracking) -> None:
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            self.count += 1


class CountTricks(Projection[TrickCounts]):
    name = "count_tricks"

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)

    @process_event.register
    def _(self, domain_event: Dog.TrickAdded, tracking: Tracking) -> None:  # type: ignore[name-defined]
        self.view.add(tracking)


def test_an_application_and_a_projection_written_only_with_the_library_run_on_the_log(dsn: str) -> None:
    env = {"DOGS_PERSISTENCE_MODULE": "service.store.recorder", "HANSARD_DSN": dsn, "HANSARD_SHARD": "3"}
    runner = ProjectionRunner(
        application_class=Dogs, projection_class=CountTricks, view_class=TrickCounts, env=env
    )
    with runner:
        fido = runner.app.register("Fido")
        runner.app.add_trick(fido, "roll over")
        last = runner.app.add_trick(fido, "fetch ball")
        assert runner.app.tricks(fido) == ["roll over", "fetch ball"]
        runner.wait(last, timeout=10)
        assert runner.projection.view.count == 2


def test_events_of_several_aggregates_are_saved_together_or_not_at_all(dsn: str) -> None:
    with closing(Factory({"HANSARD_DSN": dsn})) as factory:
        recorder = factory.application_recorder()
        one, other = uuid4(), uuid4()
        recorder.insert_events([stored(one, 1), stored(other, 1)])
        with pytest.raises(IntegrityError):
            recorder.insert_events([stored(one, 2), stored(other, 1)])
        assert [each.originator_version for each in recorder.select_events(one)] == [1]
        assert recorder.insert_events([stored(one, 2), stored(other, 2), stored(one, 3)]) == [3, 4, 5]


def test_hansards_own_events_are_read_as_facts_by_the_librarys_mapper(dsn: str) -> None:
    env = {"HANSARD_DSN": dsn, "MAPPER_TOPIC": "service.store.recorder:FactMapper"}
    with closing(Factory(env)) as factory:
        conversation_id, now = uuid4(), datetime.now(UTC)
        events = [ConversationStarted(), MessageAdded(message_id="m1", role="user", content="hello")]
        with closing(Store(Database.open(dsn))) as store:
            store.start()
            store.append_blocking(append_of(0, conversation_id, events, now, user_id="ann"))
        library: EventStore[UUID] = factory.event_store()
        assert list(library.get(conversation_id)) == [
            LibraryEvent(conversation_id, version, event) for version, event in enumerate(events, 1)
        ]
        with pytest.raises(ProgrammingError, match="changed through Hansard only"):
            factory.application_recorder().insert_events([StoredEvent(uuid4(), 1, "message_added", b"{}")])


def test_what_the_log_does_not_keep_is_refused_in_words(dsn: str) -> None:
    with closing(Factory({"HANSARD_DSN": dsn})) as factory:
        for construct in (factory.tracking_recorder, factory.process_recorder):
            with pytest.raises(ProgrammingError, match="another persistence module"):
                construct()
    with pytest.raises(ProgrammingError, match="HANSARD_DSN is not set"):
        InfrastructureFactory.construct({"PERSISTENCE_MODULE": "service.store.recorder"})


def stored(originator_id: UUID, version: int) -> StoredEvent:
    return StoredEvent(originator_id, version, "topic", b"{}")
