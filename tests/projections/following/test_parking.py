from collections.abc import Iterable
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from domain.errors import EventUnreadable
from domain.events import ConversationErased, ConversationStarted
from domain.recorded import Recorded, Unreadable
from projections.following import parking, unparking
from projections.following.follower import Follower
from projections.following.parking import apply_carefully, fold_or_raise, fold_page, is_about_the_event
from projections.generations import Generation, live
from projections.projection import Projection
from projections.rows.changes import Change, Update
from tests.conftest import SHARDS
from tests.projections.given import Log, conversation, user_said
from tests.projections.rebuilding.replayed import (
    LOG,
    TITLES,
    Poisonous,
    Spoken,
    Words,
    WordsAtOnce,
    built,
    connected,
    connecting,
    contents,
    say,
    spoken,
    wanted,
)
from tests.service.store.appending import rows, said, storing

SICK, WELL = conversation(1), conversation(2)
ERASED = ConversationErased(requested_by="ada", reason="asked")


def lines(page: Iterable[Recorded], projection: Projection | None = None) -> list[str]:
    fold, _ = fold_page(projection or Words(), list(page), {})
    return [row.message_id for row in fold.tables["lines"].inserts.values()]


def sick_log() -> list[Recorded]:
    log = Log().add(SICK, ConversationStarted(), user_said("s1", "fine"), user_said("s2", "poison"))
    return log.add(WELL, user_said("w1", "fine")).add(SICK, user_said("s3", "fine")).records


def test_a_conversation_is_parked_from_its_poison_on_and_the_others_move_on() -> None:
    fold, poison = fold_page(Words(), sick_log(), {})
    assert [row.message_id for row in fold.tables["lines"].inserts.values()] == ["s1", "w1"]
    assert [(each.conversation_id, each.position) for each in poison] == [(SICK, 3)]
    assert poison[0].error.startswith("Poisonous in changes, replayed.py:")


def test_of_an_event_that_fails_half_way_nothing_is_taken() -> None:
    fold, _ = fold_page(Words(), sick_log(), {})
    assert fold.tables["titles"].inserts[(3, SICK)].messages == 1


class Unfoldable(Words):
    def changes(self, recorded: Recorded) -> Iterable[Change]:
        yield from super().changes(recorded)
        if "unfoldable" in str(recorded.event):
            yield Update(TITLES, (recorded.shard,), add={"messages": 1})


def test_changes_that_cannot_be_folded_park_too_and_leave_nothing_behind() -> None:
    log = (
        Log()
        .add(SICK, ConversationStarted(), user_said("s1", "unfoldable"))
        .add(WELL, user_said("w1", "fine"))
    )
    fold, poison = fold_page(Unfoldable(), log.records, {})
    assert [(each.conversation_id, each.position) for each in poison] == [(SICK, 2)]
    assert fold.tables["titles"].inserts[(3, SICK)].messages == 0
    assert lines(log.records, Unfoldable()) == ["w1"]


def test_an_event_that_cannot_be_read_parks_its_conversation() -> None:
    broken = Unreadable(topic="message_added", error="truncated")
    log = Log().add(SICK, ConversationStarted(), broken, user_said("s1", "fine"))
    _, poison = fold_page(Words(), log.records, {})
    assert poison[0].position == 2
    assert "message_added" in poison[0].error
    with pytest.raises(EventUnreadable):
        fold_or_raise(Words(), log.records, {})


def test_an_append_does_not_look_for_what_is_wrong() -> None:
    with pytest.raises(Poisonous):
        fold_or_raise(Words(), sick_log(), {})
    assert fold_or_raise(Words(), sick_log(), {(3, SICK): 3}).tables["lines"].inserts.keys() == {
        (3, SICK, "s1"),
        (3, WELL, "w1"),
    }


def test_erasing_reaches_a_parked_conversation() -> None:
    log = Log().add(SICK, ConversationStarted(), user_said("s1", "fine"), user_said("s2", "poison"), ERASED)
    fold, poison = fold_page(Words(), log.records, {})
    assert len(poison) == 1
    assert fold.tables["lines"].inserts == {}
    assert fold.tables["titles"].inserts == {}


@pytest.mark.parametrize(
    ("error", "about"),
    [
        (psycopg.errors.NumericValueOutOfRange(), True),
        (psycopg.errors.ProgramLimitExceeded(), True),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), True),
        (KeyError("words"), True),
        (psycopg.OperationalError("the connection is lost"), False),
        (psycopg.errors.DiskFull(), False),
        (psycopg.errors.DeadlockDetected(), False),
        (psycopg.errors.LockNotAvailable(), False),
        (psycopg.errors.AdminShutdown(), False),
        (psycopg.errors.UndefinedTable(), False),
        (BrokenPipeError(), False),
    ],
)
def test_the_database_s_own_trouble_is_nobody_s_poison(error: Exception, about: bool) -> None:
    assert is_about_the_event(error) is about


