"""A node is added to a cluster, and shards are moved to it, while many write and read: nobody notices."""

import logging
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from service.store.connections import connect
from service.store.topology.rebalance import rebalance
from tests.cluster import COORDINATOR
from tests.crash.moving import Client, crowd
from tests.nodes import nodes_of
from tests.serving import Service, hansard, serving

pytestmark = [
    pytest.mark.skipif(COORDINATOR is None, reason="HANSARD_TEST_CITUS leads to no coordinator"),
    pytest.mark.timeout(300),
]
log = logging.getLogger(__name__)
"""`-o log_cli=true --log-cli-level=INFO` shows how long it took."""

DRAIN = "SELECT citus_drain_node(%(host)s, %(port)s, shard_transfer_mode => 'block_writes')"
CLEAR = "CALL citus_cleanup_orphaned_resources()"
"""What was moved is dropped where it was, or it could not come back."""
REMOVE = "SELECT citus_remove_node(%(host)s, %(port)s)"
ADD = "SELECT citus_add_node(%(host)s, %(port)s)"
PAGE = 200


def test_a_node_that_is_added_under_load_takes_its_part_and_no_request_fails(
    dsn: str, data: Path, tmp_path: Path
) -> None:
    node = taken_out(dsn)
    with (
        serving("--dsn", dsn, "--workers", "2", data=data, output=tmp_path / "said") as service,
        crowd(service.url) as clients,
    ):
        clients.wait_for_more(10)
        log.info("before: %s", clients.told())
        with psycopg.connect(dsn, autocommit=True) as coordinator:
            coordinator.execute(ADD, node)
        with connect(dsn) as owner:
            moved = rebalance(owner)
        log.info("meanwhile: %s", clients.told())
        clients.wait_for_more(10)
        log.info("after: %s", clients.told())
        clients.stop()
        assert clients.failed == [], service.said[-5_000:]
        for client in clients.clients:
            assert said(service, client) == client.acknowledged
    assert {after.node for _, after in moved} == {f"{node['host']}:{node['port']}"}
    verified = hansard("verify", "--dsn", dsn)
    assert verified.returncode == 0, verified.stdout


def taken_out(dsn: str) -> dict[str, str | int]:
    """The last node, which the cluster does not know any more."""
    given = conninfo_to_dict(nodes_of(dsn)[-1].dsn)
    node: dict[str, str | int] = {"host": str(given["host"]), "port": int(str(given["port"]))}
    with psycopg.connect(dsn, autocommit=True) as coordinator:
        for statement in (DRAIN, CLEAR, REMOVE):
            coordinator.execute(statement, node if "%" in statement else None)
    return node


def said(service: Service, client: Client) -> list[str]:
    """All of it, oldest first."""
    texts: list[str] = []
    path, before = f"{service.url}/api/conversations/{client.conversation}/messages", None
    while True:
        asked = {"limit": str(PAGE)} | ({"before": before} if before else {})
        page = httpx.get(path, params=asked, headers={"X-User-Id": client.user}).raise_for_status().json()
        texts = [each["content"] for each in page["messages"]] + texts
        if (before := page["older"]) is None:
            return texts
