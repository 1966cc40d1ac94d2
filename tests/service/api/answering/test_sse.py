"""Server-sent events: what is sent of a reply, and where it goes on."""

from collections.abc import AsyncIterator

import pytest
from msgspec import Struct

from service.api.answering import sse
from service.api.answering.sse import StreamPlace, events_of, place_in
from service.replies.ending import ReplyEnd
from service.replies.errors import NotAPlace
from service.replies.reply import Reply
from service.responder import ResponderFailed
from service.store.ids import new_id

CONVERSATION = new_id()


def reply(*pieces: str) -> Reply:
    made = Reply("r1", 0, CONVERSATION, "q1")
    for piece in pieces:
        made.grow(piece)
    return made


def failed(*pieces: str) -> Reply:
    made = reply(*pieces)
    made.end(ReplyEnd(None, ResponderFailed(why="it answered 500")))
    return made


async def tell(ended: Reply) -> Struct:
    await ended.outcome()
    raise AssertionError("it has not ended well")


def sent(found: Reply, offset: int = 0) -> AsyncIterator[bytes]:
    return events_of(found, offset, tell)


async def test_every_event_has_a_name_an_id_and_one_line_of_data() -> None:
    began, delta, error = [event async for event in sent(failed("One\nline, ", "and “more”."))]
    session = f'{{"session_id":"{CONVERSATION}","message_id":"q1","reply_id":"r1"}}'
    assert began.decode() == f"retry: 1000\nevent: session\nid: r1:0\ndata: {session}\n\n"
    assert delta.decode() == 'event: delta\nid: r1:21\ndata: {"text":"One\\nline, and “more”."}\n\n'
    assert error.startswith(b'event: error\nid: r1:end\ndata: {"type":"responder-failed"')
    assert error.count(b"\n") == 4


async def test_it_goes_on_from_the_characters_that_were_heard() -> None:
    _, delta, _ = [event async for event in sent(failed("Ein ", "Stück ", "😀 Käse"), 6)]
    assert delta.decode() == 'event: delta\nid: r1:16\ndata: {"text":"ück 😀 Käse"}\n\n'
    assert len([event async for event in sent(failed("heard"), 5)]) == 2
    assert len([event async for event in sent(failed("heard"), 500)]) == 2


async def test_while_nothing_comes_the_connection_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_EVERY", 0.01)
    stream = sent(reply())
    assert (await anext(stream)).startswith(b"retry")
    assert [await anext(stream) for _ in range(3)] == [b": the reply is under way\n\n"] * 3


async def test_a_process_that_stops_ends_the_stream_without_an_end() -> None:
    leaving = reply("Once ")
    leaving.leave()
    names = [event.split(b"\n")[-5:-3] for event in [event async for event in sent(leaving)]]
    assert [name[0] for name in names] == [b"event: session", b"event: delta"]


async def test_an_error_that_nobody_expected_is_told_without_its_words() -> None:
    broken = reply()
    broken.end(ReplyEnd(None, ZeroDivisionError("what somebody said")))
    _, error = [event async for event in sent(broken)]
    assert b'"type":"unexpected"' in error
    assert b"what somebody said" not in error


@pytest.mark.parametrize(
    "place",
    [StreamPlace("r1", 0), StreamPlace("r1", 17), StreamPlace("with:colon", 3), StreamPlace("r1", None)],
)
def test_an_id_says_the_place_from_which_to_go_on(place: StreamPlace) -> None:
    assert place_in(str(place)) == place


@pytest.mark.parametrize(
    "said", ["", "r1", ":5", "r1:", "r1:x", "r1:-1", "r1:٣", "r1:9999999999", "r\0:1", ":end"]
)
def test_what_is_no_id_of_a_stream_is_refused(said: str) -> None:
    with pytest.raises(NotAPlace):
        place_in(said)
