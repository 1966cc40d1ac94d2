"""One service a data folder: a lock that names who holds it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from domain.errors import Refusal
from service.postgres.embedded import explained

HANDING_OVER: Final = 10.0
"""Seconds that the workers of a killed service may take to notice."""


class FolderIsServed(Refusal):
    """{data} is served already by {who}: use that, stop it, or give another --data"""


class Holder(Struct):
    """Who serves a data folder, as written into its lock."""

    pid: int
    url: str


@contextmanager
def folder_lock(data: Path) -> Iterator[int]:
    """One service a data folder; the workers share the lock, so it lasts until the last of them is gone."""
    with explained(data):
        data.mkdir(parents=True, exist_ok=True)
        lock = os.open(data / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        take(lock, data)
        os.ftruncate(lock, 0)
        yield lock
    finally:
        os.close(lock)


def take(lock: int, data: Path) -> None:
    deadline = time.monotonic() + HANDING_OVER
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = holder_of(lock)
            if time.monotonic() > deadline or (holder and lives(holder.pid)):
                who = f"process {holder.pid}, at {holder.url}" if holder else "another process"
                raise FolderIsServed(data=data, who=who) from None
            time.sleep(0.05)


def holder_of(lock: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(lock, 1000, 0), type=Holder)
    except msgspec.DecodeError:
        return None


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
