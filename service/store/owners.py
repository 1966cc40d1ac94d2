"""Whom the projections' tables belong to: the role that makes and drops them, unless they are being moved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Connection, errors, sql

from domain.errors import Refusal
from projections.generations import wait_no_longer
from service.store.advisory import trying
from service.store.roles import RUNTIME_ROLE

KEY: Final = 0x6D6F76696E67  # "moving"
ATTEMPTS: Final = 10
PATIENCE: Final = "2s"
"""For the locks on all builds: who waits for them holds up those who read."""

OF_OTHERS: Final = """
SELECT b.name FROM build_tables AS b JOIN pg_class AS c ON c.oid = to_regclass(b.name)
WHERE pg_get_userbyid(c.relowner) <> %(role)s AND EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)
ORDER BY 1"""
GIVE: Final = "ALTER TABLE {} OWNER TO {}"


class MoveUnderWay(Refusal):
    """Parts of the log are being moved already: wait for that"""


class BuildsAreRead(Refusal):
    """Somebody has been reading the projections' tables for longer than they can be waited for: try again
    when exports and replays are done"""


@contextmanager
def alone(connection: Connection[Any]) -> Iterator[None]:
    """Nobody else moves tables, or says whom they belong to."""
    with trying(connection, KEY) as is_alone:
        if not is_alone:
            raise MoveUnderWay
        yield


def give_to_their_maker(connection: Connection[Any]) -> None:
    """Who restores a backup may own what is in it; and a move that was cut off leaves all to one owner."""
    builds = connection.execute(OF_OTHERS, {"role": RUNTIME_ROLE}).fetchall()
    carry_out(connection, [given(GIVE, name, RUNTIME_ROLE) for (name,) in builds])


def carry_out(connection: Connection[Any], statements: Sequence[sql.Composed]) -> None:
    """All of them or none."""
    if not statements:
        return
    for _ in range(ATTEMPTS):
        try:
            with connection.transaction():
                wait_no_longer(connection, PATIENCE)
                for statement in statements:
                    connection.execute(statement)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            continue
        return
    raise BuildsAreRead


def given(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))
