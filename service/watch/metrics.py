"""What is counted, and how it is told to Prometheus: the sum over all workers, whichever of them is asked.

Each worker counts in files of a folder that `hansard serve` makes, and that Prometheus' own client knows as
PROMETHEUS_MULTIPROC_DIR. It has to be set before this module is imported. Where it is not set, as in a test,
the counts are this process's own.
"""

import os
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector
from psycopg_pool import AsyncConnectionPool

from domain.errors import CommandReused, VersionConflict
from service.store.append import Append, Appended
from service.store.observer import Look, Observer
from service.store.store import Store
from service.watch.look import Sighting
from service.watch.status import RetentionRun

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
HERE: Final = CollectorRegistry()

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
EVENTS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

APPENDS: Final = Counter("hansard_appends", "Appends by what became of them.", ["outcome"], registry=HERE)
BATCH_EVENTS: Final = Histogram(
    "hansard_batch_events", "Events that were stored in one commit.", buckets=EVENTS, registry=HERE
)
COMMIT_SECONDS: Final = Histogram(
    "hansard_commit_seconds", "One commit, from the lane's lock to the disk.", buckets=SECONDS, registry=HERE
)
LOOKS: Final = Counter(
    "hansard_append_looks",
    "Looks at the log for batches: remembered, taken, and how many of the remembered were stale.",
    ["look"],
    registry=HERE,
)
REQUESTS: Final = Counter(
    "hansard_http_requests", "Requests by route, method and class of status.", ["route", "method", "status"],
    registry=HERE,
)  # fmt: skip
REQUEST_SECONDS: Final = Histogram(
    "hansard_http_request_seconds", "Requests until the end of their answer.", ["route", "method"],
    buckets=SECONDS, registry=HERE,
)  # fmt: skip
WAITING: Final = Gauge(
    "hansard_appends_waiting", "Appends that wait to be stored.", registry=HERE, multiprocess_mode="livesum"
)
POOL: Final = Gauge(
    "hansard_read_connections",
    "Connections for reading.",
    ["state"],
    registry=HERE,
    multiprocess_mode="livesum",
)
POOL_WAITING: Final = Gauge(
    "hansard_read_waiting", "Reads that wait for a connection.", registry=HERE, multiprocess_mode="livesum"
)
POOL_WAITS: Final = Counter("hansard_read_waits", "Reads that had to wait for a connection.", registry=HERE)
POOL_WAIT_SECONDS: Final = Counter(
    "hansard_read_wait_seconds", "How long they waited, all together.", registry=HERE
)

OUTCOMES: Final = {
    name: APPENDS.labels(name) for name in ("stored", "repeated", "conflict", "refused", "failed")
}


LOOKS_BY_KIND: Final = {name: LOOKS.labels(name) for name in get_args(Look)}


class CountingObserver(Observer):
    """Counts what the writer tells: a few calls a batch, however many appends are in it."""

    def stored(self, events: int, seconds: float) -> None:
        BATCH_EVENTS.observe(events)
        COMMIT_SECONDS.observe(seconds)

    def looked(self, how: Look) -> None:
        LOOKS_BY_KIND[how].inc()

    def answered(self, appends: Sequence[Append]) -> None:
        for name, number in Tally(outcome_of(append.outcome) for append in appends).items():
            OUTCOMES[name].inc(number)


def outcome_of(outcome: Any) -> str:
    if isinstance(outcome, Appended):
        return "repeated" if outcome.repeated else "stored"
    if isinstance(outcome, VersionConflict):
        return "conflict"
    return "refused" if isinstance(outcome, CommandReused) else "failed"


def count_request(route: str, method: str, status: int, seconds: float | None = None) -> None:
    requests_of(route, method, f"{status // 100}xx").inc()
    if seconds is not None:
        seconds_of(route, method).observe(seconds)


@cache
def requests_of(route: str, method: str, status: str) -> Counter:
    return REQUESTS.labels(route, method, status)


@cache
def seconds_of(route: str, method: str) -> Histogram:
    return REQUEST_SECONDS.labels(route, method)


def measure(store: Store, pool: AsyncConnectionPool[Any]) -> None:
    """What is not counted as it happens, but is so and so now."""
    WAITING.set(store.waiting())
    stats = pool.pop_stats()  # the counters since the last time, and how it is now
    free, size = stats.get("pool_available", 0), stats.get("pool_size", 0)
    POOL.labels("free").set(free)
    POOL.labels("taken").set(size - free)
    POOL_WAITING.set(stats.get("requests_waiting", 0))
    POOL_WAITS.inc(stats.get("requests_queued", 0))
    POOL_WAIT_SECONDS.inc(stats.get("requests_wait_ms", 0) / 1000)


class OfTheDatabase(Collector):
    """What only the database knows; nothing but that it is away where it does not answer."""

    def __init__(self, look: Sighting) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        status = self._look.status
        yield GaugeMetricFamily(
            "hansard_database_up", "Whether the database answers.", int(status is not None)
        )
        if status is None:
            return
        yield GaugeMetricFamily("hansard_events", "Events in the log.", status.events)
        shards = GaugeMetricFamily("hansard_shards", "Shards of the log.", labels=["state"])
        away = sum(len(lane.shards) for lane in status.away)
        shards.add_metric(["reached"], sum(len(lane.shards) for lane in status.lanes) - away)
        shards.add_metric(["away"], away)
        yield shards
        drafts = GaugeMetricFamily("hansard_drafts", "Replies that are under way.", labels=["state"])
        drafts.add_metric(["running"], status.drafts.running)
        drafts.add_metric(["orphaned"], status.drafts.orphaned)
        yield drafts
        if status.retention is not None:
            yield from of_retention(status.retention)
        behind = by_projection("hansard_projection_behind_events", "Events that a projection has not got.")
        seconds = by_projection("hansard_projection_behind_seconds", "The age of the oldest of them.")
        parked = by_projection("hansard_parked_conversations", "Conversations that it could not take whole.")
        built = by_projection("hansard_projection_built", "Whether it is built for this version.")
        for each in status.projections:
            behind.add_metric([each.name], each.behind)
            seconds.add_metric([each.name], each.seconds_behind)
            parked.add_metric([each.name], each.parked)
            built.add_metric([each.name], int(each.generation is not None))
        yield from (behind, seconds, parked, built)


def of_retention(run: RetentionRun) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "hansard_retention_last_run_timestamp_seconds",
        "When the last run of retention began that came to its end, in seconds since 1970.",
        run.begun_at.timestamp(),
    )
    outcomes = GaugeMetricFamily(
        "hansard_retention_last_run_conversations", "What became of them in it.", labels=["outcome"]
    )
    for outcome, count in run.counts.items():
        outcomes.add_metric([outcome], count)
    yield outcomes


def by_projection(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=["projection"])


def exposition(look: Sighting) -> bytes:
    registry = CollectorRegistry()
    if folder := os.environ.get(FOLDER):
        forget_the_dead(Path(folder))
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    else:
        registry.register(HERE)
    registry.register(OfTheDatabase(look))
    return generate_latest(registry)


def forget_the_dead(folder: Path) -> None:
    """A worker that was killed has nothing waiting any more; what it counted stays counted."""
    for process in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]
        except PermissionError:
            pass
