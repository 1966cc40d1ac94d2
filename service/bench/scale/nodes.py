"""How many nodes a cluster needs, by what runs out first."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final

from msgspec import Struct

from service.bench.planned import GIBIBYTE, TERABYTE, PlannedRecord
from service.bench.scale.costs import Costs
from service.bench.scale.estimate import Estimate
from service.bench.scale.proportion import hot, indexed_by_user, peak, whole_with_replay

LANES: Final = 4
"""Of each node: so that a fourth of one can be moved, and few enough for the connections that they cost."""
FILLED: Final = 0.7
"""So much of a disk is used: PostgreSQL's own logs, sorting and the next months need the rest."""
CACHE: Final = 0.5
"""So much of the memory keeps pages that a day's users touch."""
BUSY: Final = 0.5
"""So much of the processors appends may take at the peak: reads need the rest."""
CLUSTERED: Final = 2.5
"""On the nodes of a cluster an append takes so many times the processor time that it takes on one server: a
lane's batches are smaller than those of all of them. As measured with eight lanes on two nodes."""
COORDINATED: Final = 2.7
"""So many times on the coordinator, beside that."""
OF_PROCESS: Final = 0.5
"""So much of one processor a worker process has for appends: requests and reads need the rest."""
FEWEST_PROCESSES: Final = 2
"""So that one can be replaced while another serves."""


class Nodes(Struct, frozen=True):
    by_disk: int
    by_memory: int
    by_appends: int
    processes: int
    """Of Hansard, for the appends of the peak."""

    @property
    def count(self) -> int:
        return max(self.by_disk, self.by_memory, self.by_appends)

    @property
    def lanes(self) -> int:
        return self.count * LANES


def nodes_for(costs: Costs, planned: PlannedRecord) -> Nodes:
    node, used = planned.node, costs.append.work.used
    return Nodes(
        ceil(whole_with_replay(costs, planned) / (node.disk * TERABYTE * FILLED)),
        ceil(hot(costs, planned) / (node.memory * GIBIBYTE * CACHE)),
        ceil(peak(planned) * used.postgres * CLUSTERED / (node.cores * BUSY)),
        max(FEWEST_PROCESSES, ceil(peak(planned) * used.python / OF_PROCESS)),
    )


def machines(costs: Costs, planned: PlannedRecord, nodes: Nodes) -> Iterator[Estimate]:
    size = planned.node
    yield Estimate("nodes by disk", "", f"{nodes.by_disk}", f"filled to {FILLED:.0%}, a replay included")
    yield Estimate(
        "nodes by memory",
        f"{indexed_by_user(costs)} indexes",
        f"{nodes.by_memory}",
        f"{CACHE:.0%} of it keeps what a day's users touch",
    )
    yield Estimate(
        "nodes by appends",
        "",
        f"{nodes.by_appends}",
        f"{BUSY:.0%} of the cores, {CLUSTERED:g} times the processor time of one server (measured by hand)",
    )
    coordinator = peak(planned) * costs.append.work.used.postgres * COORDINATED
    yield Estimate(
        "the coordinator's processor time for appends",
        "",
        f"{coordinator:,.1f} cores at the peak",
        f"{COORDINATED:g} times that of one server (measured by hand)",
    )
    each = f"{size.cores} cores, {size.memory} GiB, {size.disk} TB each (given)"
    yield Estimate("nodes", "", f"{nodes.count}, and a standby of each", each)
    yield Estimate("lanes", "", f"{nodes.lanes}", f"{LANES} a node (assumed)")
    largest, empty = largest_lane(costs.places, nodes.lanes), empty_lanes(costs.places, nodes.lanes)
    yield Estimate(
        "the largest lane",
        f"{largest} of {planned.shards} shards; {empty} lanes have none",
        f"{largest / planned.shards:.1%} of all, where {1 / nodes.lanes:.1%} were even",
        "Citus's own function",
    )


def largest_lane(places: Sequence[float], lanes: int) -> int:
    """How many shards it has: a lane is a stretch of what Citus makes of a shard's number."""
    return max(shards_of(places, lanes).values())


def empty_lanes(places: Sequence[float], lanes: int) -> int:
    return lanes - len(shards_of(places, lanes))


def shards_of(places: Sequence[float], lanes: int) -> Counter[int]:
    return Counter(int(each * lanes) for each in places)
