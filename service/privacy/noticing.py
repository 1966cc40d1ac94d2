"""Notices that the log was restored from an older backup: the journal of erasures knows what it does not."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from service.privacy import journal
from service.privacy.receipts import Receipt
from service.store.connections import Database
from service.store.incarnation import Incarnation, begin_another, current

REASON: Final = "the journal of erasures knew what the log did not"

HERE: Final = """
SELECT id FROM receipts WHERE shard = ANY(%(shards)s::smallint[]) AND id = ANY(%(ids)s)"""


def notice(database: Database, path: Path | None) -> Incarnation | None:
    """The incarnation that begins, if one does. An erasure from before the one that is now is no news."""
    if path is None or not path.exists():
        return None
    with database.connect("hansard restore watch") as connection:
        known = current(connection)
        since = [each for each in journal.read(path) if (each.finished_at or known.begun_at) > known.begun_at]
        if not missing(connection, since):
            return None
        return begin_another(connection, known, REASON)


def in_words(begun: Incarnation) -> str:
    return (
        "the journal of erasures knows what this database does not: it was restored from a backup."
        f" Incarnation {begun.number} begins, and cursors and ETags from before are refused."
        " Run `hansard erase --again-since TIME`, with the time of the backup"
    )


def missing(connection: Connection[Any], entries: Iterable[Receipt]) -> bool:
    """A finished receipt never goes, and is in the journal only once it is in the database."""
    shard_of = {each.id: each.shard for each in entries}
    given = {"shards": sorted(set(shard_of.values())), "ids": list(shard_of)}
    here = {receipt_id for (receipt_id,) in connection.execute(HERE, given)}
    return bool(shard_of.keys() - here)
