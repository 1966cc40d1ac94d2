"""Two roles keep the log as it is: one can only add to it, the other can only empty what was said."""

import logging
from contextlib import suppress
from typing import Any, Final

from psycopg import Connection, OperationalError, errors, sql

from projections.rows.silence import is_part_away
from service.store.connections import SCHEMA
from service.store.owners import MoveUnderWay, alone, give_to_their_maker
from service.store.roles import ERASER_ROLE, RUNTIME_ROLE
from service.store.topology.topology import Topology

log = logging.getLogger("hansard.migrate")

CAN_MAKE_ROLES: Final = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
HAS_ROLE: Final = "SELECT 1 FROM pg_roles WHERE rolname = %(role)s"
REDACTED: Final = "state, state_salt, message_id, user_id, actor, request_id, person_salt"
"""The columns of an event that erasing empties: no digest is among them."""

# FOR UPDATE asks for the right to update one column, though nothing ever updates a lane.
GRANTS: Final = """
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
GRANT SELECT, INSERT ON events TO {role};
GRANT SELECT, UPDATE (lane) ON lanes TO {role};
GRANT SELECT ON migrations, layout TO {role};
GRANT SELECT, INSERT, UPDATE ON service_keys TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE
    ON snapshots, generations, build_tables, checkpoints, parked, deferred, drafts, attachments TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON receipts, redactions TO {role};
GRANT SELECT, INSERT, UPDATE (user_id, reader, request_id), DELETE ON reads TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON replays, activity TO {role};
GRANT SELECT, INSERT, DELETE ON names TO {role};
GRANT SELECT, INSERT ON retention_runs TO {role};
GRANT SELECT, INSERT ON incarnations TO {role};
GRANT {role} TO CURRENT_USER;
GRANT USAGE ON SCHEMA {schema} TO {eraser};
GRANT SELECT (shard, conversation_id, version, topic, {redacted}), UPDATE ({redacted}) ON events TO {eraser};
GRANT {eraser} TO CURRENT_USER"""
CAN_LOG_IN: Final = "SELECT rolcanlogin FROM pg_roles WHERE rolname = %(role)s"


def guard(connection: Connection[Any], topology: Topology) -> bool:
    """Makes the roles and gives them what they need; False where the DSN's user may not make roles."""
    for role in (RUNTIME_ROLE, ERASER_ROLE):
        if not has_role(connection, role):
            return False
        if topology.is_spread:
            let_in(connection, role)
    names = {
        "schema": sql.Identifier(SCHEMA),
        "role": sql.Identifier(RUNTIME_ROLE),
        "eraser": sql.Identifier(ERASER_ROLE),
        "redacted": sql.SQL(REDACTED),
    }
    try:
        with connection.transaction():
            for grant in GRANTS.split(";"):
                connection.execute(sql.SQL(grant).format(**names))
        with suppress(MoveUnderWay), alone(connection):
            give_to_their_maker(connection)
    except (errors.InsufficientPrivilege, errors.InvalidGrantOperation):
        return False
    except OperationalError as away:
        if not is_part_away(connection, away):
            raise
        log.warning("the roles keep the rights that they have, for not all nodes can be reached: %s", away)
    return True


def has_role(connection: Connection[Any], role: str) -> bool:
    """Makes it where it is missing and may be made."""
    if connection.execute(HAS_ROLE, {"role": role}).fetchone() is None:
        may = connection.execute(CAN_MAKE_ROLES).fetchone()
        if may is None or not may[0]:
            return False
        # Another database may have been migrated just now.
        with suppress(errors.DuplicateObject, errors.UniqueViolation):
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    return True


def let_in(connection: Connection[Any], role: str) -> None:
    """A coordinator connects to its nodes as the role that asks it."""
    if connection.execute(CAN_LOG_IN, {"role": role}).fetchone() != (True,):
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))
