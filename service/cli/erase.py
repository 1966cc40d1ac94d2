"""`hansard erase`: the same as over HTTP, for whoever runs the service."""

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from domain.content import LIMITS, check_link, check_name, check_words
from domain.errors import ConversationNotFound, Refusal
from domain.events import Link
from service.access.actors import OPERATOR
from service.cli.conversation import OR_BY_NAME, meant
from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import say, warn
from service.hansard import Hansard, running
from service.postgres.opened import opened
from service.privacy import journal
from service.privacy.after_restore import apply_again
from service.privacy.finding import standing
from service.privacy.noticing import notice
from service.privacy.receipts import Receipt
from service.privacy.run import Demand, carry_out, finish_under_way
from service.privacy.wishes import Wish
from service.settings.settings import Settings
from service.store.repository import Caller
from service.store.whereabouts import whereabouts

REASON: Final = "the operator asked for it"


class NotConfirmed(Refusal):
    """Nothing was erased: say yes, or give --yes."""


class NoJournal(Refusal):
    """There is no journal of erasures: name it by HANSARD_ERASURE_JOURNAL."""


def arguments(parser: ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--user", metavar="ID", help="everything of this user")
    what.add_argument("--conversation", metavar="ID", help=f"this conversation; {OR_BY_NAME}")
    what.add_argument(
        "--opportunity",
        type=opportunity,
        dest="link",
        metavar="ID",
        help="every conversation linked to it, whoever's it is",
    )
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
    takes(parser, *DATABASE, *SHAPING, "erasure_journal")


def opportunity(text: str) -> Link:
    return Link("opportunity", text)


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


def run(options: Namespace) -> int:
    settings = settings_of(options)
    check(options)
    if options.again_since is not None and settings.erasure_journal is None:
        raise NoJournal
    confirm(options)
    with opened(settings, warn) as found:
        return asyncio.run(erase(settings, found.dsn, options))


async def erase(settings: Settings, dsn: str, options: Namespace) -> int:
    async with running(settings, dsn) as hansard:
        for receipt in await receipts_of(hansard, options):
            say(in_words(receipt))
    return 0


async def receipts_of(hansard: Hansard, options: Namespace) -> list[Receipt]:
    path = hansard.settings.erasure_journal
    if options.unfinished:
        return await finish_under_way(hansard)
    if options.again_since is not None and path is not None:
        await asyncio.to_thread(notice, hansard.database, path)
        entries = [
            each
            for each in journal.read(path)
            if (each.finished_at or each.requested_at) >= options.again_since
        ]
        return await apply_again(hansard, entries)
    reason = options.reason or REASON
    if options.conversation is not None:
        conversation_id = await asyncio.to_thread(meant, hansard.database, options.conversation)
        return [await of_conversation(hansard, conversation_id, reason)]
    asked = Demand(Caller(options.user or "", OPERATOR), reason)
    kind = Wish("user", user_id=options.user) if options.user else Wish("link", link=options.link)
    return [await carry_out(hansard, kind, asked)]


async def of_conversation(hansard: Hansard, conversation_id: UUID, reason: str) -> Receipt:
    """Whoever's it is; what was erased before has its receipt where it was."""
    async with hansard.pool.connection() as connection:
        place = await whereabouts(connection, hansard.reach, conversation_id)
        if place is None:
            raise ConversationNotFound
        found = (await standing(connection, place.shard, [conversation_id])).get(conversation_id)
    owner = found.now_of if found else None
    wish = Wish("conversation", user_id=owner, conversation_id=conversation_id)
    return await carry_out(
        hansard, wish, Demand(Caller(owner or "", OPERATOR), reason, again=True), place.shard
    )


def check(options: Namespace) -> None:
    if options.user is not None:
        check_name("user", options.user, LIMITS.user_id)
    if options.link is not None:
        check_link(options.link)
    if options.reason is not None:
        check_words("reason", options.reason, LIMITS.reason // 2)


def confirm(options: Namespace) -> None:
    """What can be erased cannot be brought back; what was begun or done before needs no second word."""
    if options.yes or options.unfinished or options.again_since is not None:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed
    what = f"everything of {options.user}" if options.user else f"conversation {options.conversation}"
    if options.link is not None:
        what = f"every conversation that is linked to {options.link.kind} {options.link.target}"
    if input(f"Erase {what}, for good? [y/N] ").strip().lower() not in ("y", "yes"):
        raise NotConfirmed


def in_words(receipt: Receipt) -> str:
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in receipt.counts.items())
    return f"Receipt {receipt.id}: {'erased' if receipt.action == 'erase' else 'anonymised'} {counts}"
