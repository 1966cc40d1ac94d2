"""`hansard retain`: what `hansard serve` does once a day, done now; or what it would do, told."""

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from domain.retention import Due, Retention
from projections.rebuilding.progress import Progress
from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import Bar, positive, say, warn
from service.hansard import running
from service.postgres.opened import opened
from service.privacy.retention import DueConversation, RetentionReport, retain
from service.settings.settings import BadSetting, Settings, retention_of

POLICY: Final = ("retention_anonymise_after", "retention_erase_after", "retention_rules")
DONE: Final = {Due.ANONYMISE: "anonymised", Due.ERASE: "erased"}
TO_DO: Final = {Due.ANONYMISE: "to anonymise", Due.ERASE: "to erase"}


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and do nothing")
    parser.add_argument("--limit", type=positive, metavar="N", help="do so many and no more [all]")
    parser.add_argument("--list", action="store_true", dest="listed", help="name each conversation, too")
    takes(parser, *DATABASE, *SHAPING, *POLICY, "erasure_journal")


def run(options: Namespace) -> int:
    """Gives back the exit code: 1 if something that is due could not be done."""
    settings = settings_of(options)
    retention = retention_of(settings)
    if not retention.says_anything:
        raise BadSetting(
            "everything is kept: give HANSARD_RETENTION_ANONYMISE_AFTER or HANSARD_RETENTION_ERASE_AFTER, "
            "or rules in HANSARD_RETENTION_RULES"
        )
    words = TO_DO if options.dry_run else DONE
    with opened(settings, warn) as found, Bar() as bar:
        telling = Telling(bar, words, options.listed)
        report = asyncio.run(retained(settings, found.dsn, retention, options, telling))
    for line in in_words(report, words):
        say(line)
    return 1 if report.failed or report.unread or report.waiting else 0


async def retained(
    settings: Settings, dsn: str, retention: Retention, options: Namespace, tell: "Telling"
) -> RetentionReport:
    async with running(settings, dsn) as hansard:
        return await retain(
            hansard,
            retention,
            datetime.now(UTC),
            dry_run=options.dry_run,
            limit=options.limit,
            tell=tell,
        )


class Telling:
    """Counts what is found due, and names it where that was asked for."""

    def __init__(self, bar: Bar, words: dict[Due, str], listed: bool) -> None:
        self._bar = bar
        self._words = words
        self._listed = listed
        self._count = 0

    def __call__(self, found: DueConversation) -> None:
        self._count += 1
        if self._listed:
            say(f"{self._words[found.verdict.due]}  {found.conversation_id}  {found.verdict.rule}")
        stage = f"{self._count:,} {'done' if self._words is DONE else 'due'}"
        self._bar(Progress(stage, self._count, 0, 0.0, None))


def in_words(report: RetentionReport, words: dict[Due, str]) -> Iterator[str]:
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
        yield f"{report.unread:,} shards were not looked through: the list is behind, or they are away"
    if report.cut_short:
        yield "there may be more: the limit was reached"
