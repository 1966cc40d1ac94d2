"""What is calculated for many messages, and the sample that it is calculated from."""

from statistics import mean

import pytest
from msgspec.structs import replace

from service.bench.planned import NodeSize, PlannedRecord
from service.bench.scale.costs import AppendCost, Costs, MeasuredWork
from service.bench.scale.estimate import amount, size, span
from service.bench.scale.nodes import empty_lanes, largest_lane, nodes_for
from service.bench.scale.plan import levels, plan
from service.bench.scale.processors import ProcessorTime
from service.bench.scale.proportion import whole, whole_with_replay
from service.bench.scale.sample import Sample
from service.bench.scale.sizes import IndexSize, TableSize

KEY = IndexSize("events", "events_pkey", "btree", 1_000, 81_920)
EVENTS = TableSize("events", 1_050, heap=600_000, apart=100_000, pieces=100, indexes=(KEY,))
HISTORY = TableSize("history", 1_000, heap=300_000, apart=0, pieces=0)
WORK = MeasuredWork(1_000, ProcessorTime(0.000_5, 0.000_5))
COSTS = Costs(
    messages=1_000,
    events=1_050,
    tables=[EVENTS, HISTORY],
    append=AppendCost(WORK, wal=5_000, transactions=0.5),
    replay=WORK,
    verify=WORK,
    seal=WORK,
    export=WORK,
    imported=WORK,
    file=700_000,
    places=[0.1, 0.2, 0.3, 0.9],
)


def needed(planned: PlannedRecord) -> dict[str, str]:
    return {row.what: row.needed for row in plan(COSTS, planned)}


def test_bytes_grow_with_messages() -> None:
    planned = PlannedRecord(messages=1_000_000)
    assert whole(COSTS, planned) == 1_000 * (600_000 + 100_000 + 81_920 + 300_000)
    assert whole_with_replay(COSTS, planned) - whole(COSTS, planned) == 1_000 * 300_000  # history once more
    assert needed(planned)["table `events`"] == "782 MB, 1.05 million rows"


def test_hours_are_processor_time_on_so_many_cores() -> None:
    planned = PlannedRecord(messages=28_800_000, node=NodeSize(cores=10))
    assert (
        needed(planned)["replay of all projections"] == "1.05 h of 8 cores"
    )  # four processes, and PostgreSQL
    assert needed(PlannedRecord(messages=36_000_000))["export"] == "10 h of 1 core"


@pytest.mark.parametrize(
    ("node", "runs_out"),
    [
        (NodeSize(cores=1_000, memory=100_000, disk=1), "by_disk"),
        (NodeSize(cores=1_000, memory=1, disk=1_000), "by_memory"),
        (NodeSize(cores=1, memory=100_000, disk=1_000), "by_appends"),
    ],
)
def test_there_are_as_many_nodes_as_what_runs_out_first_needs(node: NodeSize, runs_out: str) -> None:
    nodes = nodes_for(COSTS, PlannedRecord(node=node))
    assert nodes.count == getattr(nodes, runs_out) > 1
    assert nodes.count == max(nodes.by_disk, nodes.by_memory, nodes.by_appends)


def test_shards_do_not_fall_evenly_into_lanes() -> None:
    assert (largest_lane(COSTS.places, 4), empty_lanes(COSTS.places, 4)) == (2, 1)


def test_an_index_is_as_deep_as_its_pages_are_many() -> None:
    assert levels(KEY, 1) == 2
    assert levels(KEY, 100) == 3


def test_a_sample_has_the_proportions_of_the_whole() -> None:
    sample = Sample(PlannedRecord(users=10, conversations=30, messages=600), 200)
    assert (sample.messages, len(sample.talks), len({talk.user_id for talk in sample.talks})) == (200, 10, 3)


def test_messages_are_as_long_as_it_was_asked_on_the_mean() -> None:
    sample = Sample(PlannedRecord(content=600), 20)
    found = [len(sample.message(number).content) for number in range(4_000)]
    assert 540 < mean(found) < 680
    assert max(found) > 5 * mean(found)


def test_a_planned_record_says_what_it_was_not_told() -> None:
    planned = PlannedRecord(users=100, messages=10_000)
    assert (planned.started, planned.of_conversation, planned.of_user) == (500, 20, 5)
    assert replace(planned, conversations=10_000).of_conversation == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (amount(10_500_000_000), "10.5 billion"),
        (amount(640), "640"),
        (size(12_340_000_000_000), "12.3 TB"),
        (size(512), "512 B"),
        (span(90), "1.5 min"),
        (span(3 * 3600), "3 h"),
        (span(100 * 3600), "4.17 days"),
    ],
)
def test_large_numbers_are_said_in_three_digits(said: str, words: str) -> None:
    assert said == words
