"""Each statement says by itself which shards it means, so that it can be sent to where they lie.

A table that is distributed has a filter on `shard` of its own: one on what it is joined with says nothing.
Rows that are put in come by way of `lanes`. And no statement takes some rows for each value that it is given.
"""

import pytest

from tests.sql import faults, inline, modules, told

STATEMENTS = told()

OF_ALL = "asks every shard, once in a while, and for no request of a user"
OF_A_LANE = "is about shards of one lane, which lie together"
OF_ONE = "is given one value, for one shard"
MAY_BE = {
    "projections.generations.FORGET": "takes a build's rows away, from every shard",
    "search.BEST": OF_ONE,
    "search.NEWEST": OF_ONE,
    "service.privacy.finding.STANDING": "is about one shard",
    "service.store.look.AT_PLACE": OF_A_LANE,
    "service.store.look.CONVERSATIONS": OF_A_LANE,
    "service.store.names.OF_ANYBODY": OF_ALL,
    "service.store.topology.distribution.HOLDS_EVENTS": "is asked before there are places to send it to",
    "service.transfer.file.export.DIRECTORY": "lists what every shard has, unless it is told one",
    "service.verify.broken_replies.CUT_OFF": OF_ALL,
    "service.verify.shard.ELSEWHERE": "looks for shards that there are not to be",
    "service.verify.shard.HOLES": OF_ALL,
    "service.verify.shard.TOO_FAR": OF_ALL,
}
"""Why each of these leaves it open."""


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 200
    assert MAY_BE.keys() <= STATEMENTS.keys()


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_says_which_shards_it_means(name: str) -> None:
    found = faults(STATEMENTS[name])
    if name in MAY_BE:
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
