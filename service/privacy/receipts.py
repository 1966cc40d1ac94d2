"""Receipts: written before anything is erased, finished when nothing is left, found again by whoever asks
for the same; and the list of what each is about, so that what was cut off can be gone on with.

A receipt names its subject only while it is under way. From then on there is a salted digest of it: enough
to recognise a subject that one knows, and useless for finding out who was erased.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct
from psycopg import AsyncConnection, errors
from psycopg.rows import class_row
from psycopg.types.json import Json

from domain.errors import CommandReused
from projections.rows.silence import is_part_away
from service.privacy.wishes import Action, Kind, Wish, digest_of, encode_wish
from service.store.append import CommandKey
from service.store.ids import new_id
from service.store.randomness import sixteen_bytes
from service.store.reach import Reach

COLUMNS: Final = (
    "shard, id, action, kind, salt, digest, wish, requested_by, reason, command_id, command_digest, counts,"
    " version, position, requested_at, finished_at"
)
ADD: Final = f"""
INSERT INTO receipts ({COLUMNS}) VALUES (
    %(shard)s, %(id)s, %(action)s, %(kind)s, %(salt)s, %(digest)s, %(wish)s, %(requested_by)s, %(reason)s,
    %(command_id)s, %(command_digest)s, %(counts)s, %(version)s, %(position)s, %(requested_at)s,
    %(finished_at)s)"""  # noqa: S608 - of the names above, here and in all that follow
BY_ID: Final = f"""
SELECT {COLUMNS} FROM receipts WHERE shard = ANY(%(shards)s::smallint[]) AND id = %(id)s"""  # noqa: S608
OF_COMMAND: Final = f"""
SELECT {COLUMNS} FROM receipts
WHERE shard = ANY(%(shards)s::smallint[]) AND command_id = %(command_id)s"""  # noqa: S608
OF_KIND: Final = f"""
SELECT {COLUMNS} FROM receipts
WHERE shard = %(shard)s AND action = %(action)s AND kind = %(kind)s
ORDER BY requested_at DESC, id DESC"""  # noqa: S608
UNDER_WAY: Final = f"""
SELECT {COLUMNS} FROM receipts
WHERE shard = ANY(%(shards)s::smallint[]) AND finished_at IS NULL ORDER BY requested_at"""  # noqa: S608
FINISH: Final = """
UPDATE receipts
SET wish = NULL, counts = %(counts)s, version = %(version)s, position = %(position)s,
    finished_at = %(finished_at)s
