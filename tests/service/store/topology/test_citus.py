"""A database on a cluster: distributed once, with what is in it, and never by halves."""

from pathlib import Path

import psycopg
import pytest

from projections.rebuilding.guard import guarded
from service.cli.main import main
from service.store.connections import Database, connect
from service.store.layout import lanes
from service.store.store import Store
from service.store.topology.citus import LanesDisagree
from service.store.topology.found import NotTheCoordinator
from tests.cluster import COORDINATOR
from tests.conftest import SHARDS
from tests.nodes import ClusterServer, nodes_of
from tests.service.store.appending import rows
from tests.service.watch.given import PROJECTIONS, append
from tests.serving import hansard

pytestmark = pytest.mark.skipif(COORDINATOR is None, reason="HANSARD_TEST_CITUS leads to no coordinator")

DISTRIBUTED = """
SELECT logicalrelid::text, partmethod, colocationid = (
    SELECT colocationid FROM pg_dist_partition WHERE logicalrelid = 'events'::regclass)
FROM pg_dist_partition"""
KEEP_OFF = """
SELECT citus_set_node_property(nodename, nodeport, 'shouldhaveshards', false) FROM pg_dist_node"""
OWNERS = "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'hansard' ORDER BY 1"
MOVE = """
SELECT citus_move_shard_placement(
    shardid, %(from)s, %(from_port)s::integer, %(to)s, %(to_port)s::integer, 'auto')
FROM pg_dist_placement JOIN pg_dist_shard USING (shardid) JOIN pg_dist_node USING (groupid)
WHERE logicalrelid = 'hansard.events'::regclass AND nodeport = %(from_port)s ORDER BY shardid LIMIT 1"""
MOVE_WITHOUT_WRITES = MOVE.replace("'auto'", "'block_writes'")
SPLIT = """
SELECT citus_split_shard_by_split_points(
    shardid, ARRAY[((shardminvalue::bigint + shardmaxvalue::bigint) / 2)::text],
    ARRAY[nodeid, nodeid]::integer[], 'block_writes')
FROM pg_dist_shard JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)
WHERE logicalrelid = 'events'::regclass ORDER BY shardid LIMIT 1"""


def migrate(dsn: str, *flags: str) -> int:
    return main(["migrate", "--dsn", dsn, "--shards", str(SHARDS), *flags])


