"""Over HTTP: a node that is down, or frozen, stops those alone whose conversations lie there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from uuid import UUID

import httpx
import pytest

from service.settings.settings import Settings
from service.store.store import shard_of
from service.worker.app import create_app
from tests.cluster import COORDINATOR
from tests.conftest import SHARDS
from tests.nodes import ClusterServer, node_of_each_shard

pytestmark = [
    pytest.mark.skipif(COORDINATOR is None, reason="HANSARD_TEST_CITUS leads to no coordinator"),
    pytest.mark.timeout(240),
]
PATIENCE = 90.0
USERS = [f"user-{number}" for number in range(200)]
EACH = 3
"""Users on each of the nodes."""
ROUNDS = 10
OUT_OF_REACH = "out-of-reach"


class Talk:
    """One user, over HTTP."""

    def __init__(self, http: httpx.AsyncClient, user: str, shard: int) -> None:
        self.user = user
        self.shard = shard
        self.acknowledged: list[str] = []
        self._http = http
        self._headers = {"X-User-Id": user}
        self._conversation: UUID | None = None
        self._said = 0

    async def begin(self) -> None:
        answer = await self._http.post("/api/conversations", headers=self._headers, json={})
        self._conversation = UUID(answer.raise_for_status().json()["id"])

    async def say(self) -> httpx.Response:
        """A word that nobody has said."""
        self._said += 1
        word = f"{self.user.replace('-', '')}word{self._said}"
        answer = await self._http.post(
            f"/api/conversations/{self._conversation}/messages",
            headers=self._headers | {"Idempotency-Key": word},
            json={"role": "user", "content": word},
        )
        if answer.is_success:
            self.acknowledged.append(word)
        return answer

    async def read(self) -> httpx.Response:
        path = f"/api/conversations/{self._conversation}/messages"
        return await self._http.get(path, headers=self._headers, params={"limit": 200})

    async def search(self) -> httpx.Response:
        given = {"q": self.acknowledged[-1]}
        return await self._http.get("/api/search", headers=self._headers, params=given)

    async def ask(self) -> httpx.Response:
        wish = {"message": "Well?", "session_id": str(self._conversation)}
        return await self._http.post("/api/chat/stream", headers=self._headers, json=wish)

    async def is_served(self) -> None:
        """Whatever they ask."""
        assert (await self.say()).status_code == 201
        assert self.acknowledged[-1] in (await self.read()).raise_for_status().text
        assert self.acknowledged[-1] in (await self.search()).raise_for_status().text
        assert "Well?" in (await self.ask()).raise_for_status().text

    async def is_told_why(self) -> None:
        for ask in (self.say, self.read, self.ask):
            answer = await ask()
            assert answer.status_code == 503
            assert answer.json()["type"] in (OUT_OF_REACH, "store-unavailable", "outcome-unknown")

    async def has_everything_once(self) -> None:
        said = (await self.read()).raise_for_status().json()["messages"]
        words = [each["content"] for each in said]
        assert [words.count(word) for word in self.acknowledged] == [1] * len(self.acknowledged)


@asynccontextmanager
async def serving(dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(dsn=dsn, shards=SHARDS))
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type] # the same protocol by another name
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=PATIENCE) as http,
    ):
        yield http


def talks_of(dsn: str, http: httpx.AsyncClient) -> dict[str, list[Talk]]:
    """By the address of the node on which what they say lies."""
    node_of_shard = node_of_each_shard(dsn)
    found: dict[str, list[Talk]] = {}
    for user in USERS:
        shard = shard_of(user, SHARDS)
        talks = found.setdefault(node_of_shard[shard], [])
        if len(talks) < EACH:
            talks.append(Talk(http, user, shard))
    return found


@contextmanager
def killed(node: ClusterServer) -> Iterator[None]:
    node.kill()
    try:
        yield
    finally:
        node.start()


async def readiness(http: httpx.AsyncClient) -> tuple[int, set[int]]:
    answer = await http.get("/health/ready")
    return answer.status_code, set(answer.json()["out_of_reach"])


async def until_served(talk: Talk) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await talk.say()).status_code != 201:
            pass
    await talk.is_served()


@pytest.mark.parametrize("happens", [killed, ClusterServer.frozen])
async def test_whoever_is_kept_by_another_node_is_served(
    dsn: str, nodes: list[ClusterServer], happens: Callable[[ClusterServer], AbstractContextManager[None]]
) -> None:
    async with serving(dsn) as http, AsyncExitStack() as stack:
        talks = talks_of(dsn, http)
        cut_off = talks[nodes[0].address]
        others = [talk for node in nodes[1:] for talk in talks[node.address]]
        for talk in (*cut_off, *others):
            await talk.begin()
            await talk.is_served()
        trouble = happens(nodes[0])
        await asyncio.to_thread(trouble.__enter__)
        stack.push_async_callback(asyncio.to_thread, trouble.__exit__, None, None, None)
        told = asyncio.gather(*(talk.is_told_why() for talk in cut_off))
        for _ in range(ROUNDS):
            await asyncio.gather(*(talk.is_served() for talk in others))
        await told
        status, away = await readiness(http)
        assert status == 200
        assert {talk.shard for talk in cut_off} <= away
        assert away.isdisjoint(talk.shard for talk in others)
        await stack.aclose()
        await asyncio.gather(*(until_served(talk) for talk in cut_off))
        for talk in (*cut_off, *others):
            await talk.is_served()
            await talk.has_everything_once()
        async with asyncio.timeout(PATIENCE):
            while await readiness(http) != (200, set()):
                pass
