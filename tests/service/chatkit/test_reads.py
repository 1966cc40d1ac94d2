"""Who reads by ChatKit's protocol is on record as whoever reads otherwise."""

from typing import Any

import psycopg
import pytest

from tests.service.api.calling import Client, as_user, asked_who, bearer, key
from tests.service.chatkit.speaking import PATH, Heard, adding, creating, request


def on_record(dsn: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT user_id, conversation_id::text, reader, operation FROM hansard.reads ORDER BY id"
        ).fetchall()


async def created(client: Client, headers: dict[str, str]) -> str:
    answer = await client.post(PATH, json=creating("Well?"), headers=headers)
    return Heard(iter(answer.text.splitlines())).all().thread_id


def reading(thread_id: str) -> list[dict[str, Any]]:
    return [
        request("threads.list"),
        request("threads.get_by_id", thread_id=thread_id),
        request("items.list", thread_id=thread_id),
    ]


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
async def test_an_auditors_reads_are_on_record_when_she_is_answered(dsn: str, path: str) -> None:
    async with asked_who(dsn) as client:
        thread_id = await created(client, as_user("ann"))
        auditor = bearer(key(dsn, "root", "admin")) | {"X-User-Id": "ann"}
        for body in reading(thread_id):
            before = len(on_record(dsn))
            assert (await client.post(path, json=body, headers=auditor)).status_code == 200
            place = body["params"].get("thread_id")
            assert on_record(dsn)[before:] == [("ann", place, "key:root", f"POST {PATH} {body['type']}")]


async def test_everybodys_reads_are_on_record_where_that_is_wanted_and_nothing_else(dsn: str) -> None:
    ann = as_user("ann")
    async with asked_who(dsn, record_reads="all") as client:
        thread_id = await created(client, ann)
        for body in reading(thread_id):
            await client.post(PATH, json=body, headers=ann)
        await client.post(PATH, json=adding(thread_id, "And?"), headers=ann)
        await client.post(PATH, json={"message": "Plain."}, headers=ann)
        for body in reading(thread_id)[1:]:
            await client.post(PATH, json=body, headers=as_user("bob"))
    assert on_record(dsn) == [
        ("ann", body["params"].get("thread_id"), "ann", f"POST {PATH} {body['type']}")
        for body in reading(thread_id)
    ]


async def test_by_default_only_auditors_are_watched(dsn: str) -> None:
    async with asked_who(dsn) as client:
        thread_id = await created(client, as_user("ann"))
        for body in reading(thread_id):
            await client.post(PATH, json=body, headers=as_user("ann"))
    assert on_record(dsn) == []
