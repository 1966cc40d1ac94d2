"""What `hansard retain` takes."""

from argparse import ArgumentParser, Namespace

from service.cli.terminal import positive, say, warn
from service.settings.settings import BadSetting, Settings, retention_of


def retain_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="tell what would be done, and do nothing")
    parser.add_argument("--limit", type=positive, metavar="N", help="do so many and no more [all]")
    parser.add_argument("--list", action="store_true", dest="listed", help="name each conversation, too")


def run_retain(settings: Settings, given: Namespace) -> int:
    from service.cli.retain import retain_now
    from service.postgres.opened import opened

    retention = retention_of(settings)
    if not retention.says_anything:
        raise BadSetting(
            "everything is kept: give HANSARD_RETENTION_ANONYMISE_AFTER or HANSARD_RETENTION_ERASE_AFTER, "
            "or rules in HANSARD_RETENTION_RULES"
        )
    with opened(settings, warn) as found:
        return retain_now(
            settings,
            found.dsn,
            retention,
            say,
            dry_run=given.dry_run,
            limit=given.limit,
            listed=given.listed,
        )
