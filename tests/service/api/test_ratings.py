"""Rating a message: the last one counts, all stay on the record."""

from typing import Any

from tests.service.api.calling import Client, calling, events

ANN = {"X-User-Id": "ann"}
BOB = {"X-User-Id": "bob"}


async def conversation(client: Client) -> tuple[str, str]:
    answer = await client.post("/api/chat", json={"message": "How tall?"}, headers=ANN)
    told = answer.json()
    return told["session_id"], told["reply"]["id"]


async def shown(client: Client, conversation_id: str, message_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/conversations/{conversation_id}/messages", headers=ANN)
    (found,) = [each for each in answer.json()["messages"] if each["id"] == message_id]
    return dict(found)


async def test_the_last_rating_counts_and_the_same_again_changes_nothing(dsn: str) -> None:
    async with calling(dsn) as client:
        conversation_id, message_id = await conversation(client)
        path = f"/api/conversations/{conversation_id}/messages/{message_id}/rating"
        first = await client.put(path, json={"rating": "negative", "comment": "Too long."}, headers=ANN)
        assert first.status_code == 200
        assert first.json() == {
            "message_id": message_id,
            "rating": "negative",
            "comment": "Too long.",
            "version": 4,
            "position": first.json()["position"],
        }
        second = await client.put(path, json={"rating": "positive"}, headers=ANN)
        assert (second.json()["version"], second.headers["etag"]) == (5, '"5"')
        before = events(dsn)
        again = await client.put(path, json={"rating": "positive"}, headers=ANN)
        assert (again.status_code, again.json()["version"], events(dsn)) == (200, 5, before)
        assert (await shown(client, conversation_id, message_id))["rating"] == "positive"


async def test_what_is_not_there_or_not_ones_own_cannot_be_rated(dsn: str) -> None:
    async with calling(dsn) as client:
        conversation_id, message_id = await conversation(client)
        before = events(dsn)
        for path, who in (
            (f"/api/conversations/{conversation_id}/messages/nothing/rating", ANN),
            (f"/api/conversations/{conversation_id}/messages/{message_id}/rating", BOB),
        ):
            answer = await client.put(path, json={"rating": "positive"}, headers=who)
            assert answer.status_code == 404
        empty = await client.put(
            f"/api/conversations/{conversation_id}/messages/{message_id}/rating",
            json={"rating": ""},
            headers=ANN,
        )
        assert (empty.status_code, empty.json()["field"]) == (400, "rating")
        assert events(dsn) == before


async def test_a_rating_keeps_what_holds_for_every_write(dsn: str) -> None:
    async with calling(dsn) as client:
        conversation_id, message_id = await conversation(client)
        path = f"/api/conversations/{conversation_id}/messages/{message_id}/rating"
        good, bad = {"rating": "positive"}, {"rating": "negative"}
        moved_on = await client.put(path, json=good, headers=ANN | {"If-Match": '"1"'})
        assert (moved_on.status_code, moved_on.json()["current_version"]) == (409, 3)
        key = ANN | {"Idempotency-Key": "once"}
        first = await client.put(path, json=good, headers=key)
        await client.put(path, json=bad, headers=ANN)
        again = await client.put(path, json=good, headers=key)
        assert (again.status_code, again.json()) == (200, first.json())
        assert (await shown(client, conversation_id, message_id))["rating"] == "negative"
        other = await client.put(path, json=bad, headers=key)
        assert (other.status_code, other.json()["type"]) == (409, "idempotency-key-reused")
