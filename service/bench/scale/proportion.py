"""What a sample becomes when all of it grows in proportion."""

from typing import Final

from service.bench.planned import PlannedRecord
from service.bench.scale.costs import Costs
from service.bench.scale.sizes import IndexSize, TableSize

BUILT: Final = ("history", "conversations", "conversation_links", "search", "usage")
"""What a replay makes once more, beside what is there; each of them can be built by itself."""
WORTH: Final = 0.01
"""What has fewer of the bytes is not named."""
PAGE: Final = 8192


def times(costs: Costs, planned: PlannedRecord) -> float:
    return planned.messages / costs.messages


def events(costs: Costs, planned: PlannedRecord) -> float:
    return costs.events * times(costs, planned)


def peak(planned: PlannedRecord) -> float:
    """Appends a second."""
    return planned.appends * planned.peak


def total(costs: Costs) -> int:
    return sum(table.bytes for table in costs.tables)


def whole(costs: Costs, planned: PlannedRecord) -> float:
    """All bytes."""
    return total(costs) * times(costs, planned)


def whole_with_replay(costs: Costs, planned: PlannedRecord) -> float:
    """Of the largest projection: they are built one after the other."""
    twice = max(table.bytes for table in costs.tables if table.name in BUILT)
    return (total(costs) + twice) * times(costs, planned)


def large_tables(costs: Costs) -> list[TableSize]:
    return [table for table in costs.tables if table.bytes >= total(costs) * WORTH]


def large_indexes(costs: Costs) -> list[IndexSize]:
    found = (index for table in costs.tables for index in table.indexes)
    large = [index for index in found if index.bytes >= total(costs) * WORTH]
    return sorted(large, key=lambda index: -index.bytes)


def indexed_by_user(costs: Costs) -> int:
    """Of how many indexes a user's messages lie on pages that hardly anybody else's lie on."""
    return sum(index.kind == "btree" for index in large_indexes(costs))


def hot(costs: Costs, planned: PlannedRecord) -> float:
    """Bytes of what a day's users touch: of each index a page, since none is near another's."""
    return planned.users * planned.active / 100 * indexed_by_user(costs) * PAGE
