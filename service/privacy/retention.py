"""Anonymises and erases what nobody has touched for as long as the policy says, each with a receipt.

What is due is read from the list of conversations, a page at a time. Each is then done at the version that
was read: one of which anything at all was recorded since, or of which the list does not know everything yet,
is left alone until the next run.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct, field
from psycopg_pool import PoolTimeout

from domain.errors import ConversationIsErased, ConversationNotFound, VersionConflict
from domain.retention import RETENTION, Anonymised, Due, Held, Retention, Verdict
from projections import conversations
from projections.conversations import LONG_AGO, Idle
from projections.errors import ProjectionBehind, ProjectionNotBuilt, ReplayIsRunning
from projections.rows.silence import is_of_a_part
from service.commands import Terms
from service.hansard import Hansard
from service.privacy.errors import ForgettingUnderWay, MayNotErase
from service.privacy.finding import standing
from service.privacy.forget import anonymise, erase
from service.privacy.run import finish_under_way
from service.store.errors import (
    OutcomeUnknown,
    ShardOutOfReach,
    StoreIsBusy,
    StoreIsClosed,
    StoreUnavailable,
)
from service.store.repository import Caller

log = logging.getLogger("hansard.retention")

PAGE: Final = 500
AT_ONCE: Final = 2
"""Fewer than may be erased at once, so that whoever asks for an erasure need not wait for a run to end."""

MOVED_ON: Final = (VersionConflict, ConversationNotFound, ConversationIsErased)
IN_THE_WAY: Final = (
    MayNotErase,
    StoreIsBusy,
    StoreIsClosed,
    StoreUnavailable,
    OutcomeUnknown,
    PoolTimeout,
    psycopg.OperationalError,
)
"""What says nothing of one conversation: the run ends, and the next one goes on."""


class DueConversation(Struct, frozen=True):
    """A conversation that is due."""

    shard: int
    conversation_id: UUID
    user_id: str
    version: int
    verdict: Verdict


class RetentionReport(Struct):
    """What a run came to, or would come to."""

    done: Counter[tuple[str, Due]] = field(default_factory=Counter)
    """By rule and by what was due."""
    finished: int = 0
    """Erasures that had been cut off before."""
    left: int = 0
    """Due, but something was recorded of them since, or the list does not know everything of them."""
    waiting: int = 0
    """To be anonymised when the replay that is running is over."""
    failed: int = 0
    unread: int = 0
    """Shards that could not be looked through: the list of conversations is behind there, or they cannot be
    reached."""
    cut_short: bool = False
    """By its limit, or because the service stops."""

    @property
    def is_whole(self) -> bool:
        return not (self.waiting or self.unread or self.cut_short)

    def sum_of(self, what: Due) -> int:
        return sum(count for (_, due), count in self.done.items() if due is what)

    def counts(self) -> dict[str, int]:
        return {
            "anonymised": self.sum_of(Due.ANONYMISE),
            "erased": self.sum_of(Due.ERASE),
            "left": self.left,
            "failed": self.failed,
        }


async def retain(
    hansard: Hansard,
    retention: Retention,
    now: datetime,
    *,
    dry_run: bool = False,
    limit: int | None = None,
    tell: Callable[[DueConversation], None] = lambda found: None,
    stopping: Callable[[], bool] = lambda: False,
) -> RetentionReport:
    """Safe to be cut off anywhere, and to be run by several at once: each conversation is done once."""
    run = RetentionAtWork(hansard, retention, now, dry_run, limit, tell, stopping)
    if not dry_run:
        run.report.finished = len(await finish_under_way(hansard))
    for shard in range(hansard.store.shards):
        if run.is_over:
            break
        await run.see_to(shard)
    return run.report


class RetentionAtWork:
    def __init__(
        self,
        hansard: Hansard,
        retention: Retention,
        now: datetime,
        dry_run: bool,
        limit: int | None,
        tell: Callable[[DueConversation], None],
        stopping: Callable[[], bool],
    ) -> None:
        self.report = RetentionReport()
        self._hansard = hansard
        self._retention = retention
        self._now = now
        self._dry_run = dry_run
        self._limit = limit
        self._tell = tell
        self._stopping = stopping

    @property
    def is_over(self) -> bool:
        self.report.cut_short = self._stopping() or self._room() == 0
        return self.report.cut_short

    def _room(self) -> int:
        return AT_ONCE if self._limit is None else min(AT_ONCE, self._limit - self.report.done.total())

    async def see_to(self, shard: int) -> None:
        try:
            self._hansard.reach.expect(shard)
            async with aclosing(self._due_in(shard)) as pages:
                async for page in pages:
                    await self._see_to_page(page)
                    if self.is_over:
                        return
        except (ProjectionBehind, ProjectionNotBuilt, ShardOutOfReach) as refused:
            self._leave(shard, refused)
        except psycopg.OperationalError as away:
            if not is_of_a_part(away):
                raise
            self._leave(shard, away)

    def _leave(self, shard: int, why: Exception) -> None:
        self.report.unread += 1
        log.debug("shard %s is left for the next run: %s", shard, why)

    async def _see_to_page(self, page: Sequence[DueConversation]) -> None:
        at = 0
        while at < len(page) and not self.is_over:
            some = page[at : at + self._room()]
            at += len(some)
            # All are waited for, whatever becomes of one: what is begun is better finished.
            outcomes = await asyncio.gather(*(self._do(found) for found in some), return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _due_in(self, shard: int) -> AsyncGenerator[list[DueConversation], None]:
        """Page by page. What is done on the way is behind the place where the next page begins."""
        retention, view = self._retention, self._hansard.views["conversations"]
        since = retention.idle_since(self._now)
        anonymised_since = retention.idle_since(self._now, anonymised=True)
        place = LONG_AGO
        while since is not None:
            idle = await conversations.idle(view, shard, since, anonymised_since, PAGE, place)
            if not idle:
                return
            place = idle[-1].place
            yield await self._due_of(shard, idle)

    async def _due_of(self, shard: int, idle: Sequence[Idle]) -> list[DueConversation]:
        """Links that come after the rows were read are an event, so the version is another by then."""
        view = self._hansard.views["conversations"]
        links = await conversations.links_of(view, shard, [each.conversation_id for each in idle])
        verdicts = {
            each.conversation_id: self._retention.verdict(
                held(each, [link.kind for link in links[each.conversation_id]]), self._now
            )
            for each in idle
        }
        due = [each for each in idle if verdicts[each.conversation_id].due is not Due.KEEP]
        async with self._hansard.pool.connection() as connection:
            stands = await standing(connection, shard, [each.conversation_id for each in due])
        found = []
        for each in due:
            now = stands.get(each.conversation_id)
            if each.user_id is None or now is None or now.version != each.version:
                self.report.left += 1
                continue
            verdict = verdicts[each.conversation_id]
            found.append(DueConversation(shard, each.conversation_id, each.user_id, each.version, verdict))
        return found

    async def _do(self, found: DueConversation) -> None:
        what = found.verdict.due
        if what is Due.ANONYMISE and self.report.waiting:
            self.report.waiting += 1
            return
        try:
            if not self._dry_run:
                await carry_out(self._hansard, found)
        except MOVED_ON:
            self.report.left += 1
        except ForgettingUnderWay as begun:
            if not isinstance(begun.__cause__, ReplayIsRunning):
                raise
            self.report.waiting += 1  # it is finished by the next run
        except IN_THE_WAY:
            raise
        except Exception:  # whatever is wrong with one must not keep the others for longer than they may be
            self.report.failed += 1
            log.exception("conversation %s of shard %s failed", found.conversation_id, found.shard)
        else:
            self.report.done[found.verdict.rule, what] += 1
            self._tell(found)


async def carry_out(hansard: Hansard, found: DueConversation) -> None:
    caller, reason = Caller(found.user_id, RETENTION), found.verdict.reason
    if found.verdict.due is Due.ERASE:
        await erase(hansard, caller, found.conversation_id, terms=Terms(found.version), reason=reason)
        return
    receipt = await anonymise(
        hansard, caller, found.conversation_id, terms=Terms(found.version), reason=reason
    )
    if receipt.version is None:
        raise ConversationNotFound  # somebody else has made it nobody's just now


def held(idle: Idle, link_kinds: Sequence[str]) -> Held:
    anonymised = idle.anonymised and msgspec.json.decode(idle.anonymised, type=Anonymised)
    return Held(
        idle.last_activity_at,
        frozenset(link_kinds),
        msgspec.json.decode(idle.metadata),
        anonymised or None,
    )
