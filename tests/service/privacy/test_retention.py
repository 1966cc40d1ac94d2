"""What nobody has touched for as long as the policy says is anonymised or erased: once, and nothing else."""

import asyncio
import re
from uuid import UUID

import pytest

from domain.errors import ConversationNotFound
from domain.events import ConversationLinked, Link
from domain.retention import EVERYTHING, Due, Policy, Retention, Rule
from service import commands
from service.hansard import Hansard, running
from service.privacy import forget, retention
from service.privacy.retention import DueConversation, retain
from service.settings.settings import Settings
from service.store.repository import Caller
from service.verify.log import verify_log
from tests.conftest import SHARDS
from tests.service.privacy.ageing import ANONYMISED, ERASED, KEPT, ending_of, idle, now
from tests.service.privacy.dumping import dumped
from tests.service.privacy.test_cut_off import Cut, Cutting
from tests.service.store.appending import rows

POLICY = Retention(
    Policy(30, 90),
    (
        Rule("link case", Policy(), link="case"),
        Rule("trials", Policy(erase_after_days=7), metadata={"plan": "trial"}),
        Rule("link opportunity", Policy(50, 365), link="opportunity"),
    ),
)
EVERYTHING_IS_ERASED = Retention(Policy(erase_after_days=30))
RECEIPTS = (
    "SELECT action, requested_by, reason, finished_at IS NOT NULL FROM hansard.receipts ORDER BY reason"
)


def settings(dsn: str) -> Settings:
    return Settings(dsn=dsn, shards=SHARDS)


