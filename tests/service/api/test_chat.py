"""The chat endpoints: what goes in, what comes out, and what is said where it does not."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.model import CUT, Garbage, Hold, Model, Status, Step, scripted
from tests.service.api.calling import Client, as_user, asked_who, calling, events, problem

ANN = {"X-User-Id": "ann"}


@pytest.fixture
def model() -> Iterator[Model]:
    with scripted() as model:
        yield model


def asking(model: Model, **more: Any) -> dict[str, Any]:
    given = {
        "responder": "openai",
        "openai_base_url": model.url,
        "openai_model": "scripted",
        "responder_timeout": 3,
        "responder_retries": 0,
    }
    return given | more


async def said(client: Client, session_id: str) -> list[tuple[str, str]]:
    found = (await client.get("/api/chat/history", params={"session_id": session_id}, headers=ANN)).json()
    return [(each["role"], each["content"]) for each in found["messages"]]


async def test_a_message_is_answered_with_itself_and_its_reply_as_they_are_stored(dsn: str) -> None:
    async with calling(dsn) as client:
        sent = {
            "message": "How tall is it?",
            "user_id": "ann",
            "is_fortune": True,
            "metadata": {"from": "web"},
            "session_data": {"channel": "web"},
        }
        answer = await client.post("/api/chat", json=sent)
        told = answer.json()
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"3"')
        assert list(told) == ["success", "session_id", "message", "reply", "version", "position"]
        assert (told["message"]["content"], told["message"]["metadata"]) == (
            "How tall is it?",
            {"from": "web"},
        )
        assert (told["reply"]["in_reply_to"], told["reply"]["status"]) == (told["message"]["id"], "complete")
        assert told["message"]["is_fortune"] is told["reply"]["is_fortune"] is True
        page = await client.get(f"/api/chat/{told['session_id']}/history", headers=ANN)
        stored = page.json()
        assert stored["session"]["session_data"] == {"channel": "web"}
        assert stored["messages"][0] == told["message"]
        assert stored["messages"][1] == {
            name: value for name, value in told["reply"].items() if name not in ("status", "in_reply_to")
        }


async def test_a_session_goes_on_by_either_path_and_is_found_by_all_the_others(dsn: str) -> None:
    async with calling(dsn) as client:
        started = (await client.post("/api/chat/start", headers=ANN)).json()
        session_id = started["session_id"]
        assert UUID(session_id).version == 7
        await client.post("/api/chat", json={"message": "One?", "session_id": session_id})
        await client.post(f"/api/chat/{session_id}/message", json={"message": "Two?"})
        plain = {"message": "Three?", "conversation_id": session_id}
        answer = (await client.post("/support/chatkit", json=plain)).json()
        assert answer["conversation_id"] == session_id
        lines = await said(client, session_id)
        assert [line[1] for line in lines[::2]] == ["One?", "Two?", "Three?"]
        assert lines[-1] == ("assistant", answer["reply"])
        found = await client.get(f"/api/conversations/{session_id}/messages", headers=ANN)
        assert len(found.json()["messages"]) == 6


async def test_a_start_may_say_what_the_session_is_and_with_a_key_there_is_one(dsn: str) -> None:
    async with calling(dsn) as client:
        body = {"user_id": "ann", "title": "Towers", "session_data": {"channel": "web"}}
        first = await client.post("/api/chat/start", json=body, headers={"Idempotency-Key": "k"})
        again = await client.post("/api/chat/start", json=body, headers={"Idempotency-Key": "k"})
        assert first.json() == again.json()
        assert events(dsn) == 1


async def test_a_reply_can_be_listened_to_while_it_is_given_and_afterwards(dsn: str) -> None:
    async with calling(dsn) as client:
        answer = await client.post("/api/chat/stream", json={"message": "Well?", "user_id": "ann"})
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
        assert (names[0], names[-1], set(names[1:-1])) == ("session", "done", {"delta"})
        ids = [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")]
        session_id = answer.text.partition('"session_id":"')[2][:36]
        path = f"/api/chat/{session_id}/stream"
        again = await client.get(path, headers=ANN)
        assert again.text.splitlines()[-3:] == answer.text.splitlines()[-3:]
        heard = await client.get(path, headers=ANN | {"Last-Event-ID": ids[-1]})
        assert (heard.status_code, heard.content) == (204, b"")
        elsewhere = await client.get(path, headers=ANN | {"Last-Event-ID": f"{uuid4()}:0"})
        assert elsewhere.status_code == 204
        wrong = await client.get(path, headers=ANN | {"Last-Event-ID": "seven"})
        assert problem(wrong) == (400, "bad-last-event-id")


async def test_where_nobody_has_replied_there_is_nothing_to_listen_to_or_to_stop(dsn: str) -> None:
    async with calling(dsn) as client:
        session_id = (await client.post("/api/chat/start", headers=ANN)).json()["session_id"]
        assert (await client.get(f"/api/chat/{session_id}/stream", headers=ANN)).status_code == 204
        stopped = await client.post(f"/api/chat/{session_id}/stop", headers=ANN)
        assert stopped.json() == {"success": True, "stopped": False, "reply": None}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([Status(429)], (502, "responder-failed")),
        ([Status(500)], (502, "responder-failed")),
        ([Garbage(b"data: {not json}\n\n")], (502, "responder-failed")),
        ([CUT], (502, "responder-failed")),
        ([], (502, "responder-failed")),
        (["Once ", CUT], (502, "responder-failed")),
        ([Hold()], (504, "responder-timeout")),
        (["Once ", Hold()], (504, "responder-timeout")),
    ],
)
async def test_a_model_that_fails_is_told_of_and_the_same_request_again_works(
    dsn: str, model: Model, steps: list[Step], expected: tuple[int, str]
) -> None:
    async with calling(dsn, **asking(model)) as client:
        model.answers(*steps)
        model.answers(*steps)
        body = {"message": "Well?", "user_id": "ann"}
        failed = await client.post("/api/chat", json=body, headers={"Idempotency-Key": "k"})
        assert problem(failed) == expected
        session_id = failed.json()["session_id"]
        half = [("assistant", "Once ")] if "Once " in steps else []
        assert await said(client, session_id) == [("user", "Well?"), *half]
        streamed = await client.post("/api/chat/stream", json=body | {"session_id": session_id})
        assert streamed.status_code == 200
        assert "event: error\n" in streamed.text
        assert f'"type":"{expected[1]}"' in streamed.text
        again = await client.post("/api/chat", json=body, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.json()["reply"]["content"]) == (200, "Certainly.")
        assert again.json()["session_id"] == session_id
        for step in steps:
            if isinstance(step, Hold):
                step.go()


@pytest.mark.parametrize("body", [{}, {"message": 7}, {"message": "a", "b": 1}])
async def test_what_is_neither_a_plain_message_nor_chatkits_is_told_what_would_be(
    dsn: str, body: dict[str, Any]
) -> None:
    async with calling(dsn) as client:
        answer = await client.post("/support/chatkit", json=body, headers=ANN)
        assert problem(answer) == (400, "not-a-message")
        assert "says its `type`" in answer.json()["detail"]
        assert events(dsn) == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "bad-request")),
        ({"message": ""}, (400, "empty")),
        ({"message": "a", "mesage": "b"}, (400, "bad-request")),
        ({"message": "a", "session_id": "seven"}, (404, "conversation-not-found")),
        ({"message": "a", "session_id": str(uuid4())}, (404, "conversation-not-found")),
        ({"message": "a", "metadata": {"x": "y" * 20_000}}, (413, "metadata-too-large")),
        ({"message": "a" * 1_000_001}, (413, "content-too-long")),
    ],
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/chat/stream"])
async def test_what_cannot_be_a_turn_is_refused_and_nothing_stored(
    dsn: str, path: str, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    async with calling(dsn) as client:
        assert problem(await client.post(path, json=body, headers=ANN)) == expected
        assert events(dsn) == 0


async def test_an_ended_session_takes_no_message_and_an_erased_one_neither(dsn: str) -> None:
    async with calling(dsn) as client:
        session_id = (await client.post("/api/chat/start", headers=ANN)).json()["session_id"]
        await client.post("/api/chat/end-session", json={"session_id": session_id}, headers=ANN)
        body = {"message": "Still there?", "session_id": session_id}
        assert problem(await client.post("/api/chat", json=body, headers=ANN)) == (409, "session-ended")
        await client.delete(f"/api/chat/session/{session_id}", headers=ANN)
        assert (await client.post("/api/chat", json=body, headers=ANN)).status_code in (404, 410)


async def test_a_version_that_has_moved_on_is_told_and_the_next_message_is_not_blocked(dsn: str) -> None:
    async with calling(dsn) as client:
        first = (await client.post("/api/chat", json={"message": "One?"}, headers=ANN)).json()
        body = {"message": "Two?", "session_id": first["session_id"]}
        late = await client.post("/api/chat", json=body | {"expected_version": 2}, headers=ANN)
        assert problem(late) == (409, "version-conflict")
        fits = await client.post("/api/chat", json=body, headers=ANN | {"If-Match": '"3"'})
        assert fits.status_code == 200


async def test_nobody_listens_to_another_users_reply_or_stops_it(dsn: str) -> None:
    async with asked_who(dsn) as client:
        mine = await client.post("/api/chat", json={"message": "Mine?"}, headers=as_user("ann"))
        session_id = mine.json()["session_id"]
        for headers, status in ((as_user("eve"), 404), ({}, 401)):
            for method, path in (("GET", "stream"), ("POST", "stop")):
                answer = await client.request(method, f"/api/chat/{session_id}/{path}", headers=headers)
                assert answer.status_code == status
            body = {"message": "And I?", "session_id": session_id}
            assert (await client.post("/api/chat", json=body, headers=headers)).status_code == status
        assert events(dsn) == 3
