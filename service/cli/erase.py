"""`hansard erase`: the same as over HTTP, for whoever runs the service."""

import asyncio
import sys
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from domain.content import LIMITS, check_link, check_name, check_words
from domain.errors import ConversationNotFound, Refusal
from domain.events import Link
from service.cli.terminal import Say
from service.hansard import Hansard, running
from service.privacy import journal
from service.privacy.after_restore import apply_again
from service.privacy.finding import standing
from service.privacy.receipts import Receipt
from service.privacy.run import Demand, carry_out, finish_under_way
from service.privacy.wishes import Wish
from service.settings.settings import Settings
from service.store.repository import Caller
from service.store.whereabouts import whereabouts

OPERATOR: Final = "the operator"
REASON: Final = "the operator asked for it"


class NotConfirmed(Refusal):
    """Nothing was erased: say yes, or give --yes."""


class NoJournal(Refusal):
    """There is no journal of erasures: name it by HANSARD_ERASURE_JOURNAL."""


class Given(Struct, frozen=True, kw_only=True):
    user: str | None = None
    conversation: UUID | None = None
    link: Link | None = None
    unfinished: bool = False
    again_since: datetime | None = None
    reason: str | None = None
    yes: bool = False


def erase(settings: Settings, dsn: str, given: Given, say: Say) -> int:
    check(given)
    if given.again_since is not None and settings.erasure_journal is None:
        raise NoJournal
    confirm(given)
    return asyncio.run(erased(settings, dsn, given, say))


async def erased(settings: Settings, dsn: str, given: Given, say: Say) -> int:
    async with running(settings, dsn) as hansard:
        for receipt in await receipts_of(hansard, given):
            say(told(receipt))
    return 0


async def receipts_of(hansard: Hansard, given: Given) -> list[Receipt]:
    path = hansard.settings.erasure_journal
    if given.unfinished:
        return await finish_under_way(hansard)
    if given.again_since is not None and path is not None:
        entries = [
            each
            for each in journal.read(path)
            if (each.finished_at or each.requested_at) >= given.again_since
        ]
        return await apply_again(hansard, entries)
    reason = given.reason or REASON
    if given.conversation is not None:
        return [await of_conversation(hansard, given.conversation, reason)]
    asked = Demand(Caller(given.user or "", OPERATOR), reason)
    kind = Wish("user", user_id=given.user) if given.user else Wish("link", link=given.link)
    return [await carry_out(hansard, kind, asked)]


async def of_conversation(hansard: Hansard, conversation_id: UUID, reason: str) -> Receipt:
    """Whoever's it is; what was erased before has its receipt where it was."""
    async with hansard.pool.connection() as connection:
        place = await whereabouts(connection, hansard.store.shards, conversation_id)
        if place is None:
            raise ConversationNotFound
        found = (await standing(connection, place.shard, [conversation_id])).get(conversation_id)
    owner = found.now_of if found else None
    wish = Wish("conversation", user_id=owner, conversation_id=conversation_id)
    return await carry_out(
        hansard, wish, Demand(Caller(owner or "", OPERATOR), reason, again=True), place.shard
    )


def check(given: Given) -> None:
    if given.user is not None:
        check_name("user", given.user, LIMITS.user_id)
    if given.link is not None:
        check_link(given.link)
    if given.reason is not None:
        check_words("reason", given.reason, LIMITS.reason // 2)


def confirm(given: Given) -> None:
    """What can be erased cannot be brought back; what was begun or done before needs no second word."""
    if given.yes or given.unfinished or given.again_since is not None:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed
    what = f"everything of {given.user}" if given.user else f"conversation {given.conversation}"
    if given.link is not None:
        what = f"every conversation that is linked to {given.link.kind} {given.link.target}"
    if input(f"Erase {what}, for good? [y/N] ").strip().lower() not in ("y", "yes"):
        raise NotConfirmed


def told(receipt: Receipt) -> str:
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in receipt.counts.items())
    return f"Receipt {receipt.id}: {'erased' if receipt.action == 'erase' else 'anonymised'} {counts}"
