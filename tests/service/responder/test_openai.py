"""The responder behind an endpoint that speaks OpenAI's, against one that does as it is told."""

from collections.abc import AsyncIterator, Iterator

import pytest

from projections.history import Said
from service.responder import Responder, ResponderFailed, ResponderTimedOut, Used, responder_of
from service.settings.settings import Settings
from tests.model import CUT, RESET, TOKENS, Garbage, Hold, Model, Raw, Status, Step, Whole, scripted

SAID = [Said("user", "Hello"), Said("assistant", "Hi."), Said("user", "And now?")]
PROMPT = "Be brief."


@pytest.fixture
def model() -> Iterator[Model]:
    with scripted() as model:
        yield model


@pytest.fixture
async def responder(model: Model) -> AsyncIterator[Responder]:
    settings = Settings.load(model.environ(HANSARD_OPENAI_API_KEY="sk-1", HANSARD_RESPONDER_TIMEOUT="1"))
    responder = responder_of(settings)
    yield responder
    await responder.close()


async def pieces(responder: Responder, heard: list[str] | None = None) -> list[str | Used]:
    found: list[str | Used] = []
    async for piece in responder.reply(PROMPT, SAID):
        found.append(piece)
        if heard is not None and isinstance(piece, str):
            heard.append(piece)
    return found


async def test_it_is_told_who_it_is_and_then_all_that_was_said(model: Model, responder: Responder) -> None:
    await pieces(responder)
    told = [("system", PROMPT), ("user", "Hello"), ("assistant", "Hi."), ("user", "And now?")]
    assert model.heard() == told
    assert model.asked[0]["model"] == "scripted"
    assert model.keys == ["Bearer sk-1"]


async def test_it_answers_in_the_models_own_pieces_and_says_what_they_cost(
    model: Model, responder: Responder
) -> None:
    model.answers("Once ", "upon ", "a time.")
    assert await pieces(responder) == ["Once ", "upon ", "a time.", Used(TOKENS)]


async def test_an_endpoint_that_does_not_stream_is_understood_too(model: Model, responder: Responder) -> None:
    model.answers(Whole("All at once."))
    assert await pieces(responder) == ["All at once.", Used(TOKENS)]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([Status(429)], "it answered 429 Too Many Requests"),
        ([Status(500)], "it answered 500 Internal Server Error"),
        ([Status(401)], "it answered 401 Unauthorized"),
        ([CUT], "the connection to it failed"),
        ([RESET], "the connection to it failed"),
        ([Garbage(b"data: {not json}\n\n")], "its answer cannot be understood"),
        ([Garbage(b"\xff\xfe\x00")], "its answer"),
        ([Garbage(b"<html>Welcome!</html>", "text/html")], "its answer broke off"),
        ([Garbage(b"{}", "application/json")], "its answer cannot be understood"),
        ([Garbage(b'{"choices": []}', "application/json")], "its answer cannot be understood"),
        ([Raw('{"choices": [{"delta": {"content": 7}}]}')], "its answer cannot be understood"),
        ([Raw('{"choices": 7}')], "its answer cannot be understood"),
        ([Raw("[]")], "its answer cannot be understood"),
        ([Raw('{"error": {"message": "overloaded"}}')], "it reported an error in the middle of its answer"),
        ([], "its answer held no text"),
        ([Whole("")], "its answer held no text"),
    ],
)
async def test_an_answer_that_is_none_is_told_with_its_reason(
    model: Model, responder: Responder, steps: list[Step], why: str
) -> None:
    model.answers(*steps)
    with pytest.raises(ResponderFailed, match=why) as failed:
        await pieces(responder)
    assert not isinstance(failed.value, ResponderTimedOut)
    assert "sk-1" not in str(failed.value)


@pytest.mark.parametrize("how", [CUT, RESET])
async def test_half_an_answer_is_heard_and_then_told_to_be_one(
    model: Model, responder: Responder, how: Step
) -> None:
    hold = Hold()
    model.answers("Once ", "upon ", hold, how)
    pieces = responder.reply(PROMPT, SAID)
    assert [await anext(pieces), await anext(pieces)] == ["Once ", "upon "]
    hold.go()
    with pytest.raises(ResponderFailed):
        await anext(pieces)


async def test_a_model_that_does_not_begin_in_time_is_not_waited_for(
    model: Model, responder: Responder
) -> None:
    hold = Hold()
    model.answers(hold, "Too late.")
    with pytest.raises(ResponderTimedOut, match="it was silent for 1 s"):
        await pieces(responder)
    hold.go()


async def test_nor_is_one_that_falls_silent_in_the_middle(model: Model, responder: Responder) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    heard: list[str] = []
    with pytest.raises(ResponderTimedOut):
        await pieces(responder, heard)
    assert heard == ["Once "]
    hold.go()


async def test_it_is_asked_again_as_often_as_the_settings_say(model: Model) -> None:
    at_once = (("Retry-After-Ms", "1"),)
    model.answers(Status(429, at_once))
    model.answers(Status(503, at_once))
    model.answers("At last.")
    responder = responder_of(Settings.load(model.environ(HANSARD_RESPONDER_RETRIES="2")))
    assert (await pieces(responder))[0] == "At last."
    assert len(model.asked) == 3
    assert model.keys[0] == "Bearer none"
    await responder.close()


async def test_where_nobody_listens_the_connection_is_said_to_have_failed() -> None:
    nowhere = {
        "HANSARD_RESPONDER": "openai",
        "HANSARD_OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "HANSARD_RESPONDER_RETRIES": "0",
    }
    responder = responder_of(Settings.load(nowhere))
    with pytest.raises(ResponderFailed, match="the connection to it failed"):
        await pieces(responder)
    await responder.close()
