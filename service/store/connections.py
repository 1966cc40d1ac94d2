"""How Hansard connects to its database: its schema, and the role that may only add to the log."""

from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

SCHEMA: Final = "hansard"
RUNTIME_ROLE: Final = "hansard_runtime"

MAY_BE_RUNTIME: Final = """
SELECT 1 FROM pg_roles WHERE rolname = %(role)s AND pg_has_role(current_user, oid, 'MEMBER')"""

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

    @classmethod
    def open(cls, dsn: str) -> "Database":
        with connect(dsn) as connection:
            found = connection.execute(MAY_BE_RUNTIME, {"role": RUNTIME_ROLE}).fetchone()
        return cls(dsn, RUNTIME_ROLE if found else None)

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
