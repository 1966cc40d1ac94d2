"""Other people's threads: every kind of request, with a thread, an item, an attachment of somebody else's."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.machine.wishes import in_shard_of
from tests.service.api.calling import Client, as_user, asked_who, bearer, key
from tests.service.chatkit.speaking import PATH, Heard, adding, creating, request, said

WORDS = "rosebud"


def requests(names: dict[str, str]) -> list[dict[str, Any]]:
    here: dict[str, Any] = {"thread_id": names["thread"]}
    one = here | {"item_id": names["item"]}
    return [
        request("threads.get_by_id", **here),
        adding(names["thread"], "a"),
        request("threads.add_client_tool_output", result=1, **here),
        request("threads.add_structured_input", input={}, **one),
        request("threads.custom_action", action={"type": "a"}, **one),
        request("threads.sync_custom_action", action={"type": "a"}, **one),
        request("threads.retry_after_item", **one),
        request("items.feedback", item_ids=[names["item"]], kind="positive", **here),
        request("threads.update", title="a", **here),
        request("items.list", **here),
        request("threads.delete", **here),
        request("attachments.delete", attachment_id=names["attachment"]),
        request("threads.create", input=said("a", attachments=[names["attachment"]])),
        request("threads.list", after=names["thread"]),
        request("items.list", after=names["item"], **here),
    ]


def state(dsn: str) -> object:
    with psycopg.connect(dsn) as connection:
        return [
            connection.execute(f"SELECT count(*) FROM hansard.{table}").fetchone()  # noqa: S608
            for table in ("events", "attachments")
        ]


async def put_on_record(client: Client, headers: dict[str, str], name: str | None) -> dict[str, str]:
    wish = request("attachments.create", name=WORDS, size=1, mime_type="text/plain")
    attached = (await client.post(PATH, json=wish, headers=headers)).json()
    kind, here = "threads.create", dict[str, Any]()
    if name is not None:
        kind, here = "threads.add_user_message", {"thread_id": name}
        await client.post("/api/conversations", json={"name": name}, headers=headers)
    body = request(kind, input=said(WORDS, attachments=[attached["id"]]), **here)
    answer = await client.post(PATH, json=body, headers=headers)
    heard = Heard(iter(answer.text.splitlines())).all()
    question = heard.done[0]
    return {"thread": question.thread_id, "item": question.id, "attachment": attached["id"]}


def told(answer: httpx.Response, names: dict[str, str]) -> tuple[int, str]:
    text = answer.text
    for name, value in names.items():
        text = text.replace(value, name)
    return answer.status_code, text


@pytest.mark.parametrize(("same", "name"), [(True, None), (False, None), (True, "thr_1")])
async def test_anothers_threads_items_and_attachments_are_as_good_as_none(
    dsn: str, same: bool, name: str | None
) -> None:
    async with asked_who(dsn) as client:
        hers = await put_on_record(client, as_user("alice"), name)
        bob = in_shard_of("alice", same=same)
        unknown = {name: str(uuid4()) for name in hers}
        backend = bearer(key(dsn)) | {"X-User-Id": bob}
        before = state(dsn)
        for headers in (as_user(bob), backend):
            for body, other in zip(requests(hers), requests(unknown), strict=True):
                answer = await client.post(PATH, json=body, headers=headers)
                nothing = await client.post(PATH, json=other, headers=headers)
                assert told(answer, hers) == told(nothing, unknown), body
                assert WORDS not in answer.text, body
                assert state(dsn) == before, body
        kept = await client.post(
            PATH, json=request("items.list", thread_id=hers["thread"]), headers=as_user("alice")
        )
        assert WORDS in kept.text


async def test_nobody_but_the_tokens_own_user_is_named(dsn: str) -> None:
    async with asked_who(dsn) as client:
        headers = as_user("bob") | {"X-User-Id": "alice"}
        answer = await client.post(PATH, json=creating("a"), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "error")


async def test_who_may_only_read_asks_for_nothing_here(dsn: str) -> None:
    async with asked_who(dsn) as client:
        headers = bearer(key(dsn, scope="read")) | {"X-User-Id": "ann"}
        answer = await client.post(PATH, json=request("threads.list"), headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "scope-missing")
