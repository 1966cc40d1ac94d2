"""Replies that broke off and that nobody has ended: what was said of them so far is not on the record."""

from datetime import UTC
from typing import Any, Final

from psycopg import Connection

from service.verify.faults import MOST_LISTED, Fault
from service.verify.shard import Verified

LONG: Final = 60.0
"""Seconds after its lease in which a service that runs has ended it."""
WHO_ENDS_IT: Final = "a service that runs puts on the record what there was of it"

CUT_OFF: Final = """
SELECT shard, conversation_id, lease_until, count(*) OVER () FROM drafts
WHERE lease_until < now() - make_interval(secs => %(long)s)
ORDER BY lease_until LIMIT %(limit)s"""


def verify_replies(connection: Connection[Any]) -> Verified:
    found = connection.execute(CUT_OFF, {"long": LONG, "limit": MOST_LISTED}).fetchall()
    faults = tuple(
        Fault(f"its reply broke off at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: {WHO_ENDS_IT}", *where)
        for *where, at, _ in found
    )
    return Verified(0, 0, faults, found[0][-1] if found else 0)
