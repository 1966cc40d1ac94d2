"""What is known of a topology without a cluster."""

import pytest

from service.cli.main import main
from service.store.connections import Database, connect
from service.store.topology.citus import CitusTooOld, ShardPlace, apart, check_version
from service.store.topology.distribution import Distribution, shards_for
from service.store.topology.single import SingleServer


def test_a_database_of_one_server_is_known_as_one(dsn: str) -> None:
    topology = Database.open(dsn).topology
    assert topology == SingleServer()
    with connect(dsn) as connection:
        topology.settle(connection)
        topology.check(connection)
        assert topology.places(connection) == []


def test_it_cannot_be_distributed(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--dsn", dsn, "--distribute"]) == 1
    assert "The database has no Citus: run CREATE EXTENSION citus" in capsys.readouterr().err


@pytest.mark.parametrize("flag", [["--move-data"], ["--citus-shards", "8"]])
def test_how_to_distribute_is_refused_without_that_it_is_wanted(
    dsn: str, flag: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--dsn", dsn, *flag]) == 2
    assert "give --distribute, too" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["13.2.0", "13.2.2", "13.10.1", "14.0"])
def test_a_version_that_was_tried_or_is_later_will_do(version: str) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["13.1.9", "12.9.0", "9.5.12"])
def test_an_older_one_does_not(version: str) -> None:
    with pytest.raises(CitusTooOld, match=rf"has Citus {version}; Hansard was tried on 13\.2 and later"):
        check_version(version)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], []),
        ([(0, 0, 7), (1, 1, 8), (2, 0, 7)], []),
        ([(0, 0, 7), (1, 1, 8), (2, 0, 9)], [2]),  # what was one place was split
        ([(0, 0, 7), (1, 1, 7), (2, 0, 7)], [1]),  # two lanes lie in one place
    ],
)
def test_shards_that_lie_apart_from_their_lane_are_found(
    places: list[tuple[int, int, int]], expected: list[int]
) -> None:
    assert apart([ShardPlace(*each) for each in places]) == expected


@pytest.mark.parametrize(
    ("nodes", "wanted", "shards"), [(1, None, 4), (2, None, 4), (3, None, 6), (20, None, 40), (2, 3, 3)]
)
def test_there_are_some_parts_for_each_node(nodes: int, wanted: int | None, shards: int) -> None:
    assert shards_for(nodes, Distribution(wanted)) == shards
