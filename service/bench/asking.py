"""A client of HTTP that costs little beside what it measures: one connection that stays open, raw bytes."""

import asyncio
import re
from typing import Final, Self
from urllib.parse import urlsplit

import msgspec

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class NotAnswered(Exception):
    """The answer was none, or a refusal; the text is what came."""


class Connection:
    """One request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> Self:
        place = urlsplit(url)
        return cls(*await asyncio.open_connection(place.hostname, place.port))

    async def ask(self, request: bytes) -> bytes:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        body = await self._reader.readexactly(int(length[1])) if length else b""
        if length is None or not head.startswith(b"HTTP/1.1 2"):
            status = head.partition(b"\r\n")[0].decode()
            raise NotAnswered(f"{status}: {body.decode(errors='replace')[:500]}")
        return body

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def getting(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def posting(path: str, body: object, *headers: str) -> bytes:
    sent = msgspec.json.encode(body)
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(sent)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + sent
