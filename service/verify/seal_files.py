"""The files of seals and of their keys: read whole, and never written over another."""

import os
from pathlib import Path

from domain.errors import Refusal


class FileExists(Refusal):
    """There is a file {file} already, and it is not written over: name another one."""


class FileUnusable(Refusal):
    """{file} cannot be used: {why}."""


def refuse_existing(*files: Path) -> None:
    for file in files:
        if file.exists():
            raise FileExists(file=file)


def write_new(file: Path, text: bytes, mode: int = 0o644) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as new:
            new.write(text)
    except FileExistsError:
        raise FileExists(file=file) from None
    except OSError as error:
        raise FileUnusable(file=file, why=error.strerror or error) from None


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise FileUnusable(file=file, why=error.strerror or error) from None
