"""A Store that fails in the middle of a stream: the stream ends with ChatKit's `error` event."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from chatkit.errors import ErrorCode
from chatkit.server import StreamingResult
from chatkit.types import ErrorEvent, ThreadItem, ThreadMetadata

from domain.errors import SessionHasEnded
from service.chatkit.context import ChatContext
from service.chatkit.server import HansardChatKit
from service.chatkit.store import HansardStore
from service.hansard import running
from service.settings.settings import Settings
from service.store.errors import StoreIsClosed
from tests.conftest import SHARDS
from tests.service.api.recording import at_once
from tests.service.chatkit.kitchen import SECRET
from tests.service.chatkit.speaking import ERROR, PATH, Heard, adding, creating

FAILING = "tests.service.chatkit.test_failing:Failing"
SPOILT = "spoilt"


class Spoilt(HansardStore):
    """Fails at what is called so."""

    failure: Exception = RuntimeError(SECRET)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: ChatContext) -> None:
        if SPOILT in item.model_dump_json():
            raise self.failure
        await super().add_thread_item(thread_id, item, context)

    async def save_thread(self, thread: ThreadMetadata, context: ChatContext) -> None:
        if context.opportunity == SPOILT:
            raise self.failure
        await super().save_thread(thread, context)


class Failing(HansardChatKit):
    def __init__(self, hansard: Any) -> None:
        super().__init__(hansard)
        self.store = Spoilt(hansard)


@asynccontextmanager
async def server(dsn: str) -> AsyncIterator[Failing]:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        yield Failing(hansard)


async def heard_from(server: Failing, body: Any) -> Heard:
    result = await server.process(msgspec.json.encode(body), ChatContext.of("ann"))
    assert isinstance(result, StreamingResult)
    return Heard(iter(b"".join([event async for event in result]).decode().splitlines())).all()


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        (RuntimeError(SECRET), ErrorEvent(code=ErrorCode.STREAM_ERROR, allow_retry=True)),
        (StoreIsClosed(), ErrorEvent(code="custom", message=str(StoreIsClosed()), allow_retry=True)),
        (SessionHasEnded(), ErrorEvent(code="custom", message=str(SessionHasEnded()), allow_retry=False)),
    ],
)
async def test_a_stream_in_a_process_of_ones_own_ends_with_an_error(
    dsn: str, monkeypatch: pytest.MonkeyPatch, failure: Exception, event: ErrorEvent
) -> None:
    monkeypatch.setattr(Spoilt, "failure", failure)
    async with server(dsn) as failing:
        begun = await heard_from(failing, creating("Well?"))
        assert begun.errors == []
        assert (await heard_from(failing, creating(SPOILT))).events[1:] == [event]
        with pytest.raises(type(failure)):  # nothing was told yet
            await heard_from(failing, adding(begun.thread_id, SPOILT))


async def test_the_service_says_it_in_its_answer_or_with_its_status(dsn: str) -> None:
    async with at_once(dsn, chatkit_server=FAILING) as (client, _):
        answer = await client.post(PATH, json=creating(SPOILT), headers={"X-User-Id": "ann"})
        told = Heard(iter(answer.text.splitlines())).all()
        assert [each.type for each in told.events] == ["thread.created", "error"]
        assert SECRET not in answer.text
        for body, spoilt in ((adding(told.thread_id, SPOILT), ""), (creating("Well?"), SPOILT)):
            headers = {"X-User-Id": "ann", **({"X-Opportunity-Id": spoilt} if spoilt else {})}
            answer = await client.post(PATH, json=body, headers=headers)
            assert answer.status_code == 500
            assert ERROR.validate_json(answer.content).allow_retry
            assert SECRET not in answer.text
