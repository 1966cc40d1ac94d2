"""docs/architecture.md says how the house is, and which way a request takes through it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROOMS = set(re.findall(r"^\| `([a-z_/]+/)` \|", PAGE, re.MULTILINE))
WALKS = {
    walk.splitlines()[0]: re.findall(r"\| `([a-z_/]+\.py)` \|$", walk, re.MULTILINE)
    for walk in PAGE.split("\n## The way of ")[1:]
}


def test_every_room_has_its_sentence_and_every_sentence_its_room() -> None:
    packages = {
        f"{file.parent.relative_to(ROOT)}/"
        for top in ("domain", "projections", "service")
        for file in (ROOT / top).rglob("__init__.py")
    }
    assert packages - {"service/", "service/bench/subjects/"} == ROOMS


def test_what_stands_beside_the_rooms_is_named() -> None:
    beside = {f"service/{file.name}" for file in (ROOT / "service").glob("*.py")} - {"service/__init__.py"}
    assert {name for name in beside if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize("walk", WALKS)
def test_no_step_of_a_walk_leads_back_up(walk: str) -> None:
    steps = WALKS[walk]
    assert len(steps) > 3
    for at, step in enumerate(steps):
        above = {name.removesuffix(".py").replace("/", ".") for name in steps[:at]}
        assert not imports_of(ROOT / step) & above, step


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
