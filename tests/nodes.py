"""The servers of a Citus cluster on this machine, which a test kills, freezes and starts again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from service.store.connections import Database, connect
from service.store.layout import lanes

PATIENCE = 60
HOME = """
SELECT current_setting('data_directory'), (SELECT setting FROM pg_config WHERE name = 'BINDIR')"""
NODES = """
SELECT nodename, nodeport FROM pg_dist_node
WHERE noderole = 'primary' AND isactive AND shouldhaveshards ORDER BY nodeport"""


class ClusterServer:
    """One PostgreSQL of the cluster: a node, or the coordinator."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        """Of the database that the test works on, there."""
        with psycopg.connect(dsn, autocommit=True) as connection:
            data, programs = connection.execute(HOME).fetchone() or ("", "")
            self.address = f"{connection.info.host}:{connection.info.port}"
        self._data = Path(data)
        self._pg_ctl = Path(programs) / "pg_ctl"

    def kill(self) -> None:
        """All of it at once, as when its machine fails."""
        processes = self._processes()
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(processes, PATIENCE)

    def start(self) -> None:
        """If it does not run; it recovers first what it had written before it was killed."""
        if self._processes():
            return
        owner = self._data.stat()
        start = ["-D", str(self._data), "-l", str(self._data / "log"), "-w", "-t", str(PATIENCE), "start"]
        subprocess.run(
            [self._pg_ctl, *start],
            user=owner.st_uid,
            group=owner.st_gid,
            env={"PATH": os.environ["PATH"], "HOME": str(self._data)},
            cwd=self._data,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @contextmanager
    def frozen(self) -> Iterator[None]:
        processes = self._processes()
        for each in processes:
            each.suspend()
        try:
            yield
        finally:
            for each in processes:
                if each.is_running():
                    each.resume()

    def _processes(self) -> list[psutil.Process]:
        """The first of them, and all that it has started."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().partition("\n")[0])
            first = psutil.Process(pid)
            return [first, *first.children(recursive=True)] if first.name() == "postgres" else []
        except (FileNotFoundError, psutil.NoSuchProcess):
            return []


def nodes_of(dsn: str) -> list[ClusterServer]:
    """Of the cluster whose coordinator this is, those that keep data."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(NODES).fetchall()
    return [ClusterServer(make_conninfo(dsn, host=host, port=port)) for host, port in found]


def node_of_each_shard(dsn: str) -> dict[int, str]:
    """By its address."""
    with connect(dsn) as connection:
        node_of = {place.lane: place.node for place in Database.open(dsn).topology.places(connection)}
        return {shard: node_of[lane[0]] for lane in lanes(connection) for shard in lane}
