"""Anonymised, the words are there and the person is not: nowhere, not even in a dump of the database."""

import asyncio
from typing import Any

from domain.events import MessageAdded
from projections import history
from service.cli import main
from service.hansard import Hansard, running
from service.privacy import anonymising
from service.settings import Settings
from service.store.repository import Caller
from tests.conftest import SHARDS
from tests.service.api.calling import problem
from tests.service.api.recording import at_once
from tests.service.privacy.dumping import dumped, rows_of
from tests.service.privacy.marking import MARKER, OTHER, USER, by, marked
from tests.service.privacy.test_erasing import follow
from tests.service.store.appending import rows

ATTACHED = ("title", "opp-", "request-", "all about", "owner", "shape-", "kind-", "thanks", "tired", '"from"')
"""What was there beside the words."""


async def words(hansard: Hansard, conversation_id: Any) -> list[str]:
    shard = hansard.store.shard_of(USER)
    page = await history.page(hansard.views["history"], shard, conversation_id, 1_000)
    return [message.content.decode() for message in page]


async def test_the_words_are_there_and_the_user_is_nowhere(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        caller = Caller(USER, USER, f"request-{USER}")
        mine = [await marked(hansard, more=200), await marked(hansard)]
        naming = MessageAdded(
            message_id=f"of {USER}", role="user", content=f"I am {USER}, not {USER}2 nor a{USER}: {USER}"
        )
        await hansard.repository.change(caller, mine[1], lambda *_: [naming])
        await marked(hansard, OTHER, "innocent")
        await asyncio.to_thread(follow, hansard)
        before = [await words(hansard, each) for each in mine]
        others = rows_of(dsn, OTHER)

        receipt = await anonymising.anonymise_all(hansard, caller, reason=f"{USER} asked")

        assert (receipt.counts["conversations"], receipt.counts["mentions"]) == (2, 2)
        assert receipt.reason == "the user asked"
        users = rows(dsn, "SELECT DISTINCT user_id FROM hansard.events WHERE user_id LIKE 'anonymous-%%'")
        assert len(users) == 2
        ((owner,),) = rows(dsn, "SELECT user_id FROM hansard.events WHERE message_id LIKE 'of %%'")
        now = [await words(hansard, each) for each in mine]
        assert now[0] == before[0]
        assert now[1] == [
            *before[1][:-1],
            f'"I am {owner}, not {USER}2 nor a{USER}: {owner}"',
        ]
        told = dumped(dsn).replace(f"{USER}2", "").replace(f"a{USER}", "")
        assert USER not in told
        assert not [line for line in told.splitlines() if MARKER in line and any(a in line for a in ATTACHED)]
        assert rows_of(dsn, OTHER) == others
        for path in (f"/api/conversations/{mine[0]}", f"/api/conversations/{mine[0]}/messages"):
            assert problem(await client.get(path, headers=by(USER))) == (404, "conversation-not-found")
        assert (await client.get("/api/chat/history", headers=by(USER))).json()["messages"] == []
    assert main(["verify", "--dsn", dsn]) == 0
    assert main(["replay", "--dsn", dsn]) == 0
    assert main(["verify", "--dsn", dsn]) == 0


async def test_it_can_be_asked_for_over_http_and_again(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        path = f"/api/conversations/{await marked(hansard)}/anonymise"
        headers = by(USER, **{"Idempotency-Key": "one"})
        first = await client.post(path, headers=headers)
        assert first.json()["counts"] == {"conversations": 1, "messages": 2, "events": 11, "mentions": 0}
        assert (await client.post(path, headers=headers)).json() == first.json()
        assert problem(await client.post(path, headers=by(USER))) == (404, "conversation-not-found")


async def test_an_event_that_named_nobody_can_still_be_checked_against_its_digest(dsn: str) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        conversation_id = await marked(hansard)
        plain = MessageAdded(message_id="m", role="user", content="nothing of hers")
        await hansard.repository.change(Caller(USER), conversation_id, lambda *_: [plain])
        await anonymising.anonymise(hansard, Caller(USER), conversation_id)
    salted = "SELECT state_salt IS NOT NULL FROM hansard.events WHERE message_id = %s"
    assert rows(dsn, salted, "m") == [(True,)]
    assert rows(dsn, salted + " AND topic = 'message_added'", f"{MARKER}-0") == [(False,)]
