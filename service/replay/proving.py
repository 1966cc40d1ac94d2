"""Projections compared with a fresh fold of the log, in as many processes as this machine has cores for."""

from collections.abc import Sequence
from functools import partial

from projections.projection import Projection
from projections.rebuilding.check import Check, CheckResult
from projections.rebuilding.loaders import processes_here
from projections.rebuilding.progress import Report
from service.replay.report import NAME
from service.store.connections import Database
from service.store.log import DatabaseLog


def proofs_of(
    database: Database,
    projections: Sequence[Projection],
    report: Report = lambda progress: None,
    processes: int | None = None,
) -> list[CheckResult]:
    connect, log = partial(database.connect, NAME), DatabaseLog(database.topology)
    return Check(connect, log, projections, report, processes=processes or processes_here()).run()
