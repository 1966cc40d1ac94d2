"""Clients over HTTP who each say something and read it back, again and again, whatever else goes on."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import msgspec

from service.bench.asking import Connection, NotAnswered, getting, posting
from service.bench.figures import quantile

CLIENTS = 32
PATIENCE = 60.0


class Client:
    """One user with one conversation, and one connection."""

    def __init__(self, number: int) -> None:
        self.user = f"client-{number}"
        self.conversation = ""
        self.acknowledged: list[str] = []
        self.failed: list[str] = []
        self.put_off = 0
        """How often it was told that nothing was stored, and to come again."""

    async def start(self, connection: Connection) -> None:
        asked = posting("/api/conversations/", {}, f"X-User-Id: {self.user}")
        self.conversation = msgspec.json.decode(await connection.ask(asked))["id"]

    async def once(self, connection: Connection) -> tuple[float, float]:
        """How long it took to say something, and to read it back."""
        text = f"{self.user} {len(self.acknowledged)}"
        path = f"/api/conversations/{self.conversation}/messages"
        headers = f"X-User-Id: {self.user}", f"Idempotency-Key: {uuid4()}"
        started = time.perf_counter()
        await self._ask(connection, posting(path, {"role": "user", "content": text}, *headers))
        self.acknowledged.append(text)
        said = time.perf_counter()
        page = await self._ask(connection, getting(f"{path}?limit=1", headers[0]))
        read = time.perf_counter()
        newest: dict[str, Any] = msgspec.json.decode(page)["messages"][-1]
        if newest["content"] != text:
            self.failed.append(f"read {newest['content']!r} after {text!r}")
        return said - started, read - said

    async def _ask(self, connection: Connection, request: bytes) -> bytes:
        """A write has a key, so that it can be sent again."""
        while True:
            try:
                return await connection.ask(request)
            except NotAnswered as refused:
                if " 503 " not in str(refused):
                    raise
                self.put_off += 1
                await asyncio.sleep(1)


class Crowd:
    """All of them, in a thread of their own."""

    def __init__(self, url: str) -> None:
        self.clients = [Client(number) for number in range(CLIENTS)]
        self.writes: list[float] = []
        self.reads: list[float] = []
        self._url = url
        self._going_on = True
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    @property
    def failed(self) -> list[str]:
        return [each for client in self.clients for each in client.failed]

    def wait_for_more(self, count: int) -> None:
        """So many times of each, on the mean."""
        until, deadline = len(self.reads) + count * CLIENTS, time.monotonic() + PATIENCE
        while len(self.reads) < until and not self.failed:
            assert time.monotonic() < deadline, f"{len(self.reads)} reads only"
            time.sleep(0.01)

    def told(self) -> str:
        """Of what was done since it was told last."""
        parts = []
        for name in ("writes", "reads"):
            ordered = sorted(getattr(self, name)) or [0.0]
            setattr(self, name, [])
            p50, p99, longest = (quantile(ordered, share) * 1000 for share in (0.5, 0.99, 1.0))
            parts.append(
                f"{len(ordered)} {name}, p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {longest:.0f} ms"
            )
        put_off = sum(client.put_off for client in self.clients)
        return f"{'; '.join(parts)}; {put_off} put off so far"

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(self._work(client))

    async def _work(self, client: Client) -> None:
        """What fails once is not tried again: it is told."""
        connection = await Connection.to(self._url)
        try:
            await client.start(connection)
            while self._going_on:
                said, read = await client.once(connection)
                self.writes.append(said)
                self.reads.append(read)
        except (NotAnswered, OSError, EOFError) as error:
            client.failed.append(f"{client.user}: {type(error).__name__}: {error}")
        finally:
            await connection.close()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._going_on = False
        self._thread.join()


@contextmanager
def crowd(url: str) -> Iterator[Crowd]:
    made = Crowd(url)
    made.start()
    try:
        yield made
    finally:
        made.stop()
