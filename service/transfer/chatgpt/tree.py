"""A conversation of ChatGPT is a tree: editing a question or asking for another answer grows a branch.

The branch that was shown last is the conversation.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from service.transfer.times import seconds_of


class Node(Struct, frozen=True):
    message: Any = None
    parent: str | None = None
    children: list[str] | None = None


class Branch(Struct, frozen=True):
    """The nodes that were shown, from the first to the last; and what else there is."""

    nodes: list[str]
    others: int
    """How many other branches there are."""
    messages_elsewhere: int


def shown_branch(mapping: Mapping[str, Node], current: str | None) -> Branch:
    parents = parents_of(mapping)
    inner = set(parents.values())
    leaves = [name for name in mapping if name not in inner]
    last = current if current in mapping else newest(mapping, leaves)
    nodes = path_to(last, parents)
    shown = set(nodes)
    elsewhere = sum(1 for name, node in mapping.items() if node.message is not None and name not in shown)
    return Branch(nodes, sum(1 for leaf in leaves if leaf not in shown), elsewhere)


def parents_of(mapping: Mapping[str, Node]) -> dict[str, str]:
    """As the nodes say themselves; where one does not, as the node says that has it among its children."""
    parents = {
        child: name for name, node in mapping.items() for child in node.children or () if child in mapping
    }
    for name, node in mapping.items():
        if node.parent is not None and node.parent in mapping:
            parents[name] = node.parent
    return parents


def newest(mapping: Mapping[str, Node], leaves: list[str]) -> str | None:
    """Of those that are equally new, the last: that is how they were written down."""
    best, when = None, float("-inf")
    for leaf in leaves:
        message = mapping[leaf].message
        time = seconds_of(message.get("create_time")) if isinstance(message, dict) else None
        if best is None or time is None or time >= when:
            best, when = (leaf, time if time is not None else when)
    return best


def path_to(last: str | None, parents: Mapping[str, str]) -> list[str]:
    """Ends where it comes round to itself, which a tree does not."""
    path: dict[str, None] = {}
    while last is not None and last not in path:
        path[last] = None
        last = parents.get(last)
    return list(reversed(path))
