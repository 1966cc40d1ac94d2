"""The responder that needs nothing."""

from projections.history import Said
from service.responder import Used, responder_of
from service.settings.settings import Settings


async def pieces(*said: Said) -> list[str | Used]:
    responder = responder_of(Settings())
    return [piece async for piece in responder.reply("Be brief.", said)]


def text(found: list[str | Used]) -> str:
    return "".join(piece for piece in found if isinstance(piece, str))


async def test_it_is_what_answers_when_nothing_is_set_and_says_what_it_is() -> None:
    assert "offline responder; no model was asked" in text(await pieces(Said("user", "Hello")))


async def test_it_answers_in_pieces_and_costs_nothing() -> None:
    found = await pieces(Said("user", "Hello"))
    assert len(found) > 3
    assert found[-1] == Used(0)


async def test_the_same_history_is_answered_in_the_same_words() -> None:
    said = (Said("user", "One"), Said("assistant", "Two"), Said("user", "Three"))
    assert await pieces(*said) == await pieces(*said)
    assert "I was told 2 earlier messages" in text(await pieces(*said))
    assert "“Three”" in text(await pieces(*said))


async def test_a_long_question_is_not_repeated_whole() -> None:
    assert len(text(await pieces(Said("user", "x" * 10_000)))) < 500
