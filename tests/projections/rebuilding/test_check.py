from typing import Any

import pytest
from psycopg import OperationalError

from domain.events import ConversationErased
from projections.errors import ProjectionNotBuilt
from projections.following import unparking
from projections.following.follower import Follower
from projections.generations import Stage
from projections.projection import Projection
from projections.rebuilding.check import Check, CheckResult
from projections.rebuilding.progress import Progress
from projections.rebuilding.rebuild import Rebuild
from service.store.connections import connect
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
    say,
    spoken,
    tables_there,
    talk,
)
from tests.projections.rebuilding.test_rebuild import REAL, SMALL, written_by
from tests.service.store.appending import rows, said, storing


def check(dsn: str, *projections: Projection, **more: Any) -> list[CheckResult]:
    return Check(connecting(dsn), LOG, projections, limits=SMALL, **more).run()


def tamper(dsn: str, statement: str, *given: Any) -> None:
    with connect(dsn) as connection:
        connection.execute(statement.encode(), given)


def talked(dsn: str, projection: Projection) -> None:
    built(dsn, projection)
    talk(dsn, spoken(6), projections=[projection])
    Follower(connecting(dsn), LOG, [projection]).run_once()


def differences(proof: CheckResult) -> dict[str, list[str]]:
    return {table.table: [each.what for each in table.differences] for table in proof.tables if table.shards}


@pytest.mark.parametrize("projection", [Words(), WordsAtOnce()])
def test_what_was_written_bit_by_bit_equals_what_is_built_anew(dsn: str, projection: Projection) -> None:
    talked(dsn, projection)
    [proof] = check(dsn, projection)
    assert proof.equal
    assert {table.table: table.rows for table in proof.tables} == {"lines": 30, "titles": 6, "counts": 6}


def test_the_real_projections_are_proved_too(dsn: str) -> None:
    built(dsn, *REAL)
    talk(dsn, spoken(6), projections=REAL)
    Follower(connecting(dsn), LOG, REAL).run_once()
    assert all(proof.equal for proof in check(dsn, *REAL))


def test_a_check_leaves_nothing_behind_and_switches_nothing(dsn: str) -> None:
    talked(dsn, Words())
    before = generations(dsn), tables_there(dsn)
    check(dsn, Words())
    assert (generations(dsn), tables_there(dsn)) == before


def test_a_changed_row_is_named_with_what_differs_but_without_what_it_says(dsn: str) -> None:
    talked(dsn, Words())
    conversation = Spoken(2)
    tamper(
        dsn,
        "UPDATE lines_g1 SET words = 'forged', rating = 'x' WHERE conversation_id = %s AND message_id = 'm2'",
        conversation.id,
    )
    [proof] = check(dsn, Words())
    assert not proof.equal
    [table] = [table for table in proof.tables if table.shards]
    assert (table.table, table.shards) == ("lines", [conversation.shard])
    [found] = table.differences
    assert found.key == {
        "shard": str(conversation.shard),
        "conversation_id": str(conversation.id),
        "message_id": "m2",
    }
    assert found.what == "differs in words, rating"
    assert "forged" not in str(proof)


def test_a_row_too_few_and_a_row_too_many_are_named(dsn: str) -> None:
    talked(dsn, Words())
    tamper(dsn, "DELETE FROM titles_g1 WHERE conversation_id = %s", Spoken(1).id)
    tamper(dsn, "INSERT INTO counts_g1 VALUES (3, 'nobody', 1)")
    [proof] = check(dsn, Words())
    assert differences(proof) == {
        "titles": ["is missing in the live table"],
        "counts": ["is in the live table only: the log has no such row"],
    }


def test_only_the_first_of_many_differences_are_listed(dsn: str) -> None:
    talked(dsn, Words())
    tamper(dsn, "UPDATE lines_g1 SET words = 'forged'")
    [proof] = check(dsn, Words())
    [table] = [table for table in proof.tables if table.shards]
    assert len(table.differences) == 5
    assert table.shards == sorted({each.shard for each in spoken(6)})


