"""How Hansard connects to its database: its schema, the role that may only add to the log, and the one that
may empty what was said in it."""

from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

SCHEMA: Final = "hansard"
RUNTIME_ROLE: Final = "hansard_runtime"
ERASER_ROLE: Final = "hansard_eraser"

MAY_BE: Final = """
SELECT rolname FROM pg_roles WHERE rolname = ANY(%(roles)s) AND pg_has_role(current_user, oid, 'MEMBER')"""

RUNTIME_PARAMETERS: Final = {
    "search_path": SCHEMA,
    # A process that is stopped in the middle of an append must not hold the lane's lock for ever.
    "idle_in_transaction_session_timeout": "30s",
    "jit": "off",
}


class Database(Struct, frozen=True):
    """One database, as the running service sees it."""

    dsn: str
    role: str | None = None
    """NULL where roles could not be made: then nothing but care keeps the log append-only."""
    eraser: str | None = None
    """What a process becomes for as long as it empties events. NULL beside a role: it may erase nothing."""

    @classmethod
    def open(cls, dsn: str) -> "Database":
        with connect(dsn) as connection:
            found = connection.execute(MAY_BE, {"roles": [RUNTIME_ROLE, ERASER_ROLE]}).fetchall()
        roles = {name for (name,) in found}
        return cls(
            dsn,
            RUNTIME_ROLE if RUNTIME_ROLE in roles else None,
            ERASER_ROLE if ERASER_ROLE in roles else None,
        )

    @property
    def conninfo(self) -> str:
        return conninfo(self.dsn, role=self.role)

    def connect(self, name: str = "hansard") -> psycopg.Connection[Any]:
        return psycopg.connect(self.conninfo, autocommit=True, prepare_threshold=0, application_name=name)


def connect(dsn: str) -> psycopg.Connection[Any]:
    """As the DSN's own user: for migrations."""
    return psycopg.connect(conninfo(dsn), autocommit=True, application_name="hansard")


def conninfo(dsn: str, role: str | None = None) -> str:
    given: dict[str, Any] = conninfo_to_dict(dsn)
    parameters = dict(RUNTIME_PARAMETERS, **({"role": role} if role else {}))
    options = " ".join(f"-c {name}={value}" for name, value in parameters.items())
    given["options"] = f"{given.get('options') or ''} {options}".strip()
    given.setdefault("connect_timeout", "10")
    return make_conninfo(**given)
