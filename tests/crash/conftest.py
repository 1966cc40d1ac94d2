"""The nodes of a cluster, for tests that kill and freeze them."""

from collections.abc import Iterator

import pytest

from tests.nodes import ClusterServer, nodes_of


@pytest.fixture
def nodes(dsn: str) -> Iterator[list[ClusterServer]]:
    """All of them run when the test is over, whatever came of it."""
    found = nodes_of(dsn)
    try:
        yield found
    finally:
        for node in found:
            node.start()
