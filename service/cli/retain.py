"""`hansard retain`: what `hansard serve` does once a day, done now; or what it would do, told."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from domain.retention import Due, Retention
from projections.rebuilding.progress import Progress
from service.cli.terminal import Bar, Say
from service.hansard import running
from service.privacy.retention import DueConversation, RetentionReport, retain
from service.settings.settings import Settings

DONE: Final = {Due.ANONYMISE: "anonymised", Due.ERASE: "erased"}
TO_DO: Final = {Due.ANONYMISE: "to anonymise", Due.ERASE: "to erase"}


def retain_now(
    settings: Settings,
    dsn: str,
    retention: Retention,
    say: Say,
    *,
    dry_run: bool = False,
    limit: int | None = None,
    listed: bool = False,
) -> int:
    """Gives back the exit code: 1 if something that is due could not be done."""
    words = TO_DO if dry_run else DONE
    with Bar() as bar:
        count = 0

        def tell(found: DueConversation) -> None:
            nonlocal count
            count += 1
            if listed:
                say(f"{words[found.verdict.due]}  {found.conversation_id}  {found.verdict.rule}")
            bar(Progress(f"{count:,} {'due' if dry_run else 'done'}", count, 0, 0.0, None))

        async def work() -> RetentionReport:
            async with running(settings, dsn) as hansard:
                return await retain(
                    hansard, retention, datetime.now(UTC), dry_run=dry_run, limit=limit, tell=tell
                )

        report = asyncio.run(work())
    for line in told(report, words):
        say(line)
    return 1 if report.failed or report.unread or report.waiting else 0


def told(report: RetentionReport, words: dict[Due, str]) -> Iterator[str]:
    for (rule, due), count in sorted(report.done.items(), key=lambda each: (each[0][0], each[0][1].value)):
        yield f"{rule}: {count:,} {words[due]}"
    if not report.done:
        yield f"nothing {'was' if words is DONE else 'is'} due"
    if report.finished:
        yield f"{report.finished:,} that had been cut off before were finished"
    if report.left:
        yield f"{report.left:,} left for the next run: the list of conversations had not all of them"
    if report.waiting:
        yield f"{report.waiting:,} wait for the replay that is running: run this again after it"
    if report.failed:
        yield f"{report.failed:,} failed: see the lines above"
    if report.unread:
        yield f"{report.unread:,} shards were not looked through: the list of conversations is behind"
    if report.cut_short:
        yield "there may be more: the limit was reached"
