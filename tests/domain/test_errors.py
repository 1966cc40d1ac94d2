"""Every refusal says what it knows, and the tree of them is complete."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import domain
from domain import errors
from domain.errors import Refusal

HOUSE = [Path(domain.__file__).parent, Path(domain.__file__).parent.parent / "service"]


def below(refusal: type[Refusal]) -> Iterator[type[Refusal]]:
    for each in refusal.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from below(each)


REFUSALS = {each.__name__: each for each in below(Refusal)}


def facts_of(refusal: type[Refusal]) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(refusal.__doc__ or "") if field}


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Wherever the code makes a refusal."""
    for folder in HOUSE:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and node.func.id in REFUSALS
                ):
                    yield f"{path.name}:{node.lineno}", node


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_every_refusal_is_a_sentence_made_of_its_facts(refusal: type[Refusal]) -> None:
    assert refusal.__doc__, "it has no message"
    message = str(refusal(**dict.fromkeys(facts_of(refusal), "{this}")))
    assert message.endswith(".")
    assert "\n" not in message
    assert "  " not in message
    assert message.count("{this}") == len(facts_of(refusal))


def test_every_refusal_is_made_with_the_facts_that_its_message_wants() -> None:
    calls = list(raised())
    assert len(calls) > 20
    for place, call in calls:
        assert isinstance(call.func, ast.Name)
        given = {keyword.arg for keyword in call.keywords}
        wanted = facts_of(REFUSALS[call.func.id])
        assert None in given or given >= wanted, f"{place} makes {call.func.id} without {wanted - given}"


def test_a_refusal_that_wants_facts_is_never_raised_without_any() -> None:
    for folder in HOUSE:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id in REFUSALS:
                    assert not facts_of(REFUSALS[node.exc.id]), f"{path.name}:{node.lineno}"


def test_a_refusal_without_its_facts_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        errors.MessageNotFound()


def test_a_refusal_remembers_its_facts() -> None:
    refused = errors.VersionConflict(expected_version=3, current_version=5)
    assert refused.facts == {"expected_version": 3, "current_version": 5}
    assert "at version 5, not 3;" in str(refused)


def test_the_tree_lists_every_refusal_under_its_parent() -> None:
    parents: list[str] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines()[2:]:
        indent = re.match(r"[│├└─ ]*", line)
        depth = len(indent.group()) // 4 if indent else 0
        for name in re.findall(r"\w+", line):
            del parents[depth:]
            if depth:
                drawn[name] = parents[-1]
            parents.append(name)
    assert drawn == {name: each.__bases__[0].__name__ for name, each in REFUSALS.items()}
