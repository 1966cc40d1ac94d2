"""What cannot be carried out: said in the protocol's shape, with a fitting status; nothing is stored."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from chatkit.server import NonStreamingResult
from chatkit.store import NotFoundError

from service.chatkit.context import ChatContext
from service.chatkit.server import HansardChatKit
from service.hansard import running
from service.settings.settings import Settings
from tests.conftest import SHARDS
from tests.listening import draft
from tests.service.api.calling import as_user, asked_who, events, problem
from tests.service.api.recording import at_once
from tests.service.chatkit.kitchen import SECRET
from tests.service.chatkit.serving import KITCHEN
from tests.service.chatkit.speaking import ERROR, PATH, Heard, adding, creating, request, said

pytestmark = pytest.mark.filterwarnings("ignore:Direct usage of named widget classes:DeprecationWarning")
ANN = {"X-User-Id": "ann"}
JSON = {"Content-Type": "application/json"}
NOWHERE = str(uuid4())


async def sent(client: httpx.AsyncClient, body: Any, **headers: str) -> httpx.Response:
    return await client.post(PATH, json=body, headers=ANN | headers)


async def heard(client: httpx.AsyncClient, body: Any) -> Heard:
    answer = await sent(client, body)
    assert answer.status_code == 200, answer.text
    return Heard(iter(answer.text.splitlines())).all()


def refused(answer: httpx.Response) -> tuple[int, str | None, bool]:
    error = ERROR.validate_json(answer.content)
    return answer.status_code, error.message, error.allow_retry


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"type": "threads.sing"}, 400, "threads.sing"),
        ({"type": 7}, 400, "type"),
        ({"type": "threads.create"}, 400, "params: field required"),
        (request("threads.create", input={}), 400, "input.content: field required"),
        (creating(""), 400, "content is empty"),
        (creating("a" * 1_000_001), 413, "1000001 bytes"),
        (request("threads.create", input=said("a", attachments=["x"])), 404, "Attachment x not found"),
        (request("threads.list", limit=0), 400, "limit is 0"),
        (request("threads.list", limit=-1), 400, "limit is -1"),
        (request("items.list", thread_id=NOWHERE, limit=1001), 400, "limit is 1001"),
        (adding(NOWHERE, "a"), 404, "not found"),
        (adding("thr_1234", "a"), 404, "not found"),
        (request("threads.get_by_id", thread_id=NOWHERE), 404, "not found"),
        (request("items.list", thread_id=NOWHERE), 404, "not found"),
        (request("threads.update", thread_id=NOWHERE, title="a"), 404, "not found"),
        (request("threads.retry_after_item", thread_id=NOWHERE, item_id="a"), 404, "not found"),
        (request("items.feedback", thread_id=NOWHERE, item_ids=["a"], kind="positive"), 404, "not found"),
        (request("items.feedback", thread_id="x", item_ids=["a"], kind="positive"), 404, "not found"),
        (request("input.transcribe", audio_base64="AAAA", mime_type="audio/webm"), 400, "send text"),
        (request("input.transcribe", audio_base64="A", mime_type="audio/webm"), 409, "does not fit"),
        (request("attachments.create", name="a", size=25_000_001, mime_type="text/plain"), 413, "25000001"),
        (request("attachments.create", name="a", size=-1, mime_type="text/plain"), 413, "-1 bytes"),
        (request("attachments.create", name="a", size=1, mime_type="video/mp4"), 400, "video/mp4"),
        (request("attachments.create", name="", size=1, mime_type="text/plain"), 400, "name is empty"),
    ],
)
async def test_what_cannot_be_carried_out_is_refused_and_nothing_stored(
    dsn: str, body: dict[str, Any], status: int, words: str
) -> None:
    async with at_once(dsn) as (client, _):
        answer = await sent(client, body)
        assert answer.status_code == status
        assert words in str(refused(answer)[1])
        assert events(dsn) == 0


async def test_callers_of_a_server_catch_the_errors_of_chatkits_package(dsn: str) -> None:
    """Who runs a server in a process of her own has no statuses to look at."""
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        server = HansardChatKit(hansard)

        async def sent(body: dict[str, Any] | bytes) -> bytes:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            result = await server.process(raw, ChatContext.of("ann"))
            return (
                result.json
                if isinstance(result, NonStreamingResult)
                else b"".join([each async for each in result])
            )

        begun = Heard(iter((await sent(creating("Well?"))).decode().splitlines())).all()
        thread_id, reply = begun.thread_id, begun.done[-1]
        for body in (
            request("threads.get_by_id", thread_id=NOWHERE),
            request("threads.get_by_id", thread_id="thr_1"),
            request("items.list", thread_id=NOWHERE),
            request("items.list", thread_id=thread_id, after="x"),
            request("items.feedback", thread_id=NOWHERE, item_ids=["a"], kind="positive"),
            request("items.feedback", thread_id=thread_id, item_ids=["a"], kind="positive"),
            request("threads.retry_after_item", thread_id=thread_id, item_id="x"),
            request("threads.create", input=said("a", attachments=["x"])),
            adding(NOWHERE, "Well?"),
        ):
            with pytest.raises(NotFoundError, match=" not found"):
                await sent(body)
        for odd in (
            b"{",
            request("threads.sing"),
            request("threads.retry_after_item", thread_id=thread_id, item_id=reply.id),
            request("threads.add_client_tool_output", thread_id=thread_id, result=7),
        ):
            with pytest.raises(ValueError):  # noqa: PT011 - that it is one is what is tested
                await sent(odd)


async def test_what_does_not_fit_a_thread_changes_nothing_in_it(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        begun = await heard(client, creating("Well?"))
        thread_id, (question, reply) = begun.thread_id, begun.done
        before = events(dsn)
        here: dict[str, Any] = {"thread_id": thread_id}
        action: dict[str, Any] = {"action": {"type": "choose", "payload": None}, **here}
        for body, status in (
            (request("threads.retry_after_item", item_id=reply.id, **here), 409),
            (request("threads.retry_after_item", item_id="x", **here), 404),
            (request("threads.add_structured_input", item_id=question.id, input={}, **here), 409),
            (request("threads.add_structured_input", item_id="x", input={}, **here), 404),
            (request("threads.add_client_tool_output", result=7, **here), 409),
            (request("threads.custom_action", item_id=question.id, **action), 409),
            (request("threads.sync_custom_action", item_id=question.id, **action), 409),
            (request("threads.sync_custom_action", **action), 404),
            (request("items.feedback", item_ids=[reply.id, "x"], kind="negative", **here), 404),
            (request("threads.update", title="", **here), 400),
            (request("threads.update", title="a" * 256, **here), 400),
            (adding(thread_id, "a\ud800"), 400),
        ):
            raw = json.dumps(body)  # which sends half of a pair as it is
            answer = await client.post(PATH, content=raw, headers=ANN | JSON)
            assert answer.status_code == status, (body, answer.text)
        heard_nothing = await heard(client, request("threads.custom_action", **action))
        (error,) = heard_nothing.errors
        assert (error.allow_retry, "choose" in str(error.message)) == (False, True)
        assert events(dsn) == before


async def test_what_is_too_long_to_be_stored_is_said_and_not_to_be_tried_again(dsn: str) -> None:
    """Where ChatKit's package would only say that something went wrong."""
    words = "a" * 1_000_000
    async with at_once(dsn, chatkit_server=KITCHEN) as (client, _):
        asked = await heard(client, creating("/form"))
        here: dict[str, Any] = {"thread_id": asked.thread_id}
        _, form = asked.done
        answers = {"answers": {"where": {"values": [words]}}}
        _, widget = (await heard(client, adding(asked.thread_id, "/widget"))).done
        before = events(dsn)
        for body in (
            request("threads.add_structured_input", item_id=form.id, input=answers, **here),
            request("threads.custom_action", action={"type": "choose", "payload": words}, **here),
            request(
                "threads.custom_action", item_id=widget.id, action={"type": "a", "payload": words}, **here
            ),
        ):
            (error,) = (await heard(client, body)).errors
            assert (error.code, error.allow_retry) == ("custom", False)
            assert "the limit is 1000000" in str(error.message)
        assert events(dsn) == before
        answers = {"answers": {"where": {"values": ["In Paris"]}}}
        given = request("threads.add_structured_input", item_id=form.id, input=answers, **here)
        assert (await heard(client, given)).errors == []


