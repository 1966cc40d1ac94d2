"""An append on what is remembered of earlier looks: when none is taken, and what a stale one leaves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.errors import VersionConflict
from projections.following.advance import put_in_step
from projections.following.parking import Poison, apply_page, park
from projections.generations import Generation
from service.store import remembered
from service.store.append import Append, CommandKey
from service.store.connections import connect
from service.store.observer import Look, Observer
from service.store.store import Store
from tests.projections.rebuilding.replayed import (
    LOG,
    WordsAtOnce,
    built,
    connected,
    contents,
    wanted,
)
from tests.proxy import Cut, proxied
from tests.service.store.appending import USER, asked, rows, said, started, storing

WORDS = WordsAtOnce()
PLACES = "SELECT version, position FROM events WHERE shard = %s ORDER BY position"


class Looks(Observer):
    def __init__(self) -> None:
        self.how: list[Look] = []

    def looked(self, how: Look) -> None:
        self.how.append(how)

    def since(self) -> list[Look]:
        """Those that were not asked for before."""
        how, self.how = self.how, []
        return how


@contextmanager
def remembering(dsn: str) -> Iterator[tuple[Store, Looks, UUID]]:
    """A store that knows a conversation of two events."""
    looks, conversation = Looks(), uuid4()
    with storing(dsn, [WORDS], observer=looks) as store:
        store.append_blocking(asked(store, conversation, started(), 0))
        # The first of all has marked the builds behind that this process does not know.
        store.append_blocking(asked(store, conversation, [said("one")], 1))
        looks.since()
        yield store, looks, conversation


@pytest.fixture(autouse=True)
def always_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it was stale."""
    monkeypatch.setattr(remembered, "PROOFS", 0)


@pytest.fixture
def generation(dsn: str) -> Generation:
    [made] = built(dsn, WORDS)
    with connected(dsn) as connection:
        put_all_in_step(connection, made)
    return made


def put_all_in_step(connection: psycopg.Connection[object], generation: Generation) -> None:
    for lane in LOG.lanes(connection):
        put_in_step(connection, LOG, WORDS, generation, lane, 100, apply_page)


def is_gapless_and_projected(dsn: str, store: Store) -> bool:
    places = rows(dsn, PLACES, store.shard_of(USER))
    assert [position for _, position in places] == list(range(1, len(places) + 1))
    return contents(dsn, WORDS, 1) == wanted(dsn, WORDS)


def test_who_appended_last_looks_no_more(dsn: str, generation: Generation) -> None:
    with remembering(dsn) as (store, looks, conversation):
        for version in range(2, 6):
            assert store.append_blocking(asked(store, conversation, [said()], version)).version == version + 1
        assert looks.since() == ["remembered"] * 4
        assert is_gapless_and_projected(dsn, store)


@pytest.mark.parametrize(
    "unknown",
    [
        lambda store, known: asked(store, uuid4(), started(), 0),
        lambda store, known: asked(store, known, [said()], command=CommandKey(uuid4(), b"body")),
    ],
    ids=["a conversation", "a command"],
)
def test_what_is_not_known_is_looked_for(
    dsn: str, generation: Generation, unknown: Callable[[Store, UUID], Append]
) -> None:
    with remembering(dsn) as (store, looks, conversation):
        store.append_blocking(unknown(store, conversation))
        assert looks.since() == ["taken"]
        store.append_blocking(asked(store, conversation, [said()]))
        assert looks.since() == ["remembered"]


def test_nothing_is_refused_without_a_look(dsn: str, generation: Generation) -> None:
    with remembering(dsn) as (store, looks, conversation):
        with pytest.raises(VersionConflict):
            store.append_blocking(asked(store, conversation, [said()], 1))
        assert looks.since() == ["remembered", "taken"]


@pytest.mark.parametrize("same", [True, False], ids=["the same conversation", "another one of the shard"])
def test_what_another_process_has_appended_is_found(dsn: str, generation: Generation, same: bool) -> None:
    with remembering(dsn) as (here, looks, conversation), storing(dsn, [WORDS]) as there:
        other = conversation if same else uuid4()
        there.append_blocking(asked(there, other, [said()] if same else started()))
        answer = here.append_blocking(asked(here, conversation, [said("late")]))
        assert looks.since() == ["remembered", "stale", "taken"]
        assert (answer.version, answer.position) == (4 if same else 3, 4)
        here.append_blocking(asked(here, conversation, [said("later")]))
        assert looks.since() == ["remembered"]
        assert is_gapless_and_projected(dsn, here)


def test_a_projection_that_was_put_in_step_gets_its_rows(dsn: str) -> None:
    [generation] = built(dsn, WORDS)
    with storing(dsn) as older:  # which does not know the projection
        older.append_blocking(asked(older, uuid4(), started()))
    with remembering(dsn) as (store, looks, conversation):
        with connected(dsn) as connection:
            put_all_in_step(connection, generation)
        store.append_blocking(asked(store, conversation, [said("late")]))
        assert looks.since() == ["remembered", "stale", "taken"]
        store.append_blocking(asked(store, conversation, [said("later")]))
        assert looks.since() == ["remembered"]
        assert is_gapless_and_projected(dsn, store)


def test_of_a_conversation_that_was_parked_nothing_is_taken(dsn: str, generation: Generation) -> None:
    with remembering(dsn) as (store, looks, conversation):
        before = contents(dsn, WORDS, 1)
        with connected(dsn) as connection, connection.transaction():
            shard = store.shard_of(USER)
            LOG.lock(connection, [shard])
            park(connection, generation, [Poison(shard, conversation, 1, "it is ill")])
        for how in (["remembered", "stale", "taken"], ["taken"]):
            store.append_blocking(asked(store, conversation, [said("late")]))
            assert looks.since() == how
        assert contents(dsn, WORDS, 1) == before


def test_a_log_that_was_restored_under_an_open_connection_has_no_gap(
    dsn: str, generation: Generation
) -> None:
    with remembering(dsn) as (store, looks, conversation):
        store.append_blocking(asked(store, conversation, [said("lost")]))
        with connect(dsn) as connection:
            connection.execute("DELETE FROM events WHERE position = 3")
        store.append_blocking(asked(store, conversation, [said("after it")]))
        assert looks.since() == ["remembered", "remembered", "stale", "taken"]
        assert rows(dsn, PLACES, store.shard_of(USER)) == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("cut", ["before", "after"])
def test_cut_at_its_commit_it_is_there_once(dsn: str, cut: Cut, generation: Generation) -> None:
    with proxied(dsn) as proxy, remembering(proxy.dsn) as (store, looks, conversation):
        proxy.cut = cut
        answer = store.append_blocking(asked(store, conversation, [said(), said()], 2))
        assert (answer.version, answer.repeated) == (4, False)
        assert looks.since() == ["remembered", "taken"]
        assert is_gapless_and_projected(dsn, store)


def test_where_others_append_too_memory_is_believed_again_after_some_proof(
    dsn: str, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "PROOFS", 2)
    with remembering(dsn) as (here, looks, conversation), storing(dsn, [WORDS]) as there:
        there.append_blocking(asked(there, uuid4(), started()))
        for _ in range(5):
            here.append_blocking(asked(here, conversation, [said()]))
        assert looks.since() == ["remembered", "stale", "taken", "taken", "taken", "remembered", "remembered"]
