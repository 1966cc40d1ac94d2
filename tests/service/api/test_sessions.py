"""Sessions: listed, read, ended and erased, each answer as it is promised."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.service.api.calling import Client, calling, events, problem
from tests.service.api.recording import assistant, blanked, by, got, said, started, user
from tests.serving import serving

SESSION = (
    '{"id":"ID1","user_id":"ann","created_at":"TIME1","updated_at":"TIME1","is_active":true,'
    '"title":"How tall is it?","message_count":2,"session_data":{"channel":"web"},"name":null}'
)
MESSAGES = (
    '{"id":"ID2","session_id":"ID1","user_id":"ann","role":"user","content":"How tall is it?",'
    '"timestamp":"TIME1","is_fortune":false,"metadata":{}},'
    '{"id":"ID3","session_id":"ID1","user_id":"ann","role":"assistant","content":"330 metres.",'
    '"timestamp":"TIME1","is_fortune":true,"metadata":{"model":"m"}}'
)


async def of_two_messages(client: Client) -> str:
    answer = assistant("330 metres.", is_fortune=True, metadata={"model": "m"})
    made = await started(client, user("How tall is it?"), answer, metadata={"channel": "web"})
    return str(made["id"])


async def test_a_users_sessions_are_listed(dsn: str) -> None:
    async with calling(dsn) as client:
        await of_two_messages(client)
        answer = await client.get("/api/chat/sessions?user_id=ann&limit=5&active_only=true")
        assert blanked(answer) == f'{{"success":true,"sessions":[{SESSION}],"count":1,"next_cursor":null}}'
        assert answer.headers["Content-Type"] == "application/json"


async def test_a_user_without_sessions_has_an_empty_list(dsn: str) -> None:
    async with calling(dsn) as client:
        answer = await client.get("/api/chat/sessions?user_id=nobody")
        assert answer.text == '{"success":true,"sessions":[],"count":0,"next_cursor":null}'


async def test_the_session_with_the_latest_word_comes_first(dsn: str) -> None:
    async with calling(dsn) as client:
        one, other = [await started(client, user(text)) for text in ("one", "other")]
        await said(client, one, user("once more"))
        await client.patch(f"/api/conversations/{other['id']}", json={"title": "Tidied"}, headers=by("ann"))
        listed = await got(client, "/api/chat/sessions")
        assert [each["title"] for each in listed["sessions"]] == ["one", "Tidied"]


async def test_active_only_leaves_out_what_has_ended(dsn: str) -> None:
    async with calling(dsn) as client:
        ended, going_on = [await started(client, user(text)) for text in ("ended", "going on")]
        await client.post("/api/chat/end-session", json={"session_id": ended["id"]})
        active = await got(client, "/api/chat/sessions", active_only=True)
        every = await got(client, "/api/chat/sessions")
        assert [each["id"] for each in active["sessions"]] == [going_on["id"]]
        assert {each["id"]: each["is_active"] for each in every["sessions"]} == {
            going_on["id"]: True,
            ended["id"]: False,
        }


async def test_one_sessions_history_comes_with_the_session(dsn: str) -> None:
    async with calling(dsn) as client:
        session_id = await of_two_messages(client)
        answer = await client.get(f"/api/chat/history?user_id=ann&session_id={session_id}")
        assert blanked(answer) == (
            f'{{"success":true,"session":{SESSION},"messages":[{MESSAGES}],"count":2,'
            '"older":null,"newer":"PLACE1"}'
        )
        by_path = await client.get(f"/api/chat/{session_id}/history/?user_id=ann")
        assert by_path.content == answer.content


async def test_history_without_a_session_is_across_all_of_them_in_order(dsn: str) -> None:
    async with calling(dsn) as client:
        one, other = await started(client, user("1")), await started(client, user("2"))
        await said(client, one, user("3"))
        await said(client, other, user("4"))
        await started(client, user("somebody else's"), by_user="bob")
        history = await got(client, "/api/chat/history", limit=3)
        assert [each["content"] for each in history["messages"]] == ["2", "3", "4"]
        assert history["session"] is None
        before = await got(client, "/api/chat/history", limit=3, before=history["older"])
        assert [each["content"] for each in before["messages"]] == ["1"]


async def test_a_place_in_one_session_means_the_same_across_all(dsn: str) -> None:
    async with calling(dsn) as client:
        one = await started(client, user("1"))
        place = (await got(client, "/api/chat/history", session_id=one["id"]))["newer"]
        await started(client, user("2"))
        assert [
            each["content"] for each in (await got(client, "/api/chat/history", after=place))["messages"]
        ] == ["2"]


async def test_an_ended_session_takes_no_message_and_can_be_read(dsn: str) -> None:
    async with calling(dsn) as client:
        session_id = await of_two_messages(client)
        answer = await client.post("/api/chat/end-session", json={"session_id": session_id})
        assert blanked(answer) == (
            '{"success":true,"message":"Session ID1 marked as inactive","version":4,"position":"PLACE1"}'
        )
        assert answer.headers["ETag"] == '"4"'
        refused = await client.post(f"/api/conversations/{session_id}/messages", json=user("More?"))
        assert problem(refused) == (409, "session-ended")
        assert (await got(client, f"/api/chat/{session_id}/history"))["count"] == 2


async def test_ending_twice_is_no_error_and_changes_nothing(dsn: str) -> None:
    async with calling(dsn) as client:
        ending = {"session_id": (await started(client, user("Hi")))["id"]}
        first = await client.post("/api/chat/end-session", json=ending)
        stored = events(dsn)
        again = await client.post("/api/chat/end-session", json=ending)
        assert (again.status_code, again.json()["message"]) == (200, first.json()["message"])
        assert again.json() | {"position": None} == first.json() | {"position": None}
        assert events(dsn) == stored


async def test_a_session_that_has_moved_on_is_not_ended_by_who_expects_it_not_to(dsn: str) -> None:
    async with calling(dsn) as client:
        session = await started(client, user("Hi"))
        ending = {"session_id": session["id"], "expected_version": 1}
        refused = await client.post("/api/chat/end-session", json=ending)
        assert problem(refused) == (409, "version-conflict")
        assert refused.json()["current_version"] == 2


async def test_an_erased_session_is_in_no_answer(dsn: str) -> None:
    async with calling(dsn) as client:
        session_id = await of_two_messages(client)
        await started(client, user("Another one"), links=[{"kind": "opportunity", "id": "o1"}])
        answer = await client.delete(f"/api/chat/session/{session_id}")
        assert blanked(answer) == '{"success":true,"erased":{"messages":2},"version":4,"position":"PLACE1"}'
        for path in (
            "/api/chat/sessions",
            "/api/conversations",
            "/api/chat/history",
            "/api/search?q=tall",
            "/api/search?q=metres",
        ):
            told = await client.get(path, headers=by("ann"))
            assert told.status_code == 200
            assert session_id not in told.text
            assert "330 metres" not in told.text


async def test_what_is_erased_is_answered_as_if_it_had_never_been(dsn: str) -> None:
    async with calling(dsn) as client:
        session_id = await of_two_messages(client)
        await client.delete(f"/api/chat/session/{session_id}")
        await never_been(client, session_id, "ann", ASKED)


async def test_somebody_elses_session_is_answered_as_if_it_did_not_exist(dsn: str) -> None:
    async with calling(dsn) as client:
        session_id = await of_two_messages(client)
        stored = events(dsn)
        await never_been(client, session_id, "mallory", ASKED)
        assert events(dsn) == stored


ASKED = (
    ("GET", "/api/chat/history?session_id={}"),
    ("GET", "/api/chat/{}/history"),
    ("DELETE", "/api/chat/session/{}"),
    ("POST", "/api/chat/end-session"),
)


async def never_been(
    client: Client, session_id: str, user_id: str, asked: tuple[tuple[str, str], ...]
) -> None:
    for method, path in asked:
        answers = []
        for name in (session_id, str(uuid4())):
            sent = {"session_id": name} if method == "POST" else None
            answers.append(await client.request(method, path.format(name), json=sent, headers=by(user_id)))
        assert problem(answers[0]) == (404, "conversation-not-found"), path
        assert answers[0].content == answers[1].content
        assert answers[0].headers.keys() == answers[1].headers.keys()


async def test_all_of_a_users_sessions_are_erased_and_nobody_elses(dsn: str) -> None:
    async with calling(dsn) as client:
        for number in range(20):
            await started(client, user(f"Number {number}"), assistant("Yes?"))
        await started(client, user("Mine"), by_user="bob")
        answer = await client.delete("/api/session/ann")
        assert (
            blanked(answer) == '{"success":true,"erased":{"sessions":20,"messages":40},"position":"PLACE1"}'
        )
        assert (await got(client, "/api/chat/sessions"))["sessions"] == []
        assert (await got(client, "/api/chat/history"))["messages"] == []
        assert (await got(client, "/api/chat/sessions", by_user="bob"))["count"] == 1
        again = await client.delete("/api/session/ann")
        assert again.text == answer.text


@pytest.mark.parametrize("params", ["limit=0", "limit=1001", "limit=x", "cursor=x", "active_only=x"])
async def test_a_list_that_cannot_be_meant_is_refused_with_what_is_wrong(dsn: str, params: str) -> None:
    async with calling(dsn) as client:
        answer = await client.get(f"/api/chat/sessions?user_id=ann&{params}")
        assert answer.status_code == 400
        assert answer.json()["type"] == ("bad-cursor" if "cursor" in params else "bad-request")


async def test_before_and_after_at_once_are_refused(dsn: str) -> None:
    async with calling(dsn) as client:
        await started(client, user("Hi"))
        place = (await got(client, "/api/chat/history"))["newer"]
        answer = await client.get(f"/api/chat/history?user_id=ann&before={place}&after={place}")
        assert problem(answer) == (400, "bad-request")
        assert answer.json()["field"] == "after"


@pytest.mark.parametrize(
    "path", ["/api/chat/not-an-id/history?user_id=ann", "/api/chat/history?user_id=ann&session_id=null"]
)
async def test_what_is_neither_an_id_nor_a_name_of_the_user_finds_nothing(dsn: str, path: str) -> None:
    async with calling(dsn) as client:
        await of_two_messages(client)
        assert problem(await client.get(path)) == (404, "conversation-not-found")


LINES = r"""
curl -X POST "http://localhost:8000/api/conversations/" -H "Content-Type: application/json" \
  -d '{"user_id": "user123", "metadata": {"channel": "web"},
       "messages": [{"role": "user", "content": "How tall is it?"}]}'