async def test_many_messages_at_once_are_all_kept_and_the_last_is_answered(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        thread_id = (await heard(client, creating("Well?"))).thread_id
        texts = [f"Number {each}" for each in range(10)]
        answers = await asyncio.gather(*(heard(client, adding(thread_id, text)) for text in texts))
        page = await sent(client, request("items.list", thread_id=thread_id, limit=100, order="asc"))
        items = page.json()["data"]
        questions = [each["content"][0]["text"] for each in items if each["type"] == "user_message"]
        assert sorted(questions) == sorted([*texts, "Well?"])
        assert items[-1]["type"] == "assistant_message"
        shown = {each["id"] for each in items}
        assert {item.id for answer in answers for item in answer.done} <= shown
        assert draft(dsn) is None


async def test_a_locked_thread_takes_nothing_and_says_why_before_anything_is_stored(dsn: str) -> None:
    async with at_once(dsn, chatkit_server=KITCHEN) as (client, _):
        locked = await heard(client, creating("/lock"))
        before = events(dsn)
        for body in (
            adding(locked.thread_id, "Hello?"),
            request("threads.retry_after_item", thread_id=locked.thread_id, item_id=locked.done[0].id),
        ):
            answer = refused(await sent(client, body))
            assert answer == (409, "The thread is locked, and takes nothing now: We are counting.", False)
        assert events(dsn) == before
        page = await sent(client, request("threads.get_by_id", thread_id=locked.thread_id))
        assert page.json()["status"] == {"type": "locked", "reason": "We are counting."}


async def test_an_error_of_an_applications_own_is_told_without_its_words(dsn: str) -> None:
    async with at_once(dsn, chatkit_server=KITCHEN) as (client, _):
        answer = await sent(client, creating("/broken"))
        (error,) = Heard(iter(answer.text.splitlines())).all().errors
        assert (error.code, error.allow_retry) == ("stream.error", True)
        assert SECRET not in answer.text


async def test_who_proves_nothing_or_asks_too_much_is_told_so_as_everywhere(dsn: str) -> None:
    """Before anything of the body is looked at: nobody knows yet that it is a ChatKit request."""
    async with asked_who(dsn, body_limit=2_000) as client:
        assert problem(await client.post(PATH, json=creating("Well?"))) == (401, "not-authenticated")
        large = await client.post(PATH, json=creating("a" * 2_000), headers=as_user("ann"))
        assert problem(large) == (413, "body-too-long")
        assert events(dsn) == 0


async def test_where_nobody_is_named_it_is_asked_who_is_meant(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        answer = await client.post(PATH, json=creating("Well?"))
        assert refused(answer)[0] == 400
        begun = await heard(client, creating("Well?"))
        owners = await client.post(PATH, json=adding(begun.thread_id, "And?"))
        assert owners.status_code == 200


async def test_where_files_go_is_the_hosts_business_and_said_to_the_client(dsn: str) -> None:
    async with at_once(dsn, chatkit_upload_url="https://files.test/{id}") as (client, _):
        for mime_type, kind in (("image/png", "image"), ("text/plain", "file")):
            wish = request("attachments.create", name="a", size=1, mime_type=mime_type)
            made = (await sent(client, wish)).json()
            assert made["type"] == kind
            assert made["upload_descriptor"] == {
                "url": f"https://files.test/{made['id']}",
                "method": "PUT",
                "headers": {},
            }
            assert "metadata" not in made
