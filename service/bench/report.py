"""Puts a table between the two comments that mark its place in a Markdown file."""

import re
from collections.abc import Sequence
from pathlib import Path

from domain.errors import Refusal


class NoPlaceForTable(Refusal):
    """{file} has no place for {name}: it needs the lines <!-- bench {name} --> and <!-- end {name} -->."""


def put(files: Sequence[Path], name: str, block: str) -> None:
    """In the first of the files that has a place for it."""
    begin, end = f"<!-- bench {name} -->\n", f"<!-- end {name} -->"
    place = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
    for file in files:
        text, found = place.subn(lambda marks: f"{marks[1]}\n{block}\n\n{marks[2]}", file.read_text("utf-8"))
        if found:
            file.write_text(text, "utf-8")
            return
    raise NoPlaceForTable(file=" or ".join(map(str, files)), name=name)
