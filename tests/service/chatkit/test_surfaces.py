"""One record, many surfaces: what is begun in one of them is gone on with in all the others."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.model import Model
from tests.service.chatkit.serving import served
from tests.service.chatkit.speaking import PATH, Widget, adding, creating, request, widget_at


def post(widget: Widget, path: str, **body: Any) -> Any:
    answer = widget.client.post(path, json=body, headers=widget.headers)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_a_thread_is_listed_continued_searched_exported_and_ended_by_the_other_surfaces(
    widget: Widget, model: Model
) -> None:
    model.answers("330 metres.")
    thread_id = widget.create("How tall is it?")
    (session,) = widget.get("/api/chat/sessions")["sessions"]
    assert (session["id"], session["title"], session["message_count"]) == (thread_id, "How tall is it?", 2)
    (listed,) = widget.get("/api/conversations")["conversations"]
    assert listed["id"] == thread_id
    model.answers("1,083 feet.")
    post(widget, "/api/chat", message="And in feet?", session_id=thread_id)
    assert model.heard()[1:] == [
        ("user", "How tall is it?"),
        ("assistant", "330 metres."),
        ("user", "And in feet?"),
    ]
    post(widget, f"/api/conversations/{thread_id}/messages", role="user", content="Thanks.")
    lines = ["How tall is it?", "330 metres.", "And in feet?", "1,083 feet.", "Thanks."]
    assert widget.lines(thread_id) == lines
    found = widget.client.get("/api/search", params={"q": "feet"}, headers=widget.headers).text
    assert thread_id in found
    exported = widget.client.get("/api/export", headers=widget.headers)
    assert exported.status_code == 200
    events = [json.loads(line).get("event", {}) for line in exported.iter_lines()]
    assert [each["content"] for each in events if each.get("event") == "message_added"] == lines
    post(widget, "/api/chat/end-session", session_id=thread_id)
    assert widget.thread(thread_id).status.type == "closed"
    status, message, again = widget.refused(adding(thread_id, "Still there?"))
    assert (status, again) == (409, False)
    assert message == "The session has ended: reopen it, or start another."
    assert widget.lines(thread_id) == lines
    reopened = widget.client.patch(
        f"/api/conversations/{thread_id}", json={"ended": False}, headers=widget.headers
    )
    assert reopened.status_code == 200, reopened.text
    assert widget.hear(adding(thread_id, "Still there?")).text == "Certainly."


def test_what_other_surfaces_begin_is_a_thread_and_goes_on_as_one(widget: Widget, model: Model) -> None:
    session = post(widget, "/api/chat", message="One?")["session_id"]
    plain = post(widget, "/support/chatkit", message="Two?")
    recorded = post(
        widget,
        "/api/conversations",
        title="Three",
        messages=[{"role": "user", "content": "Three?"}, {"role": "assistant", "content": "Three."}],
    )["id"]
    threads = widget.threads()
    assert [each.id for each in threads] == [recorded, plain["conversation_id"], session]
    assert [each.title for each in threads] == ["Three", "Two?", "One?"]
    assert widget.lines(recorded) == ["Three?", "Three."]
    heard = widget.hear(adding(session, "More?"))
    assert [line for _, line in model.heard()[1:]] == [
        "One?",
        "Certainly.",
        "Two?",
        "Certainly.",
        "Three?",
        "Three.",
        "More?",
    ]
    assert widget.threads()[0].id == session
    assert widget.items(session)[-2:] == heard.done
    page = widget.get(f"/api/conversations/{session}/messages")["messages"]
    assert [each["content"] for each in page] == ["One?", "Certainly.", "More?", "Certainly."]
    assert page[-1]["in_reply_to"] == page[-2]["id"]
    question = widget.items(session)[0]
    retry = request("threads.retry_after_item", thread_id=session, item_id=question.id)
    assert widget.hear(retry).text == "Certainly."
    assert widget.lines(session) == ["One?", "Certainly."]
    widget.ask("threads.update", thread_id=session, title="The first")
    titles = [each["title"] for each in widget.get("/api/chat/sessions")["sessions"]]
    assert titles == ["The first", "Three", "Two?"]
    widget.ask("threads.delete", thread_id=session)
    assert [each["id"] for each in widget.get("/api/conversations")["conversations"]] == [
        recorded,
        plain["conversation_id"],
    ]
    assert widget.client.get(f"/api/chat/{session}/history", headers=widget.headers).status_code in (404, 410)


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("HANSARD_HISTORY_MESSAGES", "2", ["Certainly.", "Three?"]),
        ("HANSARD_HISTORY_CHARACTERS", "16", ["Certainly.", "Three?"]),
    ],
)
def test_the_caps_on_what_a_model_is_told_hold_here_too(
    dsn: str, model: Model, tmp_path: Path, setting: str, value: str, told: list[str]
) -> None:
    with served(dsn, model, tmp_path, **{setting: value}) as service, widget_at(service.url) as widget:
        widget.hear(creating("One?"))
        post(widget, "/api/chat", message="Two?")
        widget.hear(creating("Three?"))
        assert [line for _, line in model.heard()[1:]] == told


def test_a_thread_is_linked_to_the_opportunity_that_was_active_when_it_began(
    widget: Widget, model: Model
) -> None:
    def about(opportunity: str) -> list[str]:
        page = widget.get(f"/api/opportunities/{opportunity}/conversations")["conversations"]
        return [each["title"] for each in page]

    first = widget.hear(creating("One?"), **{"X-Opportunity-Id": "opp_1"}).thread_id
    widget.hear(creating("Two?", metadata={"opportunity_id": "opp_2"}))
    third = widget.hear(creating("Three?", metadata={"opportunity_id": "opp_1"})).thread_id
    plain = {"message": "Four?"}
    assert widget.send(plain, **{"X-Opportunity-Id": "opp_2"}).status_code == 200
    widget.hear(creating("Five?"))
    assert about("opp_1") == ["Three?", "One?"]
    assert about("opp_2") == ["Four?", "Two?"]
    # Another opportunity is active now: she goes on with the first, whose threads are all there.
    widget.hear(adding(first, "Still?"), **{"X-Opportunity-Id": "opp_2"})
    assert about("opp_1") == ["One?", "Three?"]
    assert about("opp_2") == ["Four?", "Two?"]
    page = widget.get("/api/opportunities/opp_1/conversations", limit=1)
    rest = widget.get("/api/opportunities/opp_1/conversations", limit=1, cursor=page["next_cursor"])
    assert [each["id"] for each in rest["conversations"]] == [third]
    same = widget.get("/api/links/opportunity/opp_1/conversations")
    assert [each["title"] for each in same["conversations"]] == ["One?", "Three?"]
    bob = widget.strangers()
    bob.hear(creating("His."), **{"X-Opportunity-Id": "opp_1"})
    erased = widget.client.delete("/api/opportunities/opp_1", headers=widget.headers).json()
    assert erased["erased"] == {"conversations": 2, "messages": 6}
    assert about("opp_1") == []
    assert [each.title for each in widget.threads()] == ["Five?", "Four?", "Two?"]
    assert [each.title for each in bob.threads()] == ["His."]
    for wrong in ({"opportunity_id": 7}, {"opportunity_id": "o" * 256}):
        assert widget.refused(creating("Six?", metadata=wrong))[0] == 400
    assert widget.refused(creating("Six?"), **{"X-Opportunity-Id": "o" * 256})[0] == 400


@pytest.mark.parametrize("opportunity", ["a b", "ä%2F", "a?b#c", "日本 😀", "'; --", 'a"b:c'])
def test_an_opportunity_may_be_called_anything(widget: Widget, opportunity: str) -> None:
    raw = {**widget.headers, "X-Opportunity-Id": opportunity.encode()}
    answer = widget.client.post(PATH, json=creating("By header"), headers=raw)  # type: ignore[arg-type]
    assert answer.status_code == 200
    widget.hear(creating("In words", metadata={"opportunity_id": opportunity}))
    found = widget.get(f"/api/opportunities/{quote(opportunity, safe='')}/conversations")["conversations"]
    assert [each["title"] for each in found] == ["In words", "By header"]
    assert widget.get("/api/conversations", link=f"opportunity:{opportunity}")["conversations"] == found
