"""Has PostgreSQL explain each statement that is sent to it, and tell over the same connection.

That is auto_explain's work: nothing has to know which statements there are, how they are sent, or with which
parameters. It explains what is planned: neither COPY nor what changes tables themselves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg
from msgspec import json
from psycopg.conninfo import conninfo_to_dict, make_conninfo

EXPLAINING: Final = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
}
PLAN: Final = "  plan:\n"
"""Of auto_explain's words, those before what it tells."""
METHOD: Final = '"INSERT/SELECT method"'
"""Citus says so where it does not hand an insert on as it is."""


class Explained(NamedTuple):
    statement: str
    tasks: tuple[int, ...]
    """How many statements are sent to the nodes, for each part of it that they are asked."""
    pulled: bool
    """Rows come to the coordinator, and go back to the nodes from there."""

    @property
    def is_routed(self) -> bool:
        """As it is, to the node of the one lane that it is about; or it asks no node."""
        return all(each == 1 for each in self.tasks) and not self.pulled


def explaining(dsn: str) -> str:
    """The DSN with which everything is explained."""
    options = " ".join(f"-c {name}={value}" for name, value in EXPLAINING.items())
    return make_conninfo(dsn, options=f"{conninfo_to_dict(dsn).get('options') or ''} {options}".strip())


@contextmanager
def hearing(patch: Any) -> Iterator[list[Explained]]:
    """What is explained in this process meanwhile."""
    heard: list[Explained] = []
    before = psycopg.BaseConnection._notice_handler

    def hear(connection: Any, result: Any) -> None:
        text = (result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
        _, found, plan = text.partition(PLAN)
        if found:
            told = json.decode(plan)
            heard.append(Explained(told["Query Text"], tuple(tasks(told["Plan"])), METHOD in plan))
        else:
            before(connection, result)

    patch.setattr(psycopg.BaseConnection, "_notice_handler", staticmethod(hear))
    yield heard


def tasks(plan: Any) -> Iterator[int]:
    match plan:
        case {"Task Count": int(count)}:
            yield count
    for each in plan.values() if isinstance(plan, dict) else plan if isinstance(plan, list) else ():
        yield from tasks(each)
