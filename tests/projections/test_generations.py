from threading import Thread

from psycopg import Connection

from domain.events import ConversationStarted
from projections.generations import (
    Generation,
    create,
    drop,
    drop_retired,
    every,
    install,
    live,
    prune,
    switch,
)
from projections.projection import Projection
from tests.projections.rebuilding.replayed import (
    LOG,
    Other,
    Spoken,
    Words,
    WordsAtOnce,
    built,
    connected,
    connecting,
    generations,
    positions,
    say,
    spoken,
    tables_there,
    talk,
)
from tests.service.store.appending import lane_held, rows, storing, wait_until_blocked


def test_on_an_empty_log_every_projection_is_live_at_once(dsn: str) -> None:
    words, other = WordsAtOnce(), Other()
    first, second = built(dsn, words, other)
    assert set(positions(dsn, first).values()) == {None}
    assert set(positions(dsn, second).values()) == {0}
    assert tables_there(dsn) == {"lines_g1", "titles_g1", "counts_g1", "other_titles_g1"}


def test_what_is_live_already_is_left_as_it_is(dsn: str) -> None:
    assert built(dsn, Words()) == built(dsn, Words())
    assert len(generations(dsn)) == 1


def test_where_there_are_events_building_is_left_to_a_replay(dsn: str) -> None:
    talk(dsn, spoken(1))
    with connected(dsn) as connection:
        assert [each.name for each in install(connection, [Words(), Other()], LOG)] == ["words", "other"]
    assert generations(dsn) == []


def test_a_first_append_that_is_on_its_way_is_waited_for(dsn: str) -> None:
    missing = list[Projection]()

    def try_to_install(connection: Connection[object]) -> None:
        missing.extend(install(connection, [WordsAtOnce()], LOG))

    with connecting(dsn)() as connection:
        with lane_held(dsn) as append:
            thread = Thread(target=try_to_install, args=[connection])
            thread.start()
            wait_until_blocked(dsn)
            append.execute(
                """INSERT INTO events (shard, conversation_id, version, position, topic, state_digest,
                                       person_digest, recorded_at, digest)
                   VALUES (0, gen_random_uuid(), 1, 1, 'other', '', '', now(), '')"""
            )
        thread.join()
    assert [each.name for each in missing] == ["words"]


def test_each_version_of_the_code_has_its_own_live_build(dsn: str) -> None:
    first, second = built(dsn, Words(version="1"), Words(version="2"))
    assert (first.number, first.version) == (1, "1")
    assert (second.number, second.version) == (2, "2")


def replaced(dsn: str) -> tuple[Generation, Generation, Generation]:
    """One of another version, one that was live, and one that is live in its place."""
    other, old = built(dsn, Words(version="0"), Words())
    with connected(dsn) as connection, connection.transaction():
        new = create(connection, Words(), LOG, "building")
        switch(connection, new)
    return other, old, new


def test_a_switch_leaves_one_live_build_of_a_version_and_those_of_other_versions(dsn: str) -> None:
    other, old, new = replaced(dsn)
    assert {each.number: each.stage for each in generations(dsn)} == {
        other.number: "live",
        old.number: "retired",
        new.number: "live",
    }


def test_the_checkpoints_of_the_older_build_go_with_the_switch(dsn: str) -> None:
    other, old, new = replaced(dsn)
    assert positions(dsn, old) == {}
    assert len(positions(dsn, new)) == len(positions(dsn, other)) > 0


def test_tables_that_are_being_read_are_dropped_the_next_time(dsn: str) -> None:
    _, old, _ = replaced(dsn)
    with connected(dsn) as connection:
        with connected(dsn) as reader, reader.transaction():
            reader.execute("SELECT count(*) FROM titles_g2")
            assert not drop(connection, old, attempts=1, patience="10ms")
        assert "titles_g2" in tables_there(dsn)
        assert drop_retired(connection, Words()) == [old_retired(old)]
    assert not {"lines_g2", "titles_g2", "counts_g2"} & tables_there(dsn)


def old_retired(old: Generation) -> Generation:
    return Generation(old.projection, old.number, old.version, "retired")


def test_pruning_drops_what_other_versions_left_though_their_tables_are_not_known_any_more(dsn: str) -> None:
    built(dsn, Words(version="0"), Other(version="0"), Words())
    with connected(dsn) as connection:
        prune(connection, [Words()])
        assert [(each.projection, each.version) for each in every(connection)] == [("words", "1")]
    assert tables_there(dsn) == {"lines_g2", "titles_g2", "counts_g2"}
    assert rows(dsn, "SELECT count(*) FROM checkpoints WHERE projection = 'other'") == [(0,)]


def test_an_append_writes_what_was_installed_before_it(dsn: str) -> None:
    words = WordsAtOnce()
    built(dsn, words)
    with storing(dsn, [words]) as store:
        say(store, Spoken(1), ConversationStarted(title="hello"))
    assert rows(dsn, "SELECT title FROM titles_g1") == [("hello",)]
    with connected(dsn) as connection:
        assert live(connection, words) is not None
