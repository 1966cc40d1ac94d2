"""The responder behind any endpoint that speaks OpenAI's chat completions, by the official client."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import httpx2
import msgspec
import openai
from msgspec import Struct

from projections.history import Said
from service.responder import ResponderFailed, ResponderTimedOut, Used

NO_KEY: Final = "none"
"""The client insists on a key; an endpoint of one's own most often does not."""
RETRY_PAUSES: Final = 10
"""Seconds that the client may wait before each of its retries, at most."""


class Answer(Struct, frozen=True):
    """What an endpoint sends that does not stream, as far as it matters."""

    class Choice(Struct, frozen=True):
        class Message(Struct, frozen=True):
            content: str | None = None

        message: Message
        finish_reason: str | None = None

    class Usage(Struct, frozen=True):
        total_tokens: int = 0

    choices: list[Choice]
    usage: Usage | None = None


class OpenAI:
    name = "openai"

    def __init__(self, base_url: str, api_key: str | None, model: str, timeout: int, retries: int) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key or NO_KEY, timeout=timeout, max_retries=retries
        )
        self._model = model
        self._timeout = timeout
        self._first = (timeout + RETRY_PAUSES) * retries + timeout

    async def close(self) -> None:
        await self._client.close()

    async def reply(self, prompt: str, said: Sequence[Said]) -> AsyncIterator[str | Used]:
        whole = something = False
        async with self._saying_why(), self._asked(messages(prompt, said)) as stream:
            pieces = aiter(pieces_of(stream))
            while True:
                async with asyncio.timeout(self._timeout):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                if isinstance(piece, Finished):
                    whole = True
                else:
                    something = something or isinstance(piece, str)
                    yield piece
        if not whole:
            raise ResponderFailed(why="its answer broke off")
        if not something:
            raise ResponderFailed(why="its answer held no text")

    @asynccontextmanager
    async def _asked(self, messages: list[Any]) -> AsyncIterator[openai.AsyncStream[Any]]:
        async with asyncio.timeout(self._first):
            stream = await self._client.chat.completions.create(
                model=self._model,
                messages=messages,
                stream=True,
                stream_options={"include_usage": True},
            )
        try:
            yield stream
        finally:
            await stream.close()

    @asynccontextmanager
    async def _saying_why(self) -> AsyncIterator[None]:
        """Of an error's own text nothing is told: it may repeat what was said, or the key."""
        try:
            yield
        except (TimeoutError, openai.APITimeoutError, httpx2.TimeoutException):
            raise ResponderTimedOut(why=f"it was silent for {self._timeout} s") from None
        except openai.APIStatusError as refused:
            status = refused.status_code
            raise ResponderFailed(why=f"it answered {status} {phrase(status)}".strip()) from None
        except (openai.APIConnectionError, httpx2.NetworkError):
            raise ResponderFailed(why="the connection to it failed") from None
        except httpx2.RemoteProtocolError:
            raise ResponderFailed(why="its answer broke off") from None
        except openai.APIError:
            raise ResponderFailed(why="it reported an error in the middle of its answer") from None
        except (ValueError, TypeError, AttributeError, LookupError, msgspec.MsgspecError, httpx2.HTTPError):
            raise ResponderFailed(why="its answer cannot be understood") from None


class Finished(Struct, frozen=True):
    """The endpoint said that the answer is whole."""


async def pieces_of(stream: openai.AsyncStream[Any]) -> AsyncIterator[str | Used | Finished]:
    if "json" in stream.response.headers.get("content-type", ""):
        answer = msgspec.json.decode(await stream.response.aread(), type=Answer)
        for piece in whole(answer):
            yield piece
        return
    async for chunk in stream:
        for choice in chunk.choices or ():
            if choice.delta is not None and choice.delta.content:
                yield text(choice.delta.content)
            if choice.finish_reason:
                yield Finished()
        if chunk.usage is not None and chunk.usage.total_tokens:
            yield Used(int(chunk.usage.total_tokens))


def whole(answer: Answer) -> Sequence[str | Used | Finished]:
    """Of an endpoint that does not stream."""
    content = answer.choices[0].message.content
    said = [content] if content else []
    return [*said, Finished(), *([Used(answer.usage.total_tokens)] if answer.usage else [])]


def text(content: object) -> str:
    """The client checks no types: what an endpoint sends in place of text is handed on as it is."""
    if not isinstance(content, str):
        raise TypeError(type(content))
    return content


def messages(prompt: str, said: Sequence[Said]) -> list[dict[str, str]]:
    system = [{"role": "system", "content": prompt}] if prompt else []
    return system + [{"role": each.role, "content": each.content} for each in said]


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
