"""Each statement says by itself which shards it means, so that it can be sent to where they lie.

A table that is distributed has a filter on `shard` of its own: one on what it is joined with says nothing.
Rows that are put in come by way of `lanes`. And no statement takes some rows for each value that it is given.
"""

import pytest

from tests.routes import LEFT_OPEN, OF_SEVERAL
from tests.sql import faults, inline, modules, told

STATEMENTS = told()


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 200
    assert LEFT_OPEN.keys() | OF_SEVERAL.keys() <= STATEMENTS.keys()


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_says_which_shards_it_means(name: str) -> None:
    found = faults(STATEMENTS[name])
    if name in LEFT_OPEN:
        assert found, f"{name} says so by now: take it off the list"
    else:
        assert not found, f"{name} {' and '.join(found)}"


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("SELECT 1 FROM events WHERE position > 0", "which shards of events"),
        ("SELECT 1 FROM lanes l JOIN events e ON e.shard = l.shard WHERE l.shard = %s", "which shards of e"),
        ("SELECT (SELECT 1 FROM drafts) FROM lanes", "which shards of drafts"),
        ("UPDATE parked AS p SET error = '' FROM lanes l WHERE p.shard = l.shard", "which shards of p"),
        ("DELETE FROM names WHERE name = %s OR shard = %s", "which shards of names"),
        ("INSERT INTO events (shard) SELECT * FROM unnest(%b::smallint[])", "by way of lanes"),
        (
            "SELECT 1 FROM unnest(%s::bigint[]) AS given (after) CROSS JOIN LATERAL ("
            "SELECT 1 FROM events WHERE shard = %s AND position > given.after LIMIT 1) AS e",
            "for each value that it is given",
        ),
        ("DELETE FROM drafts WHERE shard = %s RETURNING lease_until < now()", "what a function says"),
    ],
)
def test_what_breaks_a_rule_is_found(statement: str, says: str) -> None:
    (found,) = faults(statement)
    assert says in found


def test_statements_stand_where_they_are_found() -> None:
    assert not [(module.__name__, text) for module in modules() for text in inline(module)]
