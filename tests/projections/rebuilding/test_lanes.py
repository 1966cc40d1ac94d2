"""Replays and checks where the shards do not all lie together: each lane is taken by itself."""

from collections.abc import Sequence
from typing import Any

import pytest
from psycopg import Connection, IsolationLevel

from projections.following import unparking
from projections.following.follower import Follower
from projections.rebuilding import filling
from projections.rebuilding.check import Check
from projections.rebuilding.filling import in_turn
from projections.rebuilding.loading import LoadLimits
from service.store.connections import connect
from service.store.log import DatabaseLog
from service.store.topology.single import SingleServer
from service.store.topology.topology import LanePlace
from tests.projections.rebuilding.replayed import (
    LOG,
    Spoken,
    Words,
    WordsAtOnce,
    built,
    connected,
    connecting,
    say,
    spoken,
    talk,
    wanted,
)
from tests.projections.rebuilding.test_check import check, differences, tamper
from tests.projections.rebuilding.test_rebuild import REAL, SMALL, now, replay, written_by
from tests.service.store.appending import said, storing

LANES = 3
LARGER = LoadLimits(chunk_events=200, segment_events=400)


@pytest.fixture
def dsn(dsn: str) -> str:
    with connect(dsn) as connection:
        connection.execute("UPDATE layout SET lane = shard %% %s", [LANES])
    return dsn


def lane_of(conversation: Spoken) -> int:
    return conversation.shard % LANES


def one_of_each_lane() -> list[Spoken]:
    return list({lane_of(each): each for each in spoken(20)}.values())


def test_every_projection_is_built_and_proved_lane_by_lane(dsn: str) -> None:
    built(dsn, *REAL)
    talk(dsn, spoken(12), projections=REAL)
    Follower(connecting(dsn), LOG, REAL).run_once()
    replay(dsn, *REAL)
    for projection in REAL:
        assert now(dsn, projection) == wanted(dsn, projection)
    assert all(proof.equal for proof in check(dsn, *REAL))


def test_several_processes_fill_a_build_of_several_lanes(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "WORTH_LOADING", 50)
    talk(dsn, spoken(20))
    replay(dsn, Words(), processes=2)
    assert now(dsn, Words()) == wanted(dsn, Words())


def test_nothing_is_missed_under_writers_in_all_lanes(dsn: str) -> None:
    words = WordsAtOnce()
    built(dsn, words)
    talk(dsn, spoken(10), projections=[words])
    with written_by(dsn, 3, words) as acknowledged:
        for _ in range(2):
            replay(dsn, words, limits=LARGER)
            [proof] = Check(connecting(dsn), LOG, [words], limits=LARGER).run()
            assert proof.equal
    assert all(acknowledged)
    assert now(dsn, words) == wanted(dsn, words)


def test_each_lane_is_compared_as_it_is_when_its_turn_comes(dsn: str) -> None:
    """No snapshot spans lanes: what is appended to the last one, while the first is compared, is compared."""
    first, *_, last = sorted(one_of_each_lane(), key=lane_of)
    words = WordsAtOnce()
    built(dsn, words)
    talk(dsn, [first, last], projections=[words])
    with storing(dsn, [words]) as store:

        class Growing(type(LOG)):  # type: ignore[misc]  # the log as it is, but for what comes meanwhile
            def heads_of(self, connection: Connection[Any], lane: Sequence[int]) -> dict[int, int]:
                heads: dict[int, int] = super().heads_of(connection, lane)
                if connection.isolation_level is IsolationLevel.REPEATABLE_READ and first.shard in lane:
                    for each in (first, last):
                        say(store, each, said("meanwhile"))
                return heads

        [proof] = Check(connecting(dsn), Growing(), [words], limits=SMALL).run()
    assert proof.equal
    lines = next(table.rows for table in proof.tables if table.table == "lines")
    assert lines == 2 * 5 + 1, "the one in the first lane came after its snapshot"


def test_what_differs_in_several_lanes_is_told_as_one(dsn: str) -> None:
    conversations = one_of_each_lane()
    built(dsn, Words())
    talk(dsn, conversations)
    Follower(connecting(dsn), LOG, [Words()]).run_once()
    tamper(dsn, "UPDATE titles_g1 SET title = 'forged'")
    tamper(dsn, "UPDATE lines_g1 SET words = 'forged'")
    [proof] = check(dsn, Words())
    told = {table.table: table for table in proof.tables}
    assert told["titles"].shards == told["lines"].shards == sorted(each.shard for each in conversations)
    assert differences(proof)["titles"] == ["differs in title"] * LANES
    assert len(differences(proof)["lines"]) == 5, "the first ones of all lanes together"
    assert (told["titles"].rows, told["lines"].rows, told["counts"].rows) == (LANES, 5 * LANES, LANES)


def test_a_table_that_cannot_be_compared_in_one_lane_is_compared_in_the_others(dsn: str) -> None:
    sick, well, *_ = one_of_each_lane()
    built(dsn, Words())
    talk(dsn, [sick, well])
    with storing(dsn) as store:
        say(store, sick, said("poison", "bad"))
    Follower(connecting(dsn), LOG, [Words()]).run_once()
    tamper(dsn, "UPDATE counts_g1 SET messages = 0")

    def report(progress: Any) -> None:
        if progress.stage == "comparing":
            with connected(dsn) as connection:
                unparking.retry(connection, LOG, Words(cured=True))

    [proof] = check(dsn, Words(cured=True), report=report)
    assert proof.uncomparable == ["counts"]
    assert [table.shards for table in proof.tables if table.table == "counts"] == [[well.shard]]


def test_shards_of_different_servers_are_loaded_at_the_same_time() -> None:
    assert list(in_turn([[0, 3, 5], [1], [2, 4]])) == [0, 1, 2, 3, 4, 5]


def test_a_log_knows_which_shards_one_server_keeps(dsn: str) -> None:
    class TwoServers(SingleServer, frozen=True):
        def places(self, connection: Connection[Any]) -> list[LanePlace]:
            return [LanePlace(0, 1, "one"), LanePlace(1, 2, "another"), LanePlace(2, 3, "one")]

    with connected(dsn) as connection:
        assert LOG.servers(connection) == [[0, 3, 6, 1, 4, 7, 2, 5]]
        assert DatabaseLog(TwoServers()).servers(connection) == [[0, 3, 6, 2, 5], [1, 4, 7]]
