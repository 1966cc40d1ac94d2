"""Runs a command of Hansard's as a person does, and says how long it took and how much memory."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from service.bench.serving import COMMAND

KILOBYTE: Final = 1 if sys.platform == "darwin" else 1024
"""What the system counts the memory of an ended process in."""


class CommandFailed(Exception):
    """The command ended otherwise than it should; the text says how."""


class Took(Struct, frozen=True):
    rate: float
    memory: int


def took(messages: int, *command: str) -> Took:
    """By a process of its own: all of it counts, its start too."""
    with Path(os.devnull).open("wb") as nowhere:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", COMMAND, *command], stdout=nowhere, stderr=nowhere)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailed(f"hansard {command[0]} ended with {process.returncode}")
    return Took(messages / seconds, used.ru_maxrss * KILOBYTE)
