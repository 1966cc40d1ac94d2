"""The database is gone right after a commit: what was stored is never answered as if it had not been."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.proxy import COMMAND_FOUND, FORGETTING_THE_DRAFT, LastWord, Proxy, commit_of, proxied
from tests.service.api.calling import Client, calling, events, problem
from tests.service.api.operations import FOR_USERS, Operation
from tests.service.api.test_isolation import ANSWER, names_of

WRITES = tuple(each for each in FOR_USERS if each.method != "GET" and not each.path.endswith("/stop"))
FORGETTING = tuple(
    each
    for each in WRITES
    if each.path.endswith(("/erase", "/anonymise")) or (each.method == "DELETE" and not each.takes("item_id"))
)
REPLYING = tuple(each for each in WRITES if each.path.startswith("/api/chat") and each.takes("message"))
APPENDING = tuple(
    each for each in WRITES if each not in FORGETTING + REPLYING and each.path != "/support/chatkit"
)
APPENDED, NOTED = commit_of("hansard writer"), commit_of("hansard eraser")


class Record:
    """What somebody has put on the record, in a database that goes when it is told to."""

    def __init__(self, client: Client, proxy: Proxy) -> None:
        self.client, self.proxy = client, proxy

    async def start(self, user_id: str = "alice") -> dict[str, Any]:
        """All by which an operation may be asked for what is hers."""
        messages = [
            {"role": "user", "content": "How tall is it?"},
            {"role": "assistant", "content": "330 metres.", "id": ANSWER},
        ]
        body = {"messages": messages, "links": [{"kind": "opportunity", "id": "opp_1"}]}
        started = None
        while started is None or started.status_code == 503:  # on a busy machine it is not ready at once
            started = await self.client.post("/api/conversations", json=body, headers={"X-User-Id": user_id})
        assert started.status_code == 201, started.text
        names = names_of(started.json()["id"], "opp_1", user_id)
        return names | {"X-User-Id": user_id, "Idempotency-Key": "once"}

    async def ask(self, operation: Operation, hers: dict[str, Any]) -> httpx.Response:
        return await self.client.request(**operation.asked(hers))

    async def ask_and_lose(
        self, operation: Operation, hers: dict[str, Any], *last: LastWord
    ) -> httpx.Response:
        self.proxy.leave_after(*last)
        try:
            return await self.ask(operation, hers)
        finally:
            assert self.proxy.gone.is_set(), "it came to that answer"
            self.proxy.come_back()

    async def ask_again(self, operation: Operation, hers: dict[str, Any]) -> httpx.Response:
        """As often as it takes until the database is back for every connection."""
        while set(problems(answer := await self.ask(operation, hers))) & {
            "store-unavailable",
            "outcome-unknown",
        }:
            pass
        return answer


@asynccontextmanager
async def recorded(dsn: str) -> AsyncIterator[Record]:
    with proxied(dsn) as proxy:
        async with calling(proxy.dsn) as client:
            yield Record(client, proxy)


def problems(answer: httpx.Response) -> Iterator[str]:
    """Those that are answered, and those that a stream tells of."""
    if answer.is_error:
        yield problem(answer)[1]
    elif answer.headers["Content-Type"].startswith("text/event-stream"):
        for event in answer.text.split("\n\n"):
            if event.startswith("event: error"):
                yield json.loads(event.partition("data: ")[2])["type"]


@pytest.mark.parametrize("operation", WRITES, ids=str)
async def test_what_was_appended_is_answered_or_the_outcome_is_unknown(
    dsn: str, operation: Operation
) -> None:
    async with recorded(dsn) as record:
        hers = await record.start()
        before = events(dsn)
        answer = await record.ask_and_lose(operation, hers, APPENDED)
        assert events(dsn) > before
        assert set(problems(answer)) <= {"outcome-unknown"}, answer.text


@pytest.mark.parametrize("operation", FORGETTING, ids=str)
async def test_an_erasure_that_is_begun_is_never_answered_as_if_it_were_not(
    dsn: str, operation: Operation
) -> None:
    """It goes on by itself, so that it is not known what comes of it."""
    async with recorded(dsn) as record:
        answer = await record.ask_and_lose(operation, await record.start(), NOTED)
        assert set(problems(answer)) <= {"outcome-unknown"}, answer.text


@pytest.mark.parametrize("operation", REPLYING, ids=str)
async def test_a_reply_that_is_stored_is_answered(dsn: str, operation: Operation) -> None:
    async with recorded(dsn) as record:
        answer = await record.ask_and_lose(operation, await record.start(), FORGETTING_THE_DRAFT)
        assert answer.status_code == 200, answer.text
        assert not [*problems(answer)]
        assert "How tall is the Eiffel Tower?" in answer.text


@pytest.mark.parametrize("operation", APPENDING, ids=str)
async def test_what_was_stored_before_is_answered_or_the_outcome_is_unknown(
    dsn: str, operation: Operation
) -> None:
    """The same request once more, with its key."""
    async with recorded(dsn) as record:
        hers = await record.start()
        assert (await record.ask(operation, hers)).is_success
        before = events(dsn)
        answer = await record.ask_and_lose(operation, hers, APPENDED, COMMAND_FOUND)
        assert events(dsn) == before
        assert set(problems(answer)) <= {"outcome-unknown"}, answer.text


@pytest.mark.parametrize("operation", WRITES, ids=str)
async def test_once_it_is_back_the_same_request_gets_its_answer_and_nothing_is_there_twice(
    dsn: str, operation: Operation
) -> None:
    async with recorded(dsn) as record:
        before = events(dsn)
        assert (await record.ask(operation, await record.start("bob"))).is_success
        at_once = events(dsn) - before
        before = events(dsn)
        hers = await record.start("alice")
        await record.ask_and_lose(operation, hers, APPENDED)
        again = await record.ask_again(operation, hers)
        assert again.is_success, again.text
        assert not [*problems(again)]
        assert events(dsn) - before == at_once
