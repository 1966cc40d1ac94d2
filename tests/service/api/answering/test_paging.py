"""Pages: every message and every session once, in order, whichever way and however many at a time."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import ConversationStarted
from service.commands import remove_message
from service.hansard import Hansard
from service.store.append import Appended
from service.store.repository import Caller
from tests.service.api.recording import at_once, got, started, user
from tests.service.store.appending import asked

SESSIONS = 10_000
LONGEST = 25


async def walked_back(client: httpx.AsyncClient, path: str, who: str, limit: int) -> list[dict[str, Any]]:
    """The pages from the newest to the first."""
    pages = [await got(client, path, who, limit=limit)]
    while pages[-1]["older"] is not None:
        pages.append(await got(client, path, who, limit=limit, before=pages[-1]["older"]))
    return pages


async def walked_on(
    client: httpx.AsyncClient, path: str, who: str, limit: int, place: str
) -> list[dict[str, Any]]:
    """The pages from after this place on, to the one that is empty."""
    pages = [await got(client, path, who, limit=limit, after=place)]
    while pages[-1]["messages"]:
        pages.append(await got(client, path, who, limit=limit, after=pages[-1]["newer"]))
    return pages


def words(pages: list[dict[str, Any]]) -> list[str]:
    return [each["content"] for page in pages for each in page["messages"]]


async def pages_fit_together(
    client: httpx.AsyncClient, path: str, who: str, said: list[str], limit: int
) -> None:
    back = await walked_back(client, path, who, limit)
    assert words(back[::-1]) == said
    assert [len(page["messages"]) for page in back[:-1]] == [limit] * (len(back) - 1)
    assert len(said) == 0 or back[-1]["messages"], "a page before the first would be empty"
    for page in back:
        rest = await walked_on(client, path, who, limit, page["newer"])
        reached = said.index(words([page])[-1]) + 1 if page["messages"] else 0
        assert words(rest) == said[reached:]
        assert rest[-1]["newer"] == back[0]["newer"]
        for following in rest[:-1]:
            assert following["older"] is not None
            before = await got(client, path, who, limit=limit, before=following["older"])
            first = said.index(words([following])[0])
            assert words([before]) == said[max(0, first - limit) : first]


async def of_two_conversations(
    client: httpx.AsyncClient, turns: list[bool]
) -> tuple[str, str, list[str], list[str]]:
    """Of somebody who speaks in two at once: her name, one of them, its words, and all her words."""
    who = str(uuid4())
    one, other = await started(client, by_user=who), await started(client, by_user=who)
    said = [f"{number}" for number in range(len(turns))]
    for number, of_one in enumerate(turns):
        conversation = one if of_one else other
        path = f"/api/conversations/{conversation['id']}/messages"
        await client.post(path, json=user(f"{number}"), headers={"X-User-Id": who})
    return who, one["id"], [word for word, of_one in zip(said, turns, strict=True) if of_one], said


async def test_pages_fit_together_at_every_size_and_from_every_place(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        loop = asyncio.get_running_loop()

        async def hold(turns: list[bool], limit: int) -> None:
            who, one, said_in_one, said = await of_two_conversations(client, turns)
            for path, expected in (
                (f"/api/conversations/{one}/messages", said_in_one),
                (f"/api/chat/{one}/history", said_in_one),
                ("/api/chat/history", said),
            ):
                await pages_fit_together(client, path, who, expected, limit)

        @settings(max_examples=30, deadline=None)
        @given(turns=st.lists(st.booleans(), max_size=LONGEST), limit=st.integers(1, LONGEST + 2))
        def every(turns: list[bool], limit: int) -> None:
            asyncio.run_coroutine_threadsafe(hold(turns, limit), loop).result()

        await asyncio.to_thread(every)


async def test_a_page_goes_on_where_a_removed_message_was(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        made = await started(client, *(user(f"{number}") for number in range(5)))
        path = f"/api/conversations/{made['id']}/messages"
        page = await got(client, path, limit=2)
        await remove(hansard, made["id"], page["messages"][0]["id"])
        before = await got(client, path, limit=2, before=page["older"])
        assert words([before]) == ["1", "2"]
        assert words([await got(client, path, limit=2, after=before["newer"])]) == ["4"]


async def remove(hansard: Hansard, conversation_id: str, message_id: str) -> None:
    await remove_message(hansard.repository, Caller("ann"), UUID(conversation_id), message_id)


async def test_ten_thousand_sessions_page_through_once_each_while_new_ones_arrive(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        there = await many_started(hansard, SESSIONS)
        seen: list[str] = []
        cursor: str | None = ""
        arrived = 0
        while cursor is not None:
            following = {"cursor": cursor} if cursor else {}
            page, new = await asyncio.gather(
                got(client, "/api/chat/sessions", limit=700, **following), many_started(hansard, 20)
            )
            assert page["count"] == len(page["sessions"])
            seen += [session["id"] for session in page["sessions"]]
            cursor, arrived = page["next_cursor"], arrived + len(new)
        assert arrived >= 300
        assert len(set(seen)) == len(seen)
        # Of those that came while the first page was read, some may be on it.
        old = set(there)
        assert [each for each in seen if each in old] == there[::-1]
        assert len(seen) - SESSIONS <= 20


async def many_started(hansard: Hansard, count: int) -> list[str]:
    """In the order in which they were stored; at once, so that they share commits."""
    appends = [asked(hansard.store, uuid4(), (ConversationStarted(),)) for _ in range(count)]
    stored: list[Appended] = []
    for at in range(0, count, 2_000):
        stored += await asyncio.gather(*map(hansard.store.append, appends[at : at + 2_000]))
    in_order = sorted(stored, key=lambda appended: appended.position)
    return [str(appended.conversation_id) for appended in in_order]


async def test_a_list_of_exactly_one_page_has_no_next(dsn: str) -> None:
    async with at_once(dsn) as (client, hansard):
        await many_started(hansard, 4)
        assert (await got(client, "/api/chat/sessions", limit=4))["next_cursor"] is None
        page = await got(client, "/api/chat/sessions", limit=3)
        assert page["next_cursor"] is not None
        assert (await got(client, "/api/chat/sessions", limit=3, cursor=page["next_cursor"]))["count"] == 1


async def test_a_thousand_messages_are_one_page(dsn: str) -> None:
    async with at_once(dsn) as (client, _):
        made = await started(client, *(user(f"{number}") for number in range(1000)))
        page = await got(client, f"/api/conversations/{made['id']}/messages", limit=1000)
        assert words([page]) == [f"{number}" for number in range(1000)]
        assert page["older"] is None
        newest = await got(client, f"/api/conversations/{made['id']}/messages")
        assert words([newest]) == [f"{number}" for number in range(950, 1000)]
