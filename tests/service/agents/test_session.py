"""What the Agents SDK asks of a session, and what ours promises beyond that."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from agents import Runner, SessionSettings
from agents.memory import OpenAIResponsesCompactionSession, Session
from openai import AsyncOpenAI

from service.agents.session import HansardSession
from tests.contracts.openai_items import every_shape
from tests.model import Model
from tests.service.agents.acting import agent_at, calls, says, script, told
from tests.service.agents.losing import Losing
from tests.service.api.calling import token
from tests.service.openai.asking import Standing, words


@pytest.fixture
def session(client: AsyncOpenAI) -> HansardSession:
    return HansardSession(f"thr-{uuid4().hex}", client)


async def recorded(client: AsyncOpenAI, session: HansardSession) -> list[str]:
    """All that is on the record, whatever the agent is shown."""
    items = client.conversations.items.list(session.session_id, order="asc")
    kept = [item.to_dict(warnings=False) async for item in items]
    return list(told([item for item in kept if item["type"] != "session_cleared"]))


def test_it_is_a_session(session: HansardSession) -> None:
    assert isinstance(session, Session)


async def test_it_begins_with_its_first_items(session: HansardSession, client: AsyncOpenAI) -> None:
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.clear_session()
    await session.add_items([])
    with pytest.raises(openai.NotFoundError):
        await client.conversations.retrieve(session.session_id)
    await session.add_items([words("one")])
    assert (await client.conversations.retrieve(session.session_id)).id == session.session_id


async def test_every_shape_comes_back_exactly_as_it_was_given(session: HansardSession) -> None:
    items: Any = [*every_shape(), words("one"), {"id": "__fake_id__", **words("two", "assistant")}]
    await session.add_items(items)
    assert await session.get_items() == items


async def test_the_newest_come_oldest_first(session: HansardSession) -> None:
    said = [words(f"message {each}") for each in range(250)]
    await session.add_items(said)
    assert await session.get_items() == said
    for limit in (0, 1, 99, 100, 101, 250, 251):
        assert await session.get_items(limit) == (said[-limit:] if limit else [])


async def test_its_settings_limit_what_is_shown(client: AsyncOpenAI, session: HansardSession) -> None:
    await session.add_items([words("one"), words("two"), words("three")])
    limited = HansardSession(session.session_id, client, SessionSettings(limit=2))
    assert list(told(await limited.get_items())) == ["two", "three"]
    assert list(told(await limited.get_items(1))) == ["three"]


async def test_the_last_item_is_popped(session: HansardSession, client: AsyncOpenAI) -> None:
    first, second = words("one"), calls("height_of")
    await session.add_items([first, second])
    assert await session.pop_item() == second
    assert await session.pop_item() == first
    assert await session.pop_item() is None
    assert await session.get_items() == []
    await session.add_items([second])
    assert await session.get_items() == [second]


async def test_what_is_cleared_stays_on_the_record(session: HansardSession, client: AsyncOpenAI) -> None:
    await session.add_items([words("one")])
    await session.clear_session()
    await session.clear_session()
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.add_items([words("two")])
    assert list(told(await session.get_items())) == ["two"]
    assert list(told(await session.get_items(5))) == ["two"]
    assert await recorded(client, session) == ["one", "two"]


async def test_more_than_a_batch_is_added_in_steps(session: HansardSession) -> None:
    said = [words(f"message {each}") for each in range(1_001)]
    await session.add_items(said)
    assert await session.get_items() == said


async def test_another_instance_and_another_process_see_the_same(
    session: HansardSession, client: AsyncOpenAI
) -> None:
    await session.add_items([words("one")])
    other = HansardSession(session.session_id, client)
    await other.add_items([words("two")])
    assert list(told(await session.get_items())) == ["one", "two"]
    conversation = (await client.conversations.create(items=[words("elsewhere")])).id
    assert list(told(await HansardSession(conversation, client).get_items())) == ["elsewhere"]


async def test_processes_that_begin_one_session_at_once_begin_one_conversation(
    standing: Standing, ann: str
) -> None:
    name = f"thr-{uuid4().hex}"
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(standing.async_client(ann)) for _ in range(8)]
        sessions = [HansardSession(name, client) for client in clients]
        await asyncio.gather(*(each.add_items([words(str(at))]) for at, each in enumerate(sessions)))
        assert sorted(told(await sessions[0].get_items())) == [str(at) for at in range(8)]
        page: Any = await clients[0].get("/conversations", cast_to=object)
        assert [each["id"] for each in page["data"]] == [name]


async def test_a_conversation_that_there_is_not_is_not_begun_by_an_id(client: AsyncOpenAI) -> None:
    unknown = HansardSession(f"conv_{uuid4().hex}", client)
    with pytest.raises(openai.NotFoundError):
        await unknown.add_items([words("one")])
    with pytest.raises(openai.NotFoundError):
        await unknown.get_items()
    for impossible in ("", "a/b", "."):
        with pytest.raises(ValueError, match="session's id"):
            HansardSession(impossible, client)


async def test_what_is_erased_is_gone_and_the_session_begins_anew(
    session: HansardSession, client: AsyncOpenAI
) -> None:
    await session.add_items([words("rosebud")])
    await client.conversations.delete(session.session_id)
    assert await session.get_items() == []
    await session.add_items([words("two")])
    assert await recorded(client, session) == ["two"]


@pytest.mark.parametrize("retries", [0, 3])
async def test_an_answer_that_is_lost_doubles_nothing(standing: Standing, ann: str, retries: int) -> None:
    """Neither where the client tries again by itself, nor where its caller does."""
    losing = Losing()
    async with AsyncOpenAI(
        base_url=f"{standing.url}/v1",
        api_key=token(ann),
        max_retries=retries,
        http_client=httpx2.AsyncClient(transport=losing),
    ) as client:
        session = HansardSession(f"thr-{uuid4().hex}", client)
        await session.add_items([words("one")])
        losing.loses = 1
        if retries:
            await session.add_items([words("two")])
        else:
            with pytest.raises(openai.APIConnectionError):
                await session.add_items([words("two")])
            await session.add_items([words("two")])
        await session.add_items([words("two")])
        assert list(told(await session.get_items())) == ["one", "two", "two"]
        losing.loses = 1 if retries else 0
        await session.pop_item()
        assert list(told(await session.get_items())) == ["one", "two"]


async def test_what_was_read_meanwhile_is_known_to_be_stored(standing: Standing, ann: str) -> None:
    losing = Losing()
    async with AsyncOpenAI(
        base_url=f"{standing.url}/v1",
        api_key=token(ann),
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=losing),
    ) as client:
        session = HansardSession(f"thr-{uuid4().hex}", client)
        await session.add_items([words("one")])
        losing.loses = 1
        with pytest.raises(openai.APIConnectionError):
            await session.add_items([words("yes")])
        assert list(told(await session.get_items(1))) == ["yes"]
        await session.add_items([words("yes")])
        assert list(told(await session.get_items())) == ["one", "yes", "yes"]


async def test_what_compaction_hides_from_the_model_stays_on_the_record(
    session: HansardSession, client: AsyncOpenAI, model: Model
) -> None:
    compacting = OpenAIResponsesCompactionSession(
        session.session_id,
        session,
        client=AsyncOpenAI(base_url=model.url, api_key="none", max_retries=0),
        should_trigger_compaction=lambda context: (
            len(context["session_items"]) == 4
            and not any(item.get("type") == "compaction" for item in context["session_items"])
        ),
        compaction_mode="input",
    )
    summary = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
    question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]}
    script(model, (says("1"),), (says("2"),), (question, summary), (says("3"),))
    for text in ("one", "two"):
        await Runner.run(agent_at(model.url), text, session=compacting)
    shown = await session.get_items()
    assert [item.get("type") for item in shown] == ["message", "compaction"]
    await Runner.run(agent_at(model.url), "three", session=compacting)
    assert model.asked[-1]["input"][1]["encrypted_content"] == "gAAAA"
    items = client.conversations.items.list(session.session_id, order="asc")
    types = [item.type async for item in items]
    assert types == [*["message"] * 4, "session_cleared", "message", "compaction", *["message"] * 2]


def test_it_loads_nothing_of_the_service() -> None:
    """Nor the Agents SDK, before one needs that."""
    program = "import service.agents.session, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = set(loaded.stdout.split())
    assert not names & {"litestar", "psycopg", "granian", "msgspec", "agents", "service.hansard"}
    assert {name for name in names if name.startswith("service")} == {
        "service",
        "service.agents",
        "service.agents.record",
        "service.agents.session",
    }
