"""Erasing and anonymising leave a chain that verifies; emptying without a record does not."""

from itertools import count

import pytest

from domain.events import ConversationAnonymised, ConversationErased
from service.store.digests import Left
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.service.store.appending import asked, rows, said, storing
from tests.service.verify.tampering import (
    SHARD_OF_ANN,
    VICTIM,
    append,
    change,
    empty,
    found,
    names,
    recompute,
    two_conversations,
    verify,
)

STATE, PERSON = ("state", "state_salt", "message_id"), ("actor", "request_id", "person_salt")


@pytest.fixture
def log(dsn: str) -> str:
    return two_conversations(dsn)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if whoever erases or anonymises had had the time that it takes."""
    monkeypatch.setattr("service.verify.chains.UNDER_WAY", 0)


def test_words_that_were_emptied_without_an_erasure_are_missed(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, "state = NULL, state_salt = NULL, message_id = NULL", 3)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 3)
    assert "nothing on record erased it" in line


def test_a_person_who_was_taken_out_without_a_record_is_missed(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(log, "actor = NULL, person_salt = NULL", 3)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 3)
    assert "nobody on record was replaced" in line


def test_an_erased_conversation_is_what_was_recorded(log: str) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    empty(log, (*STATE, "user_id", *PERSON), before=6)
    assert verify(log) == 0


def test_an_anonymised_conversation_is_what_was_recorded_and_keeps_its_words(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    left = Left()
    for version, state in rows(log, "SELECT version, state FROM events WHERE conversation_id = %s", VICTIM):
        left.take(version, None, state, proved=True)
    said_so = ConversationAnonymised(requested_by="ann", reason="asked", rewritten=left.hexdigest())
    with storing(log) as store:
        append(store, VICTIM, [said_so])
    empty(log, PERSON, before=6)
    assert verify(log) == 0
    change(log, "state = NULL, state_salt = NULL", 3)
    assert verify(log) == 1
    assert names(found(capsys)[0], 3)


def test_an_erasure_that_is_under_way_is_no_fault(log: str) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    assert verify(log) == 0


def anonymised_in_part(log: str) -> None:
    """The first two of the events before it are the pseudonym's already."""
    pseudonym = next(name for name in map(str, count()) if shard_of(name, SHARDS) == SHARD_OF_ANN)
    said_so = [ConversationAnonymised(requested_by="ann", reason="asked")]
    with storing(log) as store:
        store.append_blocking(asked(store, VICTIM, said_so, user_id=pseudonym))
    for version in (1, 2):
        change(log, f"user_id = '{pseudonym}', actor = NULL, request_id = NULL, person_salt = NULL", version)


def test_an_anonymisation_that_is_under_way_is_no_fault(log: str) -> None:
    anonymised_in_part(log)
    assert verify(log) == 0


@pytest.mark.usefixtures("later")
def test_an_anonymisation_that_was_left_half_done_is_told(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    anonymised_in_part(log)
    assert verify(log) == 1
    line, _ = found(capsys)
    assert names(line, 3)
    assert "its user is not the one" in line


@pytest.mark.usefixtures("later")
def test_an_anonymisation_that_was_not_begun_with_is_told(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said_so = [ConversationAnonymised(requested_by="ann", reason="asked")]
    pseudonym = next(name for name in map(str, count()) if shard_of(name, SHARDS) == SHARD_OF_ANN)
    with storing(log) as store:
        store.append_blocking(asked(store, VICTIM, said_so, user_id=pseudonym))
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 6)
    assert "its user is not the one" in line


def test_an_anonymisation_or_an_erasure_of_the_future_is_not_under_way_for_ever(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    change(log, "recorded_at = now() + interval '70 years'", 6)
    recompute(log, VICTIM)
    assert verify(log) == 1
    assert any("still says something" in line for line in found(capsys))


@pytest.mark.usefixtures("later")
def test_an_erasure_that_left_words_behind_is_told(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    empty(log, STATE, before=4)
    empty(log, ("user_id", *PERSON), before=7)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 4)
    assert "still says something" in line


@pytest.mark.usefixtures("later")
def test_an_erasure_that_left_the_person_behind_is_told(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="the user", reason="asked")])
    empty(log, STATE, before=6)
    empty(log, ("user_id", *PERSON), before=6)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 6)
    assert "still names somebody" in line


def test_an_erasure_that_left_a_message_id_behind_is_told(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
    empty(log, STATE, before=6)
    change(log, "message_id = 'left'", 3)
    assert verify(log) == 1
    (line,) = found(capsys)
    assert names(line, 3)
    assert "not the id of the message" in line


@pytest.mark.usefixtures("later")
def test_nothing_may_follow_an_erasure(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    with storing(log) as store:
        append(store, VICTIM, [ConversationErased(requested_by="ann", reason="asked")])
        append(store, VICTIM, [said("I am back")])
    empty(log, STATE, before=6)
    empty(log, ("user_id", *PERSON), before=7)
    assert verify(log) == 1
    lines = found(capsys)
    assert all(names(line, 7) for line in lines)
    assert "after the conversation was erased" in lines[0]