WHERE shard = %(shard)s AND id = %(id)s"""
WITHDRAW: Final = "DELETE FROM receipts WHERE shard = %(shard)s AND id = %(id)s AND finished_at IS NULL"

NOTE: Final = """
INSERT INTO redactions (shard, receipt_id, of_shard, conversation_id, counts)
VALUES (%(shard)s, %(id)s, %(of_shard)s, %(conversation_id)s, %(counts)s)
ON CONFLICT (shard, receipt_id, of_shard, conversation_id) DO UPDATE SET counts = excluded.counts"""
NOTED: Final = """
SELECT of_shard, conversation_id, counts FROM redactions
WHERE shard = %(shard)s AND receipt_id = %(id)s ORDER BY of_shard, conversation_id"""
FORGET_NOTES: Final = "DELETE FROM redactions WHERE shard = %(shard)s AND receipt_id = %(id)s"

Connection = AsyncConnection[Any]


class Receipt(Struct, frozen=True, kw_only=True):
    shard: int
    id: UUID
    action: Action
    kind: Kind
    salt: bytes
    digest: bytes
    wish: bytes | None
    requested_by: str
    reason: str
    command_id: UUID | None = None
    command_digest: bytes | None = None
    counts: dict[str, int] = {}
    version: int | None = None
    position: int | None = None
    requested_at: datetime
    finished_at: datetime | None = None

    def is_about(self, subject: bytes) -> bool:
        return digest_of(subject, self.salt) == self.digest


class Noted(Struct, frozen=True):
    """One conversation of a receipt under way, and what there was of it before."""

    of_shard: int
    conversation_id: UUID
    counts: dict[str, int]


def new_receipt(
    shard: int, wish: Wish, requested_by: str, reason: str, command: CommandKey | None = None
) -> Receipt:
    salt = sixteen_bytes()
    return Receipt(
        shard=shard,
        id=new_id(),
        action=wish.action,
        kind=wish.kind,
        salt=salt,
        digest=wish.digest(salt),
        wish=encode_wish(wish),
        requested_by=requested_by,
        reason=reason,
        command_id=command.id if command else None,
        command_digest=command.digest if command else None,
        requested_at=datetime.now(UTC),
    )


async def add(connection: Connection, receipt: Receipt) -> None:
    given = msgspec.structs.asdict(receipt) | {"counts": Json(receipt.counts)}
    try:
        await connection.execute(ADD.encode(), given)
    except errors.UniqueViolation:
        raise CommandReused from None  # under the same key something else is being erased just now


async def find(connection: Connection, shards: int, receipt_id: UUID) -> Receipt | None:
    found = await fetch(connection, BY_ID, {"shards": list(range(shards)), "id": receipt_id})
    return found[0] if found else None


async def of_command(connection: Connection, shards: Sequence[int], command: CommandKey) -> Receipt | None:
    found = await fetch(connection, OF_COMMAND, {"shards": list(shards), "command_id": command.id})
    if found and found[0].command_digest != command.digest:
        raise CommandReused
    return found[0] if found else None


async def latest_of(connection: Connection, shard: int, wish: Wish) -> Receipt | None:
    """Nothing but trying finds it: each has a salt of its own."""
    given = {"shard": shard, "action": wish.action, "kind": wish.kind}
    found = await fetch(connection, OF_KIND, given)
    return next((receipt for receipt in found if receipt.is_about(wish.subject)), None)


async def is_finished(connection: Connection, receipt: Receipt) -> bool:
    """Now, and not when it was read; also if it was withdrawn."""
    found = await fetch(connection, BY_ID, {"shards": [receipt.shard], "id": receipt.id})
    return not found or found[0].wish is None


async def under_way(connection: Connection, reach: Reach) -> list[Receipt]:
    """The oldest first. Those of a lane that is away wait until it is back."""
    found: list[Receipt] = []
    for lane in reach.lanes():
        try:
            found += await fetch(connection, UNDER_WAY, {"shards": list(lane)})
        except psycopg.Error as error:
            if not is_part_away(connection, error):
                raise
    return sorted(found, key=lambda receipt: receipt.requested_at)


async def withdraw(connection: Connection, receipt: Receipt) -> None:
    """Of a wish that was refused: nothing was touched."""
    async with connection.transaction():
        await connection.execute(FORGET_NOTES, name_of(receipt))
        await connection.execute(WITHDRAW, name_of(receipt))


async def finish(connection: Connection, receipt: Receipt) -> None:
    """As it is given, with its counts; what names the subject goes."""
    given = msgspec.structs.asdict(receipt) | {"counts": Json(receipt.counts)}
    async with connection.transaction():
        await connection.execute(FORGET_NOTES, name_of(receipt))
        await connection.execute(FINISH, given)


async def note(connection: Connection, receipt: Receipt, conversations: Sequence[Noted]) -> None:
    async with connection.transaction():
        for each in conversations:
            given = {"of_shard": each.of_shard, "conversation_id": each.conversation_id}
            await connection.execute(NOTE, name_of(receipt) | given | {"counts": Json(each.counts)})


async def noted(connection: Connection, receipt: Receipt) -> list[Noted]:
    cursor = connection.cursor(row_factory=class_row(Noted))
    await cursor.execute(NOTED, name_of(receipt))
    return await cursor.fetchall()


def name_of(receipt: Receipt) -> dict[str, Any]:
    return {"shard": receipt.shard, "id": receipt.id}


async def fetch(connection: Connection, query: str, given: dict[str, Any]) -> list[Receipt]:
    cursor = connection.cursor(row_factory=class_row(Receipt))
    await cursor.execute(query.encode(), given)
    return await cursor.fetchall()
