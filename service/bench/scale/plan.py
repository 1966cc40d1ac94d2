"""What is needed for many messages, calculated from what a few cost: pure arithmetic, nothing is measured."""

from collections.abc import Iterator
from math import ceil, log
from typing import Final

from projections.rebuilding.loaders import MOST_PROCESSES as MOST_LOADERS
from service.bench.planned import PlannedRecord
from service.bench.scale.costs import TASKS, Costs, MeasuredWork
from service.bench.scale.estimate import DAY, Estimate, amount, size, span
from service.bench.scale.nodes import Nodes, largest_lane, machines, nodes_for
from service.bench.scale.proportion import (
    PAGE,
    events,
    hot,
    indexed_by_user,
    large_indexes,
    large_tables,
    peak,
    times,
    total,
    whole,
    whole_with_replay,
)
from service.bench.scale.sizes import IndexSize
from service.verify.log import MOST_PROCESSES as MOST_CHECKERS

FREEZE: Final = 200_000_000
"""Transactions after which PostgreSQL goes through a table to freeze what is not frozen yet."""
TRANSACTIONS: Final = 2
"""Where none shares one: its own, and that of the projections that follow."""
LARGEST_TABLE: Final = 32 * 2**40
"""PostgreSQL's: 2^32 pages."""
MOST_APART: Final = 2**32
"""Values that PostgreSQL can keep beside the rows of one table."""
POOL: Final = 9
"""Connections of a process, with the default pool, beside those of its lanes."""
OF_LANE: Final = 3
"""Its writer's, its follower's, and one for short reads."""
BACKUP: Final = 200_000_000
"""Bytes a second of a base backup of one node."""


def plan(costs: Costs, planned: PlannedRecord) -> list[Estimate]:
    nodes = nodes_for(costs, planned)
    return [
        *record(costs, planned),
        *disk(costs, planned),
        *indexes(costs, planned, nodes),
        *traffic(costs, planned),
        *machines(costs, planned, nodes),
        *upkeep(costs, planned, nodes),
        *limits(costs, planned, nodes),
    ]


def record(costs: Costs, planned: PlannedRecord) -> Iterator[Estimate]:
    yield Estimate("users", "", amount(planned.users), "given")
    yield Estimate("messages", amount(costs.messages), amount(planned.messages), "given")
    each = f"{planned.of_conversation} messages each (assumed)"
    yield Estimate("conversations", "", amount(planned.started), each)
    known = "one a message, and the start of each conversation"
    yield Estimate("events", amount(costs.events), amount(events(costs, planned)), known)
    of_shard = events(costs, planned) / planned.shards
    yield Estimate(f"events of each of {planned.shards} shards", "", amount(of_shard), "divided")


def disk(costs: Costs, planned: PlannedRecord) -> Iterator[Estimate]:
    factor = times(costs, planned)
    for table in large_tables(costs):
        every, rows, beside, indexed = (
            f"{each / costs.messages:,.0f}" for each in (table.bytes, table.heap, table.apart, table.indexed)
        )
        yield Estimate(
            f"table `{table.name}`",
            f"{every} B a message: {rows} in rows, {beside} beside them, {indexed} in indexes",
            f"{size(table.bytes * factor)}, {amount(table.rows * factor)} rows",
            "in proportion",
        )
    here = f"{total(costs) / costs.messages:,.0f} B a message"
    yield Estimate("all tables", here, size(whole(costs, planned)), "in proportion")
    twice = size(whole_with_replay(costs, planned))
    yield Estimate("the same while a replay builds the largest projection", "", twice, "that one twice")


def indexes(costs: Costs, planned: PlannedRecord, nodes: Nodes) -> Iterator[Estimate]:
    factor = times(costs, planned)
    for index in large_indexes(costs):
        needed = f"{size(index.bytes * factor)}; {size(index.bytes * factor / nodes.lanes)} in each lane"
        if index.kind == "btree":
            needed += f"; {levels(index, factor)} levels, {levels(index, factor / nodes.lanes)} in a lane"
        here = f"{index.bytes / costs.messages:,.0f} B a message"
        yield Estimate(f"index `{index.name}`", here, needed, "in proportion")
    yield Estimate(
        "memory for what a day's users touch",
        f"{indexed_by_user(costs)} B-trees",
        size(hot(costs, planned)),
        f"a page of each for {planned.active} of 100 users (assumed); the words of `search` need more",
    )