def test_what_postgresql_refuses_is_found_among_many(dsn: str) -> None:
    words = Words()
    [generation] = built(dsn, words)
    log = Log()
    for number in range(20):
        log.add(conversation(number), ConversationStarted(), user_said("m1", "fine"))
    log.add(conversation(7), user_said("m2", "\0")).add(conversation(7), user_said("m3", "fine"))
    log.add(conversation(8), user_said("m2", "\0")).add(conversation(9), user_said("m2", "fine"))
    with connected(dsn) as connection, connection.transaction():
        poison = apply_carefully(connection, words, generation, log.records, {})
    assert [each.conversation_id for each in poison] == [conversation(7), conversation(8)]
    assert rows(dsn, "SELECT count(*) FROM lines_g1") == [(21,)]
    assert parked(dsn) == [(conversation(7), 41), (conversation(8), 43)]


def parked(dsn: str) -> list[tuple[Any, ...]]:
    with connected(dsn) as connection:
        return [(each.conversation_id, each.position) for each in parking.waiting(connection, range(SHARDS))]


def sicken(dsn: str, projection: Words, *, at_once: bool = False) -> Spoken:
    """A conversation of which the second message is poison, and one that is well; followed to the end."""
    sick, well = spoken(2)
    built(dsn, projection)
    with storing(dsn, [projection] if at_once else []) as store:
        say(store, sick, ConversationStarted(), said("fine", "s1"), said("poison", "s2"))
        say(store, well, ConversationStarted(), said("fine", "w1"))
        say(store, sick, said("fine", "s3"))
    Follower(connecting(dsn), LOG, [projection]).run_once()
    return sick


def retry(connection: Connection[Any], projection: Projection) -> unparking.Retried:
    return unparking.retry(connection, LOG, projection)


def test_a_cured_projection_takes_what_was_parked(dsn: str) -> None:
    sick = sicken(dsn, Words())
    assert rows(dsn, "SELECT message_id FROM lines_g1 ORDER BY 1") == [("s1",), ("w1",)]
    with connected(dsn) as connection:
        retried = retry(connection, Words(cured=True))
    assert [each.conversation_id for each in retried.taken] == [sick.id]
    assert retried.still == []
    assert parked(dsn) == []
    assert contents(dsn, Words(), 1) == wanted(dsn, Words(cured=True))


def test_what_is_not_cured_stays_parked(dsn: str) -> None:
    sick = sicken(dsn, Words())
    before = parked(dsn)
    with connected(dsn) as connection:
        retried = retry(connection, Words())
    assert retried.taken == []
    assert [each.conversation_id for each in retried.still] == [sick.id]
    assert parked(dsn) == before


def test_a_retry_goes_as_far_as_the_projection_has_come(dsn: str) -> None:
    """And not further: the follower, which no longer skips the conversation, does the rest."""
    sick = sicken(dsn, Words())
    with storing(dsn) as store:
        say(store, sick, said("fine", "s4"))
    with connected(dsn) as connection:
        retry(connection, Words(cured=True))
        assert "s4" not in str(rows(dsn, "SELECT message_id FROM lines_g1"))
    Follower(connecting(dsn), LOG, [Words(cured=True)]).run_once()
    assert contents(dsn, Words(), 1) == wanted(dsn, Words(cured=True))


def test_a_retry_of_what_is_in_step_takes_all_that_was_appended(dsn: str) -> None:
    sick = sicken(dsn, WordsAtOnce(), at_once=True)
    with storing(dsn, [WordsAtOnce()]) as store:
        say(store, sick, said("fine", "s4"))
    assert "s4" not in str(rows(dsn, "SELECT message_id FROM lines_g1"))
    with connected(dsn) as connection:
        retry(connection, WordsAtOnce(cured=True))
    with storing(dsn, [WordsAtOnce(cured=True)]) as store:
        say(store, sick, said("fine", "s5"))
    assert contents(dsn, Words(), 1) == wanted(dsn, Words(cured=True))


def test_a_parked_conversation_that_is_erased_can_be_retried(dsn: str) -> None:
    sick = sicken(dsn, Words())
    with storing(dsn) as store:
        say(store, sick, ERASED)
    Follower(connecting(dsn), LOG, [Words()]).run_once()
    assert rows(dsn, "SELECT message_id FROM lines_g1") == [("w1",)]
    with connected(dsn) as connection:
        assert len(retry(connection, Words(cured=True)).taken) == 1
    assert rows(dsn, "SELECT message_id FROM lines_g1") == [("w1",)]


def test_what_is_kept_of_an_error_says_nothing_of_what_was_said(dsn: str) -> None:
    with connected(dsn) as connection, pytest.raises(psycopg.DataError) as refused:
        connection.execute("SELECT 'my secret'::uuid")
    assert (
        parking.in_words(refused.value) == "InvalidTextRepresentation: invalid input syntax for type uuid: …"
    )
    with pytest.raises(ValueError, match="my secret") as failed:
        int("my secret")
    assert parking.in_words(failed.value).startswith("ValueError in test_what_is_kept")
    assert "secret" not in parking.in_words(failed.value)
    assert len(parking.in_words(psycopg.OperationalError("x" * 10_000))) == parking.LONGEST_ERROR


def test_only_what_is_live_is_listed_as_parked(dsn: str) -> None:
    sicken(dsn, Words())
    with connected(dsn) as connection:
        assert live(connection, Words()) == Generation("words", 1, "1", "live")
        connection.execute("UPDATE generations SET stage = 'retired'")
    assert parked(dsn) == []
