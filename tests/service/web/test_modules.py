"""The pages' own house: scripts that import each other in one direction only."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import service.web

ASSETS = Path(service.web.__file__).parent / "assets"
NAMED = re.compile(r"""["']\./([\w/]+\.js)["']""")


def imports(scripts: dict[str, str]) -> dict[str, set[str]]:
    """Every script that a script names, whether it imports it at once or when it needs it."""
    return {name: set(NAMED.findall(text)) for name, text in scripts.items()}


def test_no_script_imports_itself_by_way_of_others() -> None:
    known = imports({each.name: each.read_text() for each in ASSETS.glob("*.js")})
    assert known["app.js"] > {"thread.js", "history.js"}
    try:
        TopologicalSorter(known).prepare()
    except CycleError as circle:
        pytest.fail(" imports ".join(circle.args[1][::-1]))


def test_every_script_that_is_named_is_there_and_each_is_named_by_one() -> None:
    known = imports({each.name: each.read_text() for each in ASSETS.glob("*.js")})
    named = set[str]().union(*known.values())
    there = {each.relative_to(ASSETS).as_posix() for each in ASSETS.rglob("*.js")}
    assert named == there - {"app.js"}
