"""How Hansard connects to its database: its schema, the role that may only add to the log, and the one that
may empty what was said in it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import ConnectionTimeout

from projections.rows.silence import PatientConnection, Silence
from service.store.patience import StorePatience
from service.store.poolers import ASKED, check_direct, naming_poolers
from service.store.roles import ERASER_ROLE, RUNTIME_ROLE
from service.store.topology.found import topology_of
from service.store.topology.single import NOTHING_MORE, SingleServer
from service.store.topology.topology import Topology

SCHEMA: Final = "hansard"
BOUNDS_TRANSACTIONS: Final = 170_000
"""From this version on PostgreSQL can end a transaction that lasts too long, whatever it waits for."""

MAY_BE: Final = """
SELECT rolname FROM pg_roles WHERE rolname = ANY(%(roles)s) AND pg_has_role(current_user, oid, 'MEMBER')"""

RUNTIME_PARAMETERS: Final = {
    "search_path": SCHEMA,
    # Appends look once more after they have got the lane's lock, and must see what was committed meanwhile.
    "default_transaction_isolation": "read committed",
    # A process that is stopped in the middle of a transaction must not hold what it has locked for ever.
    "idle_in_transaction_session_timeout": "30s",
    # The database or the role may have been given limits of these; replays and idle connections take long.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",
    # By these PostgreSQL notices that a client's machine is gone.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15s",
    # By this one we notice whether the others were heard of at all.
    ASKED: "true",
}
KEEPALIVES: Final = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""By these the client notices that the database's machine is gone."""
CLIENT_PARAMETERS: Final = {"connect_timeout": "5", **KEEPALIVES}
"""The DSN may say otherwise."""


class Database(Struct, frozen=True):
    """One database, as the running service sees it."""

    dsn: str
    role: str | None = None
    """NULL where roles could not be made: then nothing but care keeps the log append-only."""
    eraser: str | None = None
    """What a process becomes for as long as it empties events. NULL beside a role: it may erase nothing."""
    version: int = 0
    patience: StorePatience = StorePatience()
    topology: Topology = SingleServer()

    @classmethod
    def open(cls, dsn: str, patience: StorePatience | None = None) -> "Database":
        patience = patience or StorePatience()
        with naming_poolers():
            connection = PatientConnection.connect(conninfo(dsn), autocommit=True, application_name="hansard")
        with connection:
            connection.patience = patience.asked
            check_direct(connection, SCHEMA)
            found = connection.execute(MAY_BE, {"roles": [RUNTIME_ROLE, ERASER_ROLE]}).fetchall()
            version = connection.info.server_version
            topology = topology_of(connection)
        roles = {name for (name,) in found}
        return cls(
            dsn,
            RUNTIME_ROLE if RUNTIME_ROLE in roles else None,
            ERASER_ROLE if ERASER_ROLE in roles else None,
            version,
            patience,
            topology,
        )

    @property
    def conninfo(self) -> str:
        return self.conninfo_with(NOTHING_MORE)

    def conninfo_with(self, parameters: Mapping[str, str]) -> str:
        """Parameters of PostgreSQL's; one that it is too old to know is left out."""
        given = {"transaction_timeout": "0", **parameters, **self.topology.parameters}
        if self.role is not None:
            given["role"] = self.role
        if self.version < BOUNDS_TRANSACTIONS:
            del given["transaction_timeout"]
        return conninfo(self.dsn, given)

    def connect(
        self,
        name: str = "hansard",
        patience: float | None = None,
        parameters: Mapping[str, str] = NOTHING_MORE,
    ) -> Connection[Any]:
        """With a patience the connection is given up when connecting or an answer takes longer."""
        conninfo = self.conninfo_with(parameters)
        if patience is not None:
            conninfo = make_conninfo(conninfo, connect_timeout=max(1, round(patience)))
        try:
            connection = PatientConnection.connect(
                conninfo, autocommit=True, prepare_threshold=0, application_name=name
            )
        except ConnectionTimeout:
            raise Silence from None
        connection.patience = patience
        return connection


def connect(dsn: str) -> Connection[Any]:
    """As the DSN's own user: for migrations."""
    with naming_poolers():
        connection = Connection.connect(conninfo(dsn), autocommit=True, application_name="hansard")
    try:
        check_direct(connection, SCHEMA)
        if connection.info.server_version >= BOUNDS_TRANSACTIONS:
            connection.execute("SET transaction_timeout = 0")
    except BaseException:
        connection.close()
        raise
    return connection


def conninfo(dsn: str, parameters: Mapping[str, str] | None = None) -> str:
    given: dict[str, Any] = {**CLIENT_PARAMETERS, **conninfo_to_dict(dsn)}
    options = [given.get("options") or ""]
    for name, value in {**RUNTIME_PARAMETERS, **(parameters or {})}.items():
        escaped = value.replace(" ", r"\ ")
        options.append(f"-c {name}={escaped}")
    given["options"] = " ".join(options).strip()
    return make_conninfo(**given)
