"""On a cluster each statement goes to the node of one lane, as it is; or it is known why it does not.

Every surface is used, and PostgreSQL explains each statement that comes, with the values that came with it.
It explains neither COPY nor what other processes send, and what only trouble brings is not among it: poison,
nodes that are down, processes that were killed.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.main import main
from service.hansard import Hansard
from tests.cluster import COORDINATOR
from tests.conftest import Servers, database
from tests.explained import Explained, explaining, hearing
from tests.routes import may_go_to_several
from tests.service.api.operations import ENDLESS, OPERATIONS, Operation
from tests.service.api.recording import at_once
from tests.service.privacy.ageing import idle
from tests.service.privacy.marking import by, marked
from tests.sql import names_of

pytestmark = [
    pytest.mark.skipif(COORDINATOR is None, reason="HANSARD_TEST_CITUS names no cluster"),
    pytest.mark.filterwarnings("ignore:Direct usage of named widget classes:DeprecationWarning"),
    pytest.mark.timeout(600),
]
LAST = ("end-session", "anonymise", "/erase")
"""Parts of the paths after which there is less to ask for."""
PAGES = {"older": "before", "newer": "after", "next_cursor": "cursor"}
"""What a page gives, and the parameter that takes it."""
MORE: tuple[dict[str, Any], ...] = (
    {},
    {"order": "newest"},
    {"active_only": "true"},
    {"at": datetime.now(UTC).isoformat()},
    {"include": "messages"},
)
"""What a page is asked for in turn."""
WORDS = {"content": [{"type": "input_text", "text": "Hello?"}], "attachments": [], "inference_options": {}}
CHATKIT: tuple[dict[str, Any], ...] = (
    {"type": "threads.create", "params": {"input": WORDS}},
    {"type": "threads.list", "params": {"limit": 1, "order": "desc"}},
    {
        "type": "attachments.create",
        "params": {"name": "a picture", "mime_type": "image/png", "size": 100},
    },
)
FEWEST = 160
"""Of the statements; the others belong to what only trouble brings."""


async def test_each_statement_goes_to_one_node_or_is_known_not_to(
    dsn: str, postgres: Servers, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hearing(monkeypatch) as heard, database(postgres, template) as other:
        async with at_once(explaining(dsn)) as (client, hansard):
            await used(client, hansard)
        for command in commands(tmp_path, explaining(dsn), explaining(other)):
            assert await asyncio.to_thread(main, command) == 0, command
    assert astray(heard) == []
    assert len({name for each in heard for name in names_of(each.statement)}) > FEWEST


def astray(heard: list[Explained]) -> list[str]:
    """Each of them once, with its name."""
    told = {each.statement: names_of(each.statement) for each in heard if not each.is_routed}
    return [
        f"{names} {' '.join(statement.split())}"
        for statement, names in told.items()
        if not any(map(may_go_to_several, names))
    ]


async def used(client: httpx.AsyncClient, hansard: Hansard) -> None:
    """All that there is over HTTP, for one user and for who may see everybody's."""
    conversation_id = str(await marked(hansard, "ann", "rosebud", more=250))
    await marked(hansard, "bob", "innocent")
    await idle(hansard, 400, user_id="old")
    values = {
        **dict.fromkeys(("conversation_id", "session_id"), conversation_id),
        **dict.fromkeys(("message_id", "item_id"), "rosebud-1"),
        "user_id": "ann",
        "kind": "kind-rosebud",
        "target": "target-rosebud",
        "opportunity_id": "opp-rosebud",
        "link": "kind-rosebud:target-rosebud",
        "q": "secret",
        "Last-Event-ID": f"{conversation_id}:0",
    }
    reads = [each for each in OPERATIONS if each.method == "GET" and each.path not in ENDLESS]
    for more in MORE:
        for operation in reads:
            if not more or any(map(operation.takes, more)):
                await paged(client, operation, values | more)
    for request in CHATKIT:
        await client.post("/support/chatkit", json=request, headers=by("ann"))
    for operation in sorted((each for each in OPERATIONS if each.method != "GET"), key=is_late):
        answer = await asked(client, operation, values)
        if operation.path == "/api/admin/replays":
            await client.get(f"{operation.path}/{answer.json()['id']}/stream")


def is_late(operation: Operation) -> tuple[bool, ...]:
    return (operation.method == "DELETE", *(part in operation.path for part in LAST))


async def paged(client: httpx.AsyncClient, operation: Operation, values: dict[str, Any]) -> None:
    answer = await asked(client, operation, values)
    if answer.headers.get("content-type", "").startswith("application/json"):
        for given, taken in PAGES.items():
            if operation.takes(taken) and (place := answer.json().get(given)):
                await asked(client, operation, values | {taken: place})


async def asked(client: httpx.AsyncClient, operation: Operation, values: dict[str, Any]) -> httpx.Response:
    request = operation.asked(values)
    answer = await client.request(**request | {"headers": request["headers"] | by("ann")})
    assert answer.status_code < 500, f"{operation}: {answer.text}"
    return answer


def commands(place: Path, dsn: str, other: str) -> Iterator[list[str]]:
    """The other database is empty."""
    file, seal = str(place / "record.jsonl"), str(place / "sealed.json")
    at = ["--dsn", dsn, "--data", str(place)]
    yield ["status", "--shards", "--parked", *at]
    yield ["keys", "create", "backend", "--scope", "write", *at]
    yield ["keys", "list", *at]
    yield ["keys", "seal", "--data", str(place)]
    yield ["seal", "--out", seal, *at]
    yield ["export", "--out", file, *at]
    yield ["import", file, "--dsn", other]
    yield ["replay", *at]
    yield ["replay", "--check", *at]
    yield ["verify", "--seal", seal, *at]
    yield ["retain", "--retention-erase-after", "365", *at]
    yield ["erase", "--user", "bob", "--yes", *at]
    yield ["erase", "--unfinished", *at]
    yield ["restored", *at]
    yield ["migrate", *at]