def test_what_lags_is_compared_as_far_as_it_has_come(dsn: str) -> None:
    talked(dsn, Words())
    talk_on(dsn)
    [proof] = check(dsn, Words())
    assert proof.equal
    assert sum(table.rows for table in proof.tables) == 42


def talk_on(dsn: str) -> None:
    with storing(dsn) as store:
        for each in spoken(6):
            say(store, each, said("more", "more"))


def test_what_is_parked_is_left_out_and_told(dsn: str) -> None:
    talked(dsn, Words())
    sick = Spoken(3)
    with storing(dsn) as store:
        say(store, sick, said("poison", "bad"), said("after", "after"))
    talk_on(dsn)
    Follower(connecting(dsn), LOG, [Words()]).run_once()
    [proof] = check(dsn, Words(cured=True))
    assert proof.equal
    assert proof.parked == [(sick.shard, sick.id)]


def test_what_is_taken_again_during_a_check_is_no_difference(dsn: str) -> None:
    """Only a table that does not say of which conversation its rows are cannot be compared then."""
    talked(dsn, Words())
    with storing(dsn) as store:
        say(store, Spoken(3), said("poison", "bad"))
    Follower(connecting(dsn), LOG, [Words()]).run_once()

    def report(progress: Progress) -> None:
        if progress.stage == "comparing":
            with connected(dsn) as connection:
                unparking.retry(connection, LOG, Words(cured=True))

    [proof] = check(dsn, Words(cured=True), report=report)
    assert proof.equal
    assert proof.uncomparable == ["counts"]
    assert check(dsn, Words(cured=True))[0].uncomparable == []


def test_appends_go_on_during_a_check(dsn: str) -> None:
    words = WordsAtOnce()
    built(dsn, words)
    talk(dsn, spoken(10), projections=[words])
    with written_by(dsn, 2, words) as acknowledged:
        for _ in range(3):
            [proof] = check(dsn, words)
            assert proof.equal
    assert sum(acknowledged) > 0
    assert check(dsn, words)[0].equal


def test_erasing_during_a_check_is_no_difference(dsn: str) -> None:
    words = WordsAtOnce()
    talked(dsn, words)

    def report(progress: Progress) -> None:
        if progress.stage == "comparing":
            with storing(dsn, [words]) as store:
                say(store, Spoken(1), ConversationErased(requested_by="ada", reason="asked"))

    [proof] = check(dsn, words, report=report)
    assert proof.equal
    assert sum(table.rows for table in proof.tables if table.table == "titles") == 5


def test_what_is_not_built_cannot_be_checked(dsn: str) -> None:
    with pytest.raises(ProjectionNotBuilt):
        check(dsn, Words())


def test_what_a_killed_check_left_is_dropped_by_the_next_replay_and_never_goes_live(dsn: str) -> None:
    talked(dsn, Words())

    def die(progress: Progress) -> None:
        if progress.stage == "comparing":
            with connect(dsn) as connection:
                connection.execute(
                    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE application_name = 'test' AND pid <> pg_backend_pid()"""
                )

    with pytest.raises(OperationalError):
        check(dsn, Words(), report=die)
    assert [each.stage for each in generations(dsn)] == ["live", "retired"]
    Rebuild(connecting(dsn), LOG, [Words()]).run()
    stages: list[Stage] = [each.stage for each in generations(dsn)]
    assert stages == ["live"]
    assert rows(dsn, "SELECT DISTINCT generation FROM checkpoints") == [(2,)]


def test_a_check_of_one_projection_says_nothing_of_another(dsn: str) -> None:
    built(dsn, Words(), Other())
    talk(dsn, spoken(3))
    Follower(connecting(dsn), LOG, [Words(), Other()]).run_once()
    tamper(dsn, "DELETE FROM other_titles_g1")
    words, other = check(dsn, Words(), Other())
    assert words.equal
    assert not other.equal