async def test_what_is_due_is_done_once_each_with_a_receipt_that_names_the_rule(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        expected = {
            await idle(hansard, 29): KEPT,
            await idle(hansard, 31): ANONYMISED,
            await idle(hansard, 91, user_id="bob"): ERASED,
            await idle(hansard, 400, "case", plan="trial"): KEPT,
            await idle(hansard, 8, plan="trial"): ERASED,
            await idle(hansard, 8, plan="paid"): KEPT,
            await idle(hansard, 40, "opportunity"): KEPT,
            await idle(hansard, 60, "project", "opportunity"): ANONYMISED,
        }
        report = await retain(hansard, POLICY, now())
        assert {each: ending_of(dsn, each) for each in expected} == expected
        assert report.done == {
            (EVERYTHING, Due.ANONYMISE): 1,
            (EVERYTHING, Due.ERASE): 1,
            ("trials", Due.ERASE): 1,
            ("link opportunity", Due.ANONYMISE): 1,
        }
        assert report.is_whole
        receipts = [
            ("anonymise", "retention", "everything else: 30 days without activity", True),
            ("erase", "retention", "everything else: 90 days without activity", True),
            ("anonymise", "retention", "link opportunity: 50 days without activity", True),
            ("erase", "retention", "trials: 7 days without activity", True),
        ]
        assert rows(dsn, RECEIPTS) == receipts
        again = await retain(hansard, POLICY, now())
        assert (again.done, again.left, again.failed) == ({}, 0, 0)
        assert rows(dsn, RECEIPTS) == receipts
        assert verify_log(hansard.database).faults == ()


async def test_a_dry_run_changes_nothing_and_tells_what_a_run_then_does(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        for days in (10, 31, 91):
            await idle(hansard, days)
            await idle(hansard, days, "opportunity", user_id="bob")
            await idle(hansard, days, plan="trial", user_id=f"cleo {days}")
        before, at, told, done = everything(dsn), now(), list[DueConversation](), list[DueConversation]()
        foretold = await retain(hansard, POLICY, at, dry_run=True, tell=told.append)
        assert everything(dsn) == before
        came = await retain(hansard, POLICY, at, tell=done.append)
        assert foretold == came
        assert sorted(each.conversation_id for each in told) == sorted(each.conversation_id for each in done)
        assert len(done) == 6


def everything(dsn: str) -> list[tuple[str]]:
    return rows(
        dsn,
        """SELECT e::text FROM hansard.events AS e UNION SELECT c::text FROM hansard.conversations_g1 AS c
        UNION SELECT r::text FROM hansard.receipts AS r ORDER BY 1""",
    )


async def test_what_a_rule_has_anonymised_is_erased_by_that_rule_and_no_other(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        deal, other = await idle(hansard, 0, "opportunity"), await idle(hansard, 0)
        await retain(hansard, POLICY, now(days=60))
        assert (ending_of(dsn, deal), ending_of(dsn, other)) == (ANONYMISED, ANONYMISED)
        await retain(hansard, POLICY, now(days=100))
        assert (ending_of(dsn, deal), ending_of(dsn, other)) == (ANONYMISED, ("conversation_erased", 4))
        report = await retain(hansard, POLICY, now(days=366))
        assert ending_of(dsn, deal) == ("conversation_erased", 4)
        assert report.done == {("link opportunity", Due.ERASE): 1}
        assert "words of" not in dumped(dsn)


async def test_page_after_page_is_looked_through(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAGE", 2)
    async with running(settings(dsn), dsn) as hansard:
        for number in range(7):
            await idle(hansard, 31 + number % 3, *["case"] * (number % 2))
        report = await retain(hansard, POLICY, now())
        assert report.sum_of(Due.ANONYMISE) == 4


async def test_no_more_are_done_than_the_limit_says(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        for number in range(5):
            await idle(hansard, 31, user_id=f"user {number}")
        done = [(await retain(hansard, POLICY, now(), limit=3)) for _ in range(3)]
        assert [each.sum_of(Due.ANONYMISE) for each in done] == [3, 2, 0]
        assert [each.is_whole for each in done] == [False, True, True]


async def said_again(hansard: Hansard, conversation_id: UUID) -> None:
    ann = Caller("ann", "ann")
    await commands.rate_messages(hansard.repository, ann, conversation_id, ["m1"], "up")


async def linked_as_case(hansard: Hansard, conversation_id: UUID) -> None:
    linked = ConversationLinked(link=Link("case", "7"))
    await hansard.repository.change(Caller("ann", "ann"), conversation_id, lambda *_: [linked])


@pytest.mark.parametrize("meanwhile", [said_again, linked_as_case])
async def test_what_was_touched_since_it_was_found_is_left_alone(
    dsn: str, meanwhile: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings(dsn), dsn) as hansard, running(settings(dsn), dsn) as other:
        touched, not_touched = await idle(hansard, 31), await idle(hansard, 32)
        carry_out = retention.carry_out

        async def after_it_was_touched(hansard: Hansard, found: DueConversation) -> None:
            if found.conversation_id == touched:
                await meanwhile(other, touched)  # type: ignore[operator]
            await carry_out(hansard, found)

        monkeypatch.setattr(retention, "carry_out", after_it_was_touched)
        report = await retain(hansard, EVERYTHING_IS_ERASED, now())
        assert (report.done.total(), report.left, report.failed) == (1, 1, 0)
        assert ending_of(dsn, touched)[0] not in (ERASED[0], ANONYMISED[0])
        assert ending_of(dsn, not_touched) == ERASED
        assert rows(dsn, "SELECT count(*) FROM hansard.receipts") == [(1,)]


async def test_what_the_list_does_not_know_whole_is_left_alone(dsn: str) -> None:
    """Of a parked conversation nothing is in the list from some position on: it may have gone on since."""
    async with running(settings(dsn), dsn) as hansard:
        parked = await idle(hansard, 31)
        position = rows(dsn, "SELECT max(position) FROM hansard.events")[0][0]
        rows(
            dsn,
            """INSERT INTO hansard.parked
            SELECT shard, 'conversations', 1, conversation_id, position + 1, 'broken', now()
            FROM hansard.events WHERE position = %s AND conversation_id = %s RETURNING 1""",
            position,
            parked,
        )
        async with running(settings(dsn), dsn) as other:
            await said_again(other, parked)
            report = await retain(hansard, EVERYTHING_IS_ERASED, now())
        assert (report.done.total(), report.left) == (0, 1)
        assert ending_of(dsn, parked)[0] == "message_rated"


async def test_a_shard_whose_list_is_behind_is_left_for_the_next_run(dsn: str) -> None:
    async with running(settings(dsn), dsn) as hansard:
        hansard.views["conversations"]._patience = 0
        ann, bob = await idle(hansard, 31, user_id="ann"), await idle(hansard, 31, user_id="bob")
        behind = hansard.store.shard_of("ann")
        assert behind != hansard.store.shard_of("bob")
        hansard.follower.stop()
        rows(
            dsn,
            """UPDATE hansard.checkpoints SET position = 0
            WHERE projection = 'conversations' AND shard = %s RETURNING 1""",
            behind,
        )
        report = await retain(hansard, EVERYTHING_IS_ERASED, now())
        assert (report.done.total(), report.unread, report.is_whole) == (1, 1, False)
        assert (ending_of(dsn, ann), ending_of(dsn, bob)) == (KEPT, ERASED)


async def test_two_processes_at_once_do_each_conversation_once(dsn: str) -> None:
    async with running(settings(dsn), dsn) as one, running(settings(dsn), dsn) as other:
        ids = [await idle(one, 31 if n % 2 else 91, user_id=f"user {n % 5}") for n in range(12)]
        reports = await asyncio.gather(*(retain(each, POLICY, now()) for each in (one, other)))
        assert sum(report.done.total() for report in reports) == len(ids)
        assert sum(report.failed for report in reports) == 0
        assert [ending_of(dsn, each) for each in ids] == [ERASED, ANONYMISED] * 6
        assert rows(dsn, "SELECT count(*), count(finished_at) FROM hansard.receipts") == [(12, 12)]
        assert verify_log(one.database).faults == ()


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("due", [ERASED, ANONYMISED])
async def test_killed_in_the_middle_it_is_finished_by_the_next_run(
    dsn: str, due: tuple[str, int], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.privacy.lock.AsyncConnection", Cutting)
    monkeypatch.setattr(retention, "AT_ONCE", at_once)
    monkeypatch.setattr(retention, "IN_THE_WAY", (Cut,))
    days, at, cut = 91 if due is ERASED else 31, 1, True
    while cut:
        async with running(settings(dsn), dsn) as hansard:
            ids = [await idle(hansard, days, user_id=f"user {at}") for _ in range(2)]
            Cutting.left, Cutting.after, cut = at, at_once == 1, False
            try:
                await retain(hansard, POLICY, now())
            except Cut:
                cut = True
            Cutting.left = 1_000_000
        async with running(settings(dsn), dsn) as hansard:
            await retain(hansard, POLICY, now())
            assert [ending_of(dsn, each) for each in ids] == [due] * 2, at
            assert rows(dsn, "SELECT count(*) FROM hansard.receipts WHERE finished_at IS NULL") == [(0,)]
        at += 3
    assert at > 20
    assert re.search("user [0-9]+", dumped(dsn)) is None


async def test_one_that_fails_does_not_keep_the_others(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(settings(dsn), dsn) as hansard:
        broken, whole = await idle(hansard, 31), await idle(hansard, 31)
        carry_out = retention.carry_out

        async def failing(hansard: Hansard, found: DueConversation) -> None:
            if found.conversation_id == broken:
                raise RuntimeError("of this conversation only")
            await carry_out(hansard, found)

        monkeypatch.setattr(retention, "carry_out", failing)
        report = await retain(hansard, EVERYTHING_IS_ERASED, now())
        assert (report.failed, report.done.total()) == (1, 1)
        assert (ending_of(dsn, broken), ending_of(dsn, whole)) == (KEPT, ERASED)


async def test_anonymising_waits_for_a_replay_and_erasing_does_not(dsn: str) -> None:
    from projections.rebuilding.guard import guarded

    async with running(settings(dsn), dsn) as hansard:
        ids = [await idle(hansard, days) for days in (31, 32, 33, 91)]
        with hansard.database.connect("replay") as connection, guarded(connection, hansard.projections):
            rows(
                dsn,
                """INSERT INTO hansard.generations
                SELECT projection, 9, version, 'building', now() FROM hansard.generations
                WHERE projection = 'history' RETURNING 1""",
            )
            report = await retain(hansard, POLICY, now())
            assert (report.sum_of(Due.ERASE), report.waiting, report.is_whole) == (1, 3, False)
        report = await retain(hansard, POLICY, now())
        assert (report.waiting, report.is_whole) == (0, True)
        assert [ending_of(dsn, each) for each in ids] == [ANONYMISED] * 3 + [ERASED]
        assert "ann" not in dumped(dsn).split()


async def test_a_user_who_erases_just_then_is_first(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(settings(dsn), dsn) as hansard:
        conversation_id = await idle(hansard, 31)
        carry_out = retention.carry_out

        async def late(hansard: Hansard, found: DueConversation) -> None:
            await forget.erase(hansard, Caller("ann", "ann"), conversation_id)
            with pytest.raises(ConversationNotFound):
                await carry_out(hansard, found)
            raise ConversationNotFound

        monkeypatch.setattr(retention, "carry_out", late)
        report = await retain(hansard, POLICY, now())
        assert (report.left, report.done.total()) == (1, 0)