def test_what_grows_with_users_lies_beside_the_events_and_the_rest_does_not(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(empty_dsn, "--distribute") == 0
    assert "8 shards in 4 lanes on 2 nodes" in capsys.readouterr().out
    placed = {name: (how, beside) for name, how, beside in rows(empty_dsn, DISTRIBUTED)}
    assert placed.pop("generations") == ("n", False)
    assert set(placed.values()) == {("h", True)}
    assert {"events", "lanes", "checkpoints", "history_g1", "search_g1", "names", "reads"} <= placed.keys()
    assert not {"layout", "migrations", "service_keys", "replays"} & placed.keys()


def test_once_more_it_changes_nothing(empty_dsn: str) -> None:
    assert migrate(empty_dsn, "--distribute") == 0
    before = rows(empty_dsn, DISTRIBUTED + " ORDER BY 1")
    assert migrate(empty_dsn, "--distribute", "--citus-shards", "16", "--move-data") == 0
    assert migrate(empty_dsn) == 0
    assert rows(empty_dsn, DISTRIBUTED + " ORDER BY 1") == before


def test_what_was_said_is_moved_when_it_is_asked_for(
    empty_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, seal = tmp_path / "key", tmp_path / "seal"
    assert migrate(empty_dsn) == 0
    append(empty_dsn, 50)
    assert main(["keys", "seal", "--out", str(key)]) == 0
    assert main(["seal", "--dsn", empty_dsn, "--key", str(key), "--out", str(seal)]) == 0
    before = rows(empty_dsn, "SELECT * FROM events ORDER BY shard, position")
    capsys.readouterr()

    assert migrate(empty_dsn, "--distribute") == 1
    assert "give --move-data to have them moved to the nodes" in capsys.readouterr().err
    assert rows(empty_dsn, "SELECT count(*) FROM pg_dist_partition") == [(0,)]

    assert migrate(empty_dsn, "--distribute", "--move-data") == 0
    assert rows(empty_dsn, "SELECT * FROM events ORDER BY shard, position") == before
    assert main(["verify", "--dsn", empty_dsn, "--seal", str(seal), "--public-key", f"{key}.pub"]) == 0
    assert main(["replay", "--dsn", empty_dsn, "--check"]) == 0
    append(empty_dsn, 5)
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute("SET citus.enable_ddl_propagation = off")
        left = "SELECT pg_relation_size('hansard.events')"
        assert connection.execute(left).fetchall() == [(0,)], "nothing is left where it was"


def test_nothing_is_moved_under_somebody_who_appends(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate(empty_dsn) == 0
    append(empty_dsn, 1)
    with Database.open(empty_dsn).connect("hansard writer"):
        assert migrate(empty_dsn, "--distribute", "--move-data") == 1
    assert "Connected are hansard writer" in capsys.readouterr().err


def test_a_cluster_without_a_node_for_data_is_refused(
    empty_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        connection.execute(KEEP_OFF)
    assert migrate(empty_dsn, "--distribute") == 1
    assert "has no node that takes data: run SELECT citus_add_node('HOST', PORT)" in capsys.readouterr().err


def test_a_node_is_refused_for_its_coordinator(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    node = nodes_of(dsn)[0].dsn
    with pytest.raises(NotTheCoordinator, match="leads to a node of a Citus cluster"):
        Database.open(node)
    assert migrate(node) == 1
    assert "give one that leads to its coordinator" in capsys.readouterr().err


def test_lanes_that_were_split_are_refused_until_they_are_laid_out_anew(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    append(dsn, 3)
    before = len(lanes_of(dsn))
    with psycopg.connect(dsn, autocommit=True, options="-csearch_path=hansard") as connection:
        connection.execute(SPLIT)
    with pytest.raises(LanesDisagree, match="stop every process of Hansard, and run `hansard migrate`"):
        Store(Database.open(dsn))
    with Database.open(dsn).connect("hansard follower"):
        assert migrate(dsn) == 1
        assert "stop every process of Hansard first" in capsys.readouterr().err
    assert migrate(dsn) == 0
    assert len(lanes_of(dsn)) > before
    append(dsn, 3)
    assert main(["replay", "--dsn", dsn, "--check"]) == 0


def test_parts_are_moved_by_hansard_or_while_nobody_writes(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Citus by itself would lose what is written meanwhile: the tables have two owners."""
    append(dsn, 3)
    owners = rows(dsn, OWNERS)
    away, here = nodes_of(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="relation lanes"):
            connection.execute(MOVE, move_to(away, here))
        connection.execute(MOVE_WITHOUT_WRITES, move_to(away, here))
    with Database.open(dsn).connect() as runtime, guarded(runtime, PROJECTIONS):
        assert migrate(dsn, "--rebalance") == 1
        assert "is being replayed already" in capsys.readouterr().err
    assert migrate(dsn, "--rebalance") == 0
    assert f"has moved from {here.address} to {away.address}" in capsys.readouterr().out
    assert rows(dsn, OWNERS) == owners, "each belongs to whoever it belonged to before"
    assert migrate(dsn, "--rebalance") == 0
    assert "nothing has moved" in capsys.readouterr().out
    append(dsn, 3)
    assert main(["replay", "--dsn", dsn, "history"]) == 0, "whoever replays may drop what was built before"
    assert main(["replay", "--dsn", dsn, "--check"]) == 0


def test_serving_is_refused_in_one_line_on_a_node_and_on_lanes_that_disagree(dsn: str) -> None:
    on_node = hansard("serve", "--port", "0", "--dsn", nodes_of(dsn)[0].dsn)
    assert (on_node.returncode, on_node.stderr.count("\n")) == (1, 1)
    assert "give one that leads to its coordinator" in on_node.stderr
    with psycopg.connect(dsn, autocommit=True, options="-csearch_path=hansard") as connection:
        connection.execute(SPLIT)
    with Database.open(dsn).connect("hansard writer"):
        while_others_write = hansard("serve", "--port", "0", "--dsn", dsn)
    assert (while_others_write.returncode, while_others_write.stderr.count("\n")) == (1, 1)
    assert "stop every process of Hansard first" in while_others_write.stderr


def move_to(source: ClusterServer, target: ClusterServer) -> dict[str, str | int]:
    (from_host, from_port), (to_host, to_port) = (each.address.split(":") for each in (source, target))
    return {"from": from_host, "from_port": int(from_port), "to": to_host, "to_port": int(to_port)}


def lanes_of(dsn: str) -> list[list[int]]:
    with connect(dsn) as connection:
        return lanes(connection)


def test_roles_keep_the_log_as_it_is_on_the_nodes_too(dsn: str) -> None:
    database = Database.open(dsn)
    append(dsn, 1)
    with database.connect() as connection:
        for changing in ("UPDATE events SET state = NULL", "DELETE FROM events", "TRUNCATE events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(changing.encode())
