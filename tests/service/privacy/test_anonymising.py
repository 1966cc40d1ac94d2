"""Anonymised, the words are there and the person is not: nowhere, not even in a dump of the database."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from domain.events import ConversationAnonymised, MessageAdded
from projections import history
from service.cli.main import main
from service.hansard import Hansard, running
from service.privacy import forget, run
from service.privacy.anonymisation import Anonymity
from service.settings.settings import Settings
from service.store.digests import Left
from service.store.repository import Caller
from service.verify.log import verify_log
from tests.conftest import SHARDS
from tests.service.api.calling import problem
from tests.service.api.recording import at_once
from tests.service.privacy.dumping import dumped, rows_of
from tests.service.privacy.marking import MARKER, OTHER, USER, by, marked
from tests.service.privacy.test_erasing import follow
from tests.service.store.appending import asked, rows, storing
from tests.service.verify.tampering import tamper

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

        receipt = await forget.anonymise_all(hansard, caller, reason=f"{USER} asked")

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


async def anonymised(dsn: str) -> Any:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        conversation_id = await marked(hansard)
        plain = MessageAdded(message_id="m", role="user", content=f"nothing of hers, {MARKER}")
        await hansard.repository.change(Caller(USER, "key:back"), conversation_id, lambda *_: [plain])
        await forget.anonymise(hansard, Caller(USER), conversation_id)
    return conversation_id


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("state = replace(encode(state, 'escape'), 'secret', 'sacred')::bytea", "version = 2"),
        ("actor = 'key:other'", "topic = 'message_added' AND actor IS NOT NULL"),
        ("actor = NULL", "actor IS NOT NULL AND person_salt IS NULL"),
        (
            "state_salt = NULL, state = replace(encode(state, 'escape'), 'hers', 'mine')::bytea",
            "state_salt IS NOT NULL AND version > 1 AND topic = 'message_added'",
        ),
        (
            """state = '{"event":"conversation_renamed","title":"Another"}'""",
            "topic = 'conversation_renamed'",
        ),
    ],
)
def test_what_anonymising_left_cannot_be_changed_unnoticed(
    dsn: str, change: str, where: str, capsys: Any
) -> None:
    conversation_id = asyncio.run(anonymised(dsn))
    assert main(["verify", "--dsn", dsn, "--only", "chains"]) == 0
    tamper(dsn, f"UPDATE events SET {change} WHERE {where}")  # noqa: S608 - of the words above
    capsys.readouterr()
    assert main(["verify", "--dsn", dsn, "--only", "chains"]) == 1
    told = capsys.readouterr().out
    assert f"conversation {conversation_id}, version 13: versions 1 to 12 do not hold what it left" in told


def test_another_anonymising_does_not_cover_up_what_the_first_one_proves(dsn: str, capsys: Any) -> None:
    """Its digest fits the words that were changed, and what proved the others is gone by it."""
    conversation_id = asyncio.run(anonymised(dsn))
    tamper(
        dsn,
        "UPDATE events SET state = NULL, state_salt = NULL, person_salt = NULL"
        " WHERE topic = 'conversation_anonymised'",
    )
    tamper(
        dsn,
        "UPDATE events SET state = replace(encode(state, 'escape'), 'secret', 'sacred')::bytea"
        " WHERE version = 2",
    )
    left = Left()
    query = (
        "SELECT version, actor, state, state_salt IS NOT NULL, user_id FROM hansard.events ORDER BY version"
    )
    for version, actor, state, proved, _ in (held := rows(dsn, query)):
        left.take(version, actor, state, proved=proved)
    again = ConversationAnonymised(requested_by="dev", reason="asked", rewritten=left.hexdigest())
    with storing(dsn) as store:
        store.append_blocking(asked(store, conversation_id, [again], user_id=held[0][4]))
    assert main(["verify", "--dsn", dsn, "--only", "chains"]) == 1
    assert "was anonymised already, at version 13" in capsys.readouterr().out


def test_anonymised_and_then_erased_there_is_nothing_left_to_prove(dsn: str) -> None:
    conversation_id = asyncio.run(anonymised(dsn))
    assert main(["erase", "--dsn", dsn, "--conversation", str(conversation_id), "--yes"]) == 0
    assert main(["verify", "--dsn", dsn]) == 0


def test_what_was_anonymised_is_exported_and_imported_with_its_proof(
    dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    asyncio.run(anonymised(dsn))
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    assert main(["export", "--dsn", dsn, "--out", str(one)]) == 0
    assert main(["migrate", "--dsn", empty_dsn]) == 0
    assert main(["import", "--dsn", empty_dsn, str(one)]) == 0
    assert main(["verify", "--dsn", empty_dsn]) == 0
    assert main(["export", "--dsn", empty_dsn, "--out", str(other)]) == 0
    assert one.read_bytes() == other.read_bytes()
    assert b'"rewritten":"' in one.read_bytes()
    changed = "state_salt = NULL, state = replace(encode(state, 'escape'), 'secret', 'sacred')::bytea"
    tamper(empty_dsn, f"UPDATE events SET {changed} WHERE version = 2")  # noqa: S608
    assert main(["verify", "--dsn", empty_dsn, "--only", "chains"]) == 1


async def test_what_was_said_meanwhile_is_proved_too(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        conversation_id = await marked(hansard)
        prove = Anonymity._prove

        async def prove_and_be_overtaken(self: Anonymity, *given: Any) -> Any:
            proof = await prove(self, *given)
            if proof.version < 12:
                late = MessageAdded(message_id="late", role="user", content=f"by {USER}")
                await hansard.repository.change(Caller(USER), conversation_id, lambda *_: [late])
            return proof

        monkeypatch.setattr(Anonymity, "_prove", prove_and_be_overtaken)
        receipt = await forget.anonymise(hansard, Caller(USER), conversation_id)
        assert receipt.version == 13
        assert USER not in dumped(dsn)
        assert verify_log(hansard.database).faults == ()


async def test_a_user_whose_id_is_in_every_pseudonym_is_replaced_once(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        conversation_id = await marked(hansard, "anonymous", "innocent")
        naming = MessageAdded(message_id="m", role="user", content="I am anonymous.")
        await hansard.repository.change(Caller("anonymous"), conversation_id, lambda *_: [naming])
        rewrite = Anonymity._rewrite

        async def rewrite_and_die(self: Anonymity, *given: Any) -> None:
            await rewrite(self, *given)
            raise KeyError

        monkeypatch.setattr(Anonymity, "_rewrite", rewrite_and_die)
        with pytest.raises(KeyError):
            await forget.anonymise(hansard, Caller("anonymous"), conversation_id)
        monkeypatch.setattr(Anonymity, "_rewrite", rewrite)
        assert len(await run.finish_under_way(hansard)) == 1
        ((owner,),) = rows(dsn, "SELECT DISTINCT user_id FROM hansard.events")
        said = rows(dsn, "SELECT state FROM hansard.events WHERE message_id = 'm'")
        assert f"I am {owner}.".encode() in said[0][0]
        assert verify_log(hansard.database).faults == ()


async def test_an_event_that_named_nobody_can_still_be_checked_against_its_digest(dsn: str) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        conversation_id = await marked(hansard)
        plain = MessageAdded(message_id="m", role="user", content="nothing of hers")
        await hansard.repository.change(Caller(USER), conversation_id, lambda *_: [plain])
        await forget.anonymise(hansard, Caller(USER), conversation_id)
    salted = "SELECT state_salt IS NOT NULL FROM hansard.events WHERE message_id = %s"
    assert rows(dsn, salted, "m") == [(True,)]
    assert rows(dsn, salted + " AND topic = 'message_added'", f"{MARKER}-0") == [(False,)]