def traffic(costs: Costs, planned: PlannedRecord) -> Iterator[Estimate]:
    one, most = costs.append, peak(planned)
    used = one.work.used
    yield Estimate("appends, mean", "", f"{planned.appends:,.0f}/s", f"of {planned.years} years (assumed)")
    known = f"{planned.peak} times the mean (assumed)"
    yield Estimate("appends, at the peak", f"{one.work.rate:,.0f}/s", f"{most:,.0f}/s", known)
    yield Estimate(
        "PostgreSQL's processor time for them",
        f"{used.postgres * 1e6:,.0f} µs an append",
        f"{used.postgres * most:,.1f} cores at the peak",
        "on one server, `search` and `usage` included",
    )
    yield Estimate(
        "Hansard's processor time for them",
        f"{used.python * 1e6:,.0f} µs an append",
        f"{used.python * most:,.1f} cores at the peak",
        "without HTTP",
    )
    yield Estimate(
        "write-ahead log",
        f"{size(one.wal)} an append",
        f"{size(one.wal * most)}/s at the peak; {size(one.wal * planned.appends * DAY)} a day",
        "just after a checkpoint, when each page is logged whole",
    )


def upkeep(costs: Costs, planned: PlannedRecord, nodes: Nodes) -> Iterator[Estimate]:
    every = events(costs, planned)
    yield long("replay of all projections", costs.replay, every, cores_of(MOST_LOADERS, planned))
    yield long("verify, the chains", costs.verify, every, cores_of(MOST_CHECKERS, planned))
    yield long("seal", costs.seal, every, 1)
    yield long("export", costs.export, planned.messages, 1)
    yield long("import", costs.imported, planned.messages, 2)
    each = costs.file / costs.messages
    here = f"{each:,.0f} B a message"
    yield Estimate("the file of an export", here, size(each * planned.messages), "in proportion")
    longest = whole(costs, planned) / nodes.count / BACKUP
    yield Estimate(
        "base backup, all nodes at once", "", span(longest), f"{size(BACKUP)}/s from each node (assumed)"
    )


def cores_of(processes: int, planned: PlannedRecord) -> int:
    """PostgreSQL has one at work for each."""
    return min(2 * processes, planned.node.cores)


def long(what: str, work: MeasuredWork, count: float, cores: int) -> Estimate:
    each = work.used.together
    here = f"{each * 1e6:,.1f} µs of a processor each; {work.rate:,.0f}/s"
    whole = "1 core" if cores == 1 else f"{cores} cores"
    return Estimate(
        what, here, f"{span(count * each / cores)} of {whole}", "processor time, if no disk is waited for"
    )


def limits(costs: Costs, planned: PlannedRecord, nodes: Nodes) -> Iterator[Estimate]:
    factor = times(costs, planned)
    share = largest_lane(costs.places, nodes.lanes) / planned.shards
    heap = max(costs.tables, key=lambda table: max(table.heap, table.apart))
    most = max(heap.heap, heap.apart) * factor / LARGEST_TABLE
    yield Estimate(
        f"`{heap.name}` beside the largest table",
        "",
        f"{most:.0%} on one server; {most * share:.1%} in the largest lane",
        "PostgreSQL's: 32 TB",
    )
    apart = max(costs.tables, key=lambda table: table.pieces)
    most = apart.pieces * factor / MOST_APART
    yield Estimate(
        f"long values of `{apart.name}` beside the most of a table",
        f"{apart.pieces / costs.messages:.2f} a message",
        f"{most:.0%} on one server; {most * share:.1%} in the largest lane",
        "PostgreSQL's: 2^32",
    )
    lasts = FREEZE / TRANSACTIONS / planned.appends
    yield Estimate(
        "time until tables have to be frozen",
        f"{costs.append.transactions:.2f} transactions an append, {TASKS} at a time",
        f"{span(lasts)} on one server; {span(lasts * nodes.count)} on a node",
        f"200 million transactions; {TRANSACTIONS} for an append by itself, at the mean rate (assumed)",
    )
    connections = nodes.processes * (POOL + OF_LANE * nodes.lanes)
    yield Estimate(
        "connections to the coordinator",
        "",
        f"{connections:,} of {nodes.processes} processes",
        f"{POOL} and {OF_LANE} a lane for each; half a core of each is for appends (assumed)",
    )


def levels(index: IndexSize, factor: float) -> int:
    """Of a B-tree with so many times the entries: pages hold as many as those of the sample do."""
    each = max(2.0, index.entries * PAGE / index.bytes)
    return 1 + ceil(log(max(1.0, index.bytes * factor / PAGE), each))
