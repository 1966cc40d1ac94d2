"""A receipt shows what was erased and not whose it was; asked for again, it is the same one."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from service.audit.reads import Read
from service.privacy import forget
from service.store.ids import new_id
from service.store.repository import Caller
from tests.service.api.calling import as_user, asked_who, bearer, calling, key, problem
from tests.service.api.recording import at_once
from tests.service.privacy.dumping import dumped
from tests.service.privacy.marking import MARKER, USER, by, marked
from tests.service.store.appending import rows

ALL = "/api/users/ann/erase"


async def test_a_receipt_counts_what_went_and_names_nobody(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        await marked(hansard, more=50)
        headers = by(USER) | {"X-Request-Id": "one"}
        reason = f"{USER} left us"
        answer = await client.post(f"/api/users/{USER}/erase", params={"reason": reason}, headers=headers)
        receipt = answer.json()
        assert receipt["reason"] == "the user left us"
        assert receipt["requested_by"] == "dev"
        assert receipt["counts"] == {
            "conversations": 1,
            "messages": 52,
            "events": 61,
            "conversations_rows": 3,
            "history_rows": 52,
            "names_rows": 1,
        } | {name: n for name, n in receipt["counts"].items() if name in ("search_rows", "usage_rows")}
        assert receipt["finished_at"] > receipt["requested_at"]
        shown = await client.get(f"/api/audit/receipts/{receipt['id']}")
        assert shown.json() == receipt


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one"}])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/api/users/{USER}/erase"),
        ("DELETE", f"/api/session/{USER}"),
        ("DELETE", f"/api/opportunities/opp-{MARKER}"),
    ],
)
async def test_asked_for_again_it_is_the_same_receipt(
    dsn: str, method: str, path: str, headers: dict[str, str]
) -> None:
    async with at_once(dsn) as (client, hansard):
        await marked(hansard)
        first = await client.request(method, path, headers=by(USER, **headers))
        again = await client.request(method, path, headers=by(USER, **headers))
        assert first.status_code == 200, first.text
        assert again.content == first.content
        assert rows(dsn, "SELECT count(*) FROM hansard.receipts") == [(1,)]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/api/users/{USER}/erase"),
        ("DELETE", f"/api/session/{USER}"),
        ("DELETE", f"/api/opportunities/opp-{MARKER}"),
    ],
)
async def test_the_key_of_an_erasure_is_taken_for_every_other_write(
    dsn: str, method: str, path: str, there: bool
) -> None:
    async with at_once(dsn) as (client, hansard):
        if there:
            await marked(hansard)
        headers = by(USER, **{"Idempotency-Key": "one"})
        assert (await client.request(method, path, headers=headers)).status_code == 200
        later = await marked(hansard)
        for other, at, body in (
            ("POST", "/api/conversations", {}),
            ("POST", f"/api/conversations/{later}/messages", {"role": "user", "content": "hello"}),
            ("PATCH", f"/api/conversations/{later}", {"title": f"all about {MARKER}"}),
            ("DELETE", f"/api/conversations/{later}", None),
            ("DELETE", "/api/opportunities/another", None),
        ):
            answer = await client.request(other, at, json=body, headers=headers)
            assert problem(answer) == (409, "idempotency-key-reused"), (other, at)


async def test_the_key_of_an_erasure_of_everybodys_is_taken_in_every_shard(dsn: str) -> None:
    async with asked_who(dsn) as client:
        headers = bearer(key(dsn, "back", "admin")) | {"Idempotency-Key": "one"}
        assert (await client.delete("/api/opportunities/first", headers=headers)).status_code == 200
        for at in range(20):
            answer = await client.delete(f"/api/opportunities/{at}", headers=headers)
            assert problem(answer) == (409, "idempotency-key-reused")
        assert (await client.delete("/api/opportunities/first", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/api/conversations/{}", "/api/chat/session/{}"])
async def test_one_conversation_erased_again_under_its_key_gets_the_first_answer(dsn: str, path: str) -> None:
    async with at_once(dsn) as (client, hansard):
        at, headers = path.format(await marked(hansard)), by(USER, **{"Idempotency-Key": "one"})
        first = await client.delete(at, headers=headers)
        again = await client.delete(at, headers=headers)
        assert first.status_code == 200, first.text
        assert again.content == first.content
        assert (await client.delete(at, headers=by(USER))).status_code == 404


async def test_who_names_no_user_gets_the_first_answer_under_the_key_too(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        at, headers = f"/api/conversations/{await marked(hansard)}", {"Idempotency-Key": "one"}
        first = await client.delete(at, headers=headers)
        again = await client.delete(at, headers=headers)
        assert first.status_code == 200, first.text
        assert again.json() == first.json() | {"position": None}
        for other in ({}, {"Idempotency-Key": "two"}):
            assert (await client.delete(at, headers=other)).status_code == 404


async def test_a_key_is_not_taken_for_another_erasure(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        one, other = await marked(hansard), await marked(hansard)
        headers = by(USER, **{"Idempotency-Key": "one"})
        assert (await client.delete(f"/api/conversations/{one}", headers=headers)).status_code == 200
        for method, path in (
            ("DELETE", f"/api/conversations/{other}"),
            ("DELETE", f"/api/session/{USER}"),
            ("POST", f"/api/users/{USER}/erase"),
        ):
            assert problem(await client.request(method, path, headers=headers)) == (
                409,
                "idempotency-key-reused",
            )


async def test_what_is_new_gets_a_receipt_of_its_own(dsn: str) -> None:
    async with at_once(dsn) as (_, hansard):
        caller = Caller(USER)
        await marked(hansard)
        first = await forget.erase_all(hansard, caller)
        await marked(hansard)
        second = await forget.erase_all(hansard, caller)
        assert second.receipt.id != first.receipt.id
        assert (first.conversations, second.conversations) == (1, 1)
        assert await forget.erase_all(hansard, caller) == second


async def test_who_was_never_there_gets_a_receipt_of_nothing(dsn: str) -> None:
    async with calling(dsn) as client:
        first = await client.post(ALL, headers=by("ann"))
        assert first.json()["counts"] == {"conversations": 0, "messages": 0, "events": 0}
        assert (await client.post(ALL, headers=by("ann"))).json() == first.json()


async def test_what_was_kept_too_late_goes_when_it_is_asked_for_again(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        await marked(hansard)
        first = await client.post(f"/api/users/{USER}/erase", headers=by(USER))
        shard, now = hansard.store.shard_of(USER), datetime.now(UTC)
        await hansard.reads.record(Read(shard, new_id(), USER, None, USER, "GET /api/search", MARKER, now))
        assert MARKER in dumped(dsn)
        assert (await client.post(f"/api/users/{USER}/erase", headers=by(USER))).json() == first.json()
        assert MARKER not in dumped(dsn)


async def test_a_refused_erasure_leaves_no_receipt(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        path = f"/api/conversations/{await marked(hansard)}"
        refused = await client.delete(path, headers=by(USER, **{"If-Match": '"1"'}))
        assert problem(refused) == (409, "version-conflict")
        assert (await client.delete(f"/api/conversations/{uuid4()}", headers=by(USER))).status_code == 404
        assert rows(dsn, "SELECT count(*) FROM hansard.receipts") == [(0,)]


async def test_a_receipt_is_shown_to_auditors_and_to_the_user_whom_it_is_about(dsn: str) -> None:
    async with asked_who(dsn) as client:
        made = await client.post("/api/users/alice/erase", headers=as_user("alice"))
        assert made.status_code == 200, made.text
        assert made.json()["requested_by"] == "the user"
        path = f"/api/audit/receipts/{made.json()['id']}"
        assert (await client.get(path, headers=as_user("alice"))).json() == made.json()
        assert (await client.get(path, headers=bearer(key(dsn, "auditor", "audit")))).json() == made.json()
        assert problem(await client.get(path, headers=as_user("bob"))) == (404, "receipt-not-found")
        assert problem(await client.post("/api/users/alice/erase", headers=as_user("bob"))) == (
            403,
            "not-your-user",
        )
