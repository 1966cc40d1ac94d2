"""What conversations are linked to: listed by it, and erased by it."""

from tests.service.api.calling import asked_who, bearer, calling, key, problem
from tests.service.api.recording import blanked, by, got, started, user

ABOUT = {"kind": "opportunity", "id": "opp_42"}
OTHER = {"kind": "opportunity", "id": "opp_43"}


async def test_a_users_conversations_about_an_opportunity_are_listed(dsn: str) -> None:
    async with calling(dsn) as client:
        for text, links in (("one", [ABOUT]), ("two", [OTHER]), ("three", [OTHER, ABOUT]), ("four", [])):
            await started(client, user(text), links=links)
        await started(client, user("his"), links=[ABOUT], by_user="bob")
        answer = await client.get("/api/opportunities/opp_42/conversations", headers=by("ann"))
        listed = answer.json()["conversations"]
        assert [each["title"] for each in listed] == ["three", "one"]
        assert blanked(answer).startswith(
            '{"conversations":[{"id":"ID1","user_id":"ann","title":"three","created_at":"TIME1",'
            '"updated_at":"TIME1","ended":false,"message_count":1,"metadata":{},"version":2,"name":null},'
        )
        general = await client.get("/api/links/opportunity/opp_42/conversations/", headers=by("ann"))
        assert general.content == answer.content
        as_filter = await client.get("/api/conversations?link=opportunity:opp_42", headers=by("ann"))
        assert as_filter.content == answer.content


async def test_the_list_of_a_link_has_pages(dsn: str) -> None:
    async with calling(dsn) as client:
        for number in range(5):
            await started(client, user(f"{number}"), links=[ABOUT])
        path = "/api/links/opportunity/opp_42/conversations"
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await got(client, path, limit=2, **({"cursor": cursor} if cursor else {}))
            seen += [each["title"] for each in page["conversations"]]
            cursor = page["next_cursor"]
        assert seen == ["4", "3", "2", "1", "0"]


async def test_a_conversation_that_is_no_longer_linked_is_no_longer_listed(dsn: str) -> None:
    async with calling(dsn) as client:
        made = await started(client, user("Hi"), links=[ABOUT])
        await client.patch(f"/api/conversations/{made['id']}", json={"links": []}, headers=by("ann"))
        assert (await got(client, "/api/opportunities/opp_42/conversations"))["conversations"] == []


async def test_erasing_an_opportunity_erases_the_users_conversations_about_it(dsn: str) -> None:
    async with calling(dsn) as client:
        for text in ("one", "two"):
            await started(client, user(text), user("and more"), links=[ABOUT])
        await started(client, user("other"), links=[OTHER])
        await started(client, user("his"), links=[ABOUT], by_user="bob")
        answer = await client.delete("/api/opportunities/opp_42", headers=by("ann"))
        assert blanked(answer) == '{"erased":{"conversations":2,"messages":4},"position":"PLACE1"}'
        assert [each["title"] for each in (await got(client, "/api/chat/sessions"))["sessions"]] == ["other"]
        assert (await got(client, "/api/chat/sessions", by_user="bob"))["count"] == 1
        again = await client.delete("/api/opportunities/opp_42", headers=by("ann"))
        assert again.text == answer.text


async def test_a_backend_that_may_act_for_all_erases_everybodys(dsn: str) -> None:
    async with asked_who(dsn) as client:
        writing, ruling = bearer(key(dsn, "writing")), bearer(key(dsn, "ruling", "admin"))
        for name in ("ann", "bob", "cleo"):
            body = {"user_id": name, "messages": [user("Hi")], "links": [ABOUT]}
            assert (await client.post("/api/conversations", json=body, headers=writing)).status_code == 201
        path = "/api/opportunities/opp_42"
        assert problem(await client.delete(path, headers=writing)) == (400, "user-not-named")
        one = await client.delete(path + "?user_id=ann", headers=ruling)
        assert one.json()["erased"] == {"conversations": 1, "messages": 1}
        rest = await client.delete(path, headers=ruling)
        assert rest.json() == {"erased": {"conversations": 2, "messages": 2}, "position": None}


async def test_a_link_may_hold_whatever_an_address_can(dsn: str) -> None:
    async with calling(dsn) as client:
        odd = {"kind": "caf\u00e9 \u2615", "id": "a:b?c#d%"}
        await started(client, user("Hi"), links=[odd])
        path = "/api/links/caf%C3%A9%20%E2%98%95/a:b%3Fc%23d%25/conversations"
        assert len((await got(client, path))["conversations"]) == 1
        refused = await client.get("/api/links/a/%00/conversations", headers=by("ann"))
        assert problem(refused) == (400, "name-has-nul")