curl "http://localhost:8000/api/chat/sessions?user_id=user123&limit=5&active_only=true"
curl "http://localhost:8000/api/chat/history?user_id=user123&limit=5"
curl "http://localhost:8000/api/chat/history?session_id=$ID"
curl "http://localhost:8000/api/chat/$ID/history"
curl "http://localhost:8000/api/search?q=tall&user_id=user123"
curl -X POST "http://localhost:8000/api/chat/end-session" -H "Content-Type: application/json" \
  -d '{"session_id": "$ID"}'
curl -X DELETE "http://localhost:8000/api/chat/session/$ID"
curl -X DELETE "http://localhost:8000/api/session/user123"
"""


CHAT_LINES = r"""
curl -X POST "http://localhost:8000/api/chat" -H "Content-Type: application/json" \
  -d '{"user_id": "user123", "message": "How tall is it?"}'
curl -N "http://localhost:8000/api/chat/stream" -H "Content-Type: application/json" \
  -d '{"user_id": "user123", "message": "And in feet?", "session_id": "$ID"}'
curl -N "http://localhost:8000/api/chat/$ID/stream"
"""


def answered(url: str, lines: str, id_of: str) -> Iterator[str]:
    """What curl prints for each of the lines; $ID is what the first answer names."""
    known = ""
    for line in lines.replace("\\\n", "").split("\ncurl ")[1:]:
        words = shlex.split(line.replace("http://localhost:8000", url).replace("$ID", known))
        done = subprocess.run(
            ["curl", "--silent", *words], capture_output=True, text=True, check=True, timeout=30
        )
        if not known and (found := re.search(id_of, done.stdout)):
            known = found[1]
        yield blanked(done.stdout)


def turn(session: str, question: str, reply: str, asked: str, earlier: int) -> str:
    known = f'"session_id":"{session}","user_id":"user123"'
    rest = '"is_fortune":false,"metadata":{}'
    return (
        f'"message":{{"id":"{question}",{known},"role":"user","content":"{asked}","timestamp":"TIME1",{rest}}},'
        f'"reply":{{"id":"{reply}",{known},"role":"assistant","content":"{said_offline(asked, earlier)}",'
        f'"timestamp":"TIME2",{rest},"status":"complete","in_reply_to":"{question}"}}'
    )


def said_offline(asked: str, earlier: int) -> str:
    return (
        f"This is Hansard's built-in offline responder; no model was asked. You said: “{asked}” "
        f"I was told {earlier} earlier messages. To talk to a model, set HANSARD_RESPONDER=openai."
    )


def test_a_chat_from_the_command_line_is_answered_whole_and_as_it_is_given(
    data: Path, tmp_path: Path
) -> None:
    with serving(data=data, output=tmp_path / "output") as service:
        whole, given, again = answered(service.url, CHAT_LINES, r'"session_id":"([^"]+)"')
    assert whole == (
        '{"success":true,"session_id":"ID1",'
        + turn("ID1", "ID2", "ID3", "How tall is it?", 0)
        + ',"version":3,'
        '"position":"PLACE1"}'
    )
    begun = (
        "retry: 1000\nevent: session\nid: ID1:0\n"
        'data: {"session_id":"ID2","message_id":"ID3","reply_id":"ID1"}\n\n'
    )
    done = (
        'event: done\nid: ID1:end\ndata: {"success":true,"session_id":"ID2",'
        + turn("ID2", "ID3", "ID1", "And in feet?", 2)
        + ',"version":5,"position":"PLACE1"}\n\n'
    )
    delta = re.compile(r'event: delta\nid: ID1:\d+\ndata: {"text":"(.*)"}\n\n')
    for stream in (given, again):
        assert delta.sub("", stream) == begun + done
        assert "".join(delta.findall(stream)) == said_offline("And in feet?", 2)


def test_the_lines_that_a_reader_would_try_work_as_they_stand(data: Path, tmp_path: Path) -> None:
    session = SESSION.replace('"ann"', '"user123"').replace('count":2', 'count":1')
    message = MESSAGES.replace('"ann"', '"user123"').split(',{"id"')[0]
    with serving(data=data, output=tmp_path / "output") as service:
        answers = list(answered(service.url, LINES, r'"id":"([^"]+)"'))
    assert answers[0].startswith('{"id":"ID1","user_id":"user123","title":"How tall is it?"')
    in_session = f'"messages":[{message}],"count":1,"older":null,"newer":"PLACE1"}}'
    of_user = in_session.replace("ID2", "ID0").replace("ID1", "ID2").replace("ID0", "ID1")
    assert answers[1:] == [
        f'{{"success":true,"sessions":[{session}],"count":1,"next_cursor":null}}',
        f'{{"success":true,"session":null,{of_user}',
        f'{{"success":true,"session":{session},{in_session}',
        f'{{"success":true,"session":{session},{in_session}',
        '{"results":[{"message_id":"ID1","conversation_id":"ID2","role":"user","timestamp":"TIME1",'
        '"rank":0.0607927106320858,"snippet":"How <mark>tall</mark> is it","place":"PLACE1"}],'
        '"next_cursor":null}',
        '{"success":true,"message":"Session ID1 marked as inactive","version":3,"position":"PLACE1"}',
        '{"success":true,"erased":{"messages":1},"version":4,"position":"PLACE1"}',
        '{"success":true,"erased":{"sessions":0,"messages":0},"position":null}',
    ]
