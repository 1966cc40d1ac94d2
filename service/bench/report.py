"""Puts a table between the two comments that mark its place in a Markdown file."""

import re
from pathlib import Path

from domain.errors import Refusal


class NoPlaceForTable(Refusal):
    """{file} has no place for {name}: it needs the lines <!-- bench {name} --> and <!-- end {name} -->."""


def put(file: Path, name: str, block: str) -> None:
    begin, end = f"<!-- bench {name} -->\n", f"<!-- end {name} -->"
    place = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
    text, found = place.subn(lambda marks: f"{marks[1]}\n{block}\n\n{marks[2]}", file.read_text("utf-8"))
    if not found:
        raise NoPlaceForTable(file=str(file), name=name)
    file.write_text(text, "utf-8")
