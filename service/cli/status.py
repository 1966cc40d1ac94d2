"""`hansard status`: the facts, as a table that fits a terminal."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from service.cli.database import database_of
from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import counted, say
from service.hansard import projections_of
from service.watch.lanes import LaneStatus
from service.watch.status import OtherBuild, ProjectionStatus, RetentionRun, Status, status

LONGEST_VERSION: Final = 16
MINUTE, HOUR, DAY = 60, 3600, 86400


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything, for a program")
    parser.add_argument(
        "--shards", dest="each_shard", action="store_true", help="how many events each shard has"
    )
    parser.add_argument("--parked", action="store_true", help="why each parked conversation is parked")
    takes(parser, *DATABASE, *SHAPING)


def run(options: Namespace) -> int:
    settings = settings_of(options)
    with database_of(settings) as database, database.connect("hansard status") as connection:
        now = status(connection, projections_of(settings), database.topology)
    if options.json:
        say(msgspec.json.format(msgspec.json.encode(now)).decode())
    else:
        for line in table_of(now, shards=options.each_shard, parked=options.parked):
            say(line)
    return 1 if now.needs_somebody else 0


def table_of(status: Status, *, shards: bool = False, parked: bool = False) -> Iterator[str]:
    yield f"PostgreSQL {status.postgresql}" + (f", {status.topology}" if status.topology else "")
    yield from log_lines(status, shards)
    yield ("guarded: " if status.guarded else "NOT guarded: ") + status.guard
    if status.retention is not None:
        yield retention_line(status.retention)
    yield ""
    yield from aligned(
        ("projection", "version", "build", "how far", "parked"), map(projection_row, status.projections)
    )
    yield from warnings(status, parked)


def log_lines(status: Status, shards: bool) -> Iterator[str]:
    heads = [shard.events for shard in status.shards] or [0]
    total = sum(len(lane.shards) for lane in status.lanes)
    yield (
        f"{status.events:,} events in {total} shards, {min(heads):,} to {max(heads):,} in each; "
        f"{counted(len(status.lanes), 'lane')}"
    )
    if len(status.lanes) > 1:
        yield ""
        yield from aligned(("lane", "shards", "node", "part", "events"), map(lane_row, status.lanes))
        yield ""
    if shards:
        yield ""
        rows = ((str(each.shard), str(each.lane), f"{each.events:,}") for each in status.shards)
        yield from aligned(("shard", "lane", "events"), rows)
        yield ""


def lane_row(lane: LaneStatus) -> Sequence[str]:
    part = "" if lane.part is None else str(lane.part)
    events = f"{lane.events:,}" if lane.is_reached else "NOT REACHED"
    return (str(lane.lane), str(len(lane.shards)), lane.node or "", part, events)


def retention_line(run: RetentionRun) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in run.counts.items())
    return f"retention last ran at {run.begun_at:%Y-%m-%d %H:%M %Z}: {counts}"


def projection_row(projection: ProjectionStatus) -> Sequence[str]:
    version = shortened(projection.version)
    if projection.generation is None:
        return (projection.name, version, "", "NOT BUILT", "")
    parked = f"{projection.parked:,}" if projection.parked else ""
    return (projection.name, version, str(projection.generation), distance(projection), parked)


def distance(projection: ProjectionStatus) -> str:
    if projection.in_step:
        return "in step"
    if not projection.behind:
        return "up to date"
    return f"{counted(projection.behind, 'event')} behind, {duration(projection.seconds_behind)}"


def warnings(status: Status, parked: bool) -> Iterator[str]:
    """What a person may have to do something about, and what."""
    lines = [
        *(building(each, status.events) for each in status.building),
        *map(leftover, status.leftovers),
    ]
    if status.away:
        lines.insert(0, away(status.away))
    if status.not_built:
        names = " ".join(each.name for each in status.not_built)
        lines.insert(0, f"not built for this version yet: hansard replay {names}")
    if status.parked:
        lines.append(
            f"{counted(len(status.parked), 'conversation')} parked: hansard replay --parked tries again"
            + ("" if parked else "; --parked shows why")
        )
    if lines:
        yield ""
    yield from lines
    if parked:
        for each in status.parked:
            yield f"  {each.projection}: {each.conversation_id}, shard {each.shard}, position {each.position}"
            yield f"    since {each.parked_at:%Y-%m-%d %H:%M}: {each.error}"


def away(lanes: Sequence[LaneStatus]) -> str:
    nodes = ", ".join(sorted({lane.node for lane in lanes if lane.node}))
    shards = counted(sum(len(lane.shards) for lane in lanes), "shard")
    return f"{shards} cannot be reached: start the database on {nodes}; all figures leave them out"


def building(build: OtherBuild, events: int) -> str:
    done = events - build.behind
    share = done / events if events else 1.0
    return f"{name_of(build)} is being built: {done:,} of {events:,} events, {share:.0%}"


def leftover(build: OtherBuild) -> str:
    if build.stage == "live":
        return f"{name_of(build)} is for another version of Hansard"
    return f"{name_of(build)} is not read any more: the next replay drops it"


def name_of(build: OtherBuild) -> str:
    return f"build {build.generation} of {build.projection} (version {shortened(build.version)})"


def aligned(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    table = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def shortened(version: str) -> str:
    return version if len(version) <= LONGEST_VERSION else version[: LONGEST_VERSION - 1] + "…"


def duration(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.0f} h" if seconds < DAY else f"{seconds / DAY:.0f} days"
