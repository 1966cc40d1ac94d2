"""What `hansard erase` takes."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from uuid import UUID

from domain.events import Link
from service.cli.terminal import say, warn
from service.settings.settings import Settings


def erase_arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--user", metavar="ID", help="everything of this user")
    what.add_argument("--conversation", type=UUID, metavar="ID", help="this conversation")
    what.add_argument("--opportunity", metavar="ID", help="every conversation linked to it, whoever's it is")
    what.add_argument("--link", type=link, metavar="KIND:ID", help="the same of another kind of link")
    what.add_argument(
        "--unfinished",
        action="store_true",
        help="go on with the erasures that were cut off, and nothing else",
    )
    what.add_argument(
        "--again-since",
        type=moment,
        metavar="TIME",
        help="after a restore: apply what was erased since then once more, from the journal",
    )
    parser.add_argument("--reason", help="why; the log and the receipt keep it")
    parser.add_argument("--yes", action="store_true", help="do not ask whether that is meant")


def link(text: str) -> Link:
    kind, colon, target = text.partition(":")
    if not (kind and colon and target):
        raise ArgumentTypeError(f"{text} is no link; it must be like project:42")
    return Link(kind, target)


def moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text} is no time; it must be like 2026-01-31 or 2026-01-31T09:30Z"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def run_erase(settings: Settings, given: Namespace) -> int:
    from service.cli.erase import Given, erase
    from service.postgres.opened import opened

    asked = Given(
        user=given.user,
        conversation=given.conversation,
        link=Link("opportunity", given.opportunity) if given.opportunity else given.link,
        unfinished=given.unfinished,
        again_since=given.again_since,
        reason=given.reason,
        yes=given.yes,
    )
    with opened(settings, warn) as found:
        return erase(settings, found.dsn, asked, say)
