"""PostgreSQL by itself: its own pgbench, which comes with the server, does the least that the work needs."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from service.bench.figures import Timing
from service.postgres.embedded import programs
from service.store.connections import SCHEMA

CLIENTS: Final = 32
RATE: Final = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
LATENCY: Final = re.compile(r"^latency average = ([0-9.]+) ms", re.MULTILINE)
NAMES: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
}


class PgbenchFailed(Exception):
    """pgbench did not come to its end."""


def pgbench(dsn: str, folder: Path, scripts: Sequence[str], seconds: float, clients: int = CLIENTS) -> Timing:
    """Each transaction is one of the scripts, by chance; how long one took is the average."""
    names = []
    for number, script in enumerate(scripts):
        path = folder / f"script-{number}.sql"
        path.write_text(script)
        names += ["-f", str(path)]
    threads = min(clients, os.cpu_count() or 1)
    done = subprocess.run(
        [
            str(programs() / "pgbench"),
            *("--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={threads}"),
            *(f"--time={max(1, round(seconds))}", *names),
        ],
        env=environment(dsn),
        capture_output=True,
        text=True,
        check=False,
    )
    rate, latency = RATE.search(done.stdout), LATENCY.search(done.stdout)
    if done.returncode or rate is None or latency is None:
        raise PgbenchFailed(done.stderr.strip() or done.stdout.strip())
    return Timing(float(rate[1]), float(latency[1]) / 1000, 0.0)


def environment(dsn: str) -> dict[str, str]:
    """A password does not belong into a command, where every process can see it."""
    given = conninfo_to_dict(dsn)
    reached = {variable: str(given[name]) for name, variable in NAMES.items() if given.get(name)}
    options = {"PGOPTIONS": f"-c search_path={SCHEMA},public"}
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"} | options | reached
