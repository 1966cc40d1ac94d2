"""Searching: the user's own words, across her conversations, marked where they are found."""

from typing import Any

import pytest

from tests.service.api.calling import Client, calling, problem
from tests.service.api.recording import assistant, blanked, by, got, said, started, user


async def found(client: Client, q: str, **asked: Any) -> list[str]:
    """What is found, without its marks."""
    results = (await got(client, "/api/search", q=q, **asked))["results"]
    return [each["snippet"].replace("<mark>", "").replace("</mark>", "") for each in results]


async def test_words_are_found_in_all_conversations_of_the_user(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("A tower of iron"), assistant("The tower is tall"))
        await started(client, user("Another Tower"))
        await started(client, user("His tower"), by_user="bob")
        assert sorted(await found(client, "tower")) == [
            "A tower of iron",
            "Another Tower",
            "The tower is tall",
        ]
        answer = await client.get("/api/search?q=iron+tower&user_id=ann")
        assert blanked(answer).replace(str(answer.json()["results"][0]["rank"]), "RANK") == (
            '{"results":[{"message_id":"ID1","conversation_id":"ID2","role":"user","timestamp":"TIME1",'
            '"rank":RANK,"snippet":"A <mark>tower</mark> of <mark>iron</mark>","place":"PLACE1"}],'
            '"next_cursor":null}'
        )
        assert answer.json()["results"][0]["conversation_id"] == made["id"]


async def test_what_was_just_said_is_found(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client)
        for number in range(10):
            await said(client, made, user(f"word{number}"))
            assert await found(client, f"word{number}") == [f"word{number}"]


async def test_a_search_is_narrowed_by_role_link_and_time(dsn: str) -> None:
    async with calling(dsn) as client:
        link = {"kind": "opportunity", "id": "opp_42"}
        made = await started(client, user("tower one"), assistant("tower two"), links=[link])
        await started(client, user("tower three"))
        assert await found(client, "tower", role="assistant") == ["tower two"]
        linked = await found(client, "tower", link="opportunity:opp_42")
        assert sorted(linked) == ["tower one", "tower two"]
        assert await found(client, "tower", link="opportunity:none") == []
        now = made["created_at"]
        assert len(await found(client, "tower", **{"from": now})) == 3
        assert await found(client, "tower", to=now) == []
        assert len(await found(client, "tower", **{"from": now[:10], "to": "9999-12-31"})) == 3
        plus = f"/api/search?q=tower&user_id=ann&from={now[:-1]}+00:00"  # a plus that nobody escaped
        assert len((await client.get(plus)).json()["results"]) == 3


@pytest.mark.parametrize("order", ["best", "newest"])
async def test_what_is_found_has_pages(dsn: str, order: str) -> None:
    async with calling(dsn) as client:
        texts = [f"tower {'tower ' * (number % 4)}{number}" for number in range(23)]
        await started(client, *map(user, texts))
        seen: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await got(
                client,
                "/api/search",
                q="tower",
                order=order,
                limit=5,
                **({"cursor": cursor} if cursor else {}),
            )
            seen += page["results"]
            cursor = page["next_cursor"]
        assert len({each["message_id"] for each in seen}) == len(seen) == 23
        if order == "best":
            assert [each["rank"] for each in seen] == sorted((each["rank"] for each in seen), reverse=True)
        else:
            in_order = (await got(client, "/api/chat/history"))["messages"]
            assert [each["message_id"] for each in seen[::-1]] == [each["id"] for each in in_order]


async def test_a_snippet_is_no_markup_but_its_marks(dsn: str) -> None:
    async with calling(dsn) as client:
        await started(client, user("<img src=x onerror=alert(1)> & <mark>tower</mark>"))
        (result,) = (await got(client, "/api/search", q="tower"))["results"]
        assert result["snippet"].replace("<mark>tower</mark>", "").count("<") == 0
        assert "(1)&gt; &amp; &lt;mark&gt;" in result["snippet"]


@pytest.mark.parametrize(
    "q", ["", " ", "-", '"', "a & b | !", "' OR 1=1 --", "%00", "\U0001f469", "(((", ":*"]
)
async def test_nothing_that_is_asked_for_is_an_error(dsn: str, q: str) -> None:
    async with calling(dsn) as client:
        await started(client, user("tower"))
        assert await found(client, q) == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ("q=x&from=yesterday", "from"),
        ("q=x&to=2026-13-01", "to"),
        ("q=x&to=0001-01-01T00:00:00%2B14:00", "to"),
        ("q=x&role=narrator", "role"),
        ("q=x&order=worst", "order"),
        ("q=x&link=x", "link"),
        ("", "q"),
        ("q=" + "x" * 1001, "q"),
    ],
)
async def test_a_search_that_cannot_be_meant_says_what_is_wrong(dsn: str, params: str, field: str) -> None:
    async with calling(dsn) as client:
        answer = await client.get(f"/api/search?{params}", headers=by("ann"))
        assert answer.status_code == 400
        assert answer.json()["field"] == field


async def test_a_cursor_of_another_list_is_none_of_a_search(dsn: str) -> None:
    async with calling(dsn) as client:
        place = (await started(client, user("x")))["position"]
        answer = await client.get(f"/api/search?q=x&cursor={place}", headers=by("ann"))
        assert problem(answer) == (400, "bad-cursor")


async def test_messages_asked_for_after_its_place_begin_with_what_was_found(dsn: str) -> None:
    async with calling(dsn) as client:
        said = [{"role": "user", "content": f"Word {n}"} for n in range(5)]
        said[3]["content"] = "The needle."
        started = await client.post("/api/conversations", json={"messages": said}, headers=by("ann"))
        (found,) = (await client.get("/api/search", params={"q": "needle"}, headers=by("ann"))).json()[
            "results"
        ]
        page = await client.get(
            f"/api/conversations/{started.json()['id']}/messages",
            params={"after": found["place"]},
            headers=by("ann"),
        )
        assert [each["content"] for each in page.json()["messages"]] == ["The needle.", "Word 4"]
