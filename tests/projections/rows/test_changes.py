"""Folding many changes and writing them at once comes to the same as writing each as it comes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import asdict
from psycopg import Connection

from projections.projection import fold
from projections.rows.apply import COPY_FROM, apply
from projections.rows.changes import Change, Delete, Fold, Insert, Tally, Update
from projections.rows.tables import Small, Table
from tests.projections.given import GENERATION, stored, tables, undone


class Row(Struct):
    shard: Small
    box: str
    item: int
    count: int
    label: str | None
    note: str | None


class Sum(Struct):
    shard: Small
    box: str
    item: int
    owner: str
    count: int
    weight: int


ROWS = Table("rows", Row, ("shard", "box", "item"))
SUMS = Table("sums", Sum, ("shard", "box", "item"), sums=("count", "weight"))

Told = Callable[[], Change]
"""Changes hold rows that folding alters, so each is told anew wherever it is taken."""
Model = dict[tuple[Any, ...], dict[str, Any]]

numbers = st.integers(-3, 3)
words = st.sampled_from([None, "x", "y", 'z "\\{,}'])
narrow = st.sampled_from([(1, "a", 1), (1, "a", 2), (1, "b", 1)])
wide = st.sampled_from([(1, "a"), (1, "b"), (1,)])
puts = st.fixed_dictionaries({}, optional={"count": numbers, "label": words, "note": words})
adds = st.fixed_dictionaries({}, optional={"count": numbers})
fills = st.fixed_dictionaries({}, optional={"label": words, "note": words})


def always(value: Any) -> Callable[[], Any]:
    return lambda: value


def insert(key: Any, count: int, label: str | None) -> Told:
    shard, box, item = key
    return lambda: Insert(ROWS, Row(shard, box, item, count, label, None))


def tally(key: Any, owner: str, count: int, weight: int) -> Told:
    shard, box, item = key
    return lambda: Tally(SUMS, Sum(shard, box, item, owner, count, weight))


def update(table: Table, key: Any, put: Any, add: Any, fill: Any) -> Told:
    return lambda: Update(table, key, dict(put), dict(add), {name: always(fill[name]) for name in fill})


def delete(table: Table, key: Any) -> Told:
    return lambda: Delete(table, key)


def is_something(told: Told) -> bool:
    change = told()
    return not isinstance(change, Update) or bool(change.put or change.add or change.fill)


nothing: st.SearchStrategy[dict[str, Any]] = st.just({})
row_changes = st.one_of(
    st.builds(insert, narrow, numbers, words),
    st.builds(insert, narrow, numbers, words),
    st.builds(update, st.just(ROWS), narrow, puts, adds, fills),
    st.builds(update, st.just(ROWS), wide, puts, nothing, nothing),
    st.builds(delete, st.just(ROWS), narrow | wide),
)
owners = st.fixed_dictionaries({}, optional={"owner": st.sampled_from(["me", "you"])})
sum_changes = st.one_of(
    st.builds(tally, narrow, st.sampled_from(["me", "you"]), numbers, numbers),
    st.builds(tally, narrow, st.sampled_from(["me", "you"]), numbers, numbers),
    st.builds(update, st.just(SUMS), wide, owners, nothing, nothing),
    st.builds(delete, st.just(SUMS), narrow | wide),
)


def batches_of(changes: st.SearchStrategy[Told]) -> st.SearchStrategy[list[list[Told]]]:
    return st.lists(st.lists(changes.filter(is_something), min_size=2, max_size=12), min_size=1, max_size=3)


FIRST: list[Told] = [
    told for key in ((1, "a", 1), (1, "b", 1)) for told in (insert(key, 1, None), tally(key, "me", 1, 1))
]
"""What is stored before anything else happens."""


class TwoTables:
    name: ClassVar[str] = "two"
    with_append: ClassVar[bool] = True
    version = "1"
    tables = (ROWS, SUMS)

    def changes(self, recorded: Any) -> Sequence[Change]:
        return ()


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection[Any]]:
    with tables(dsn, TwoTables()) as connection:
        yield connection


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches_of(row_changes) | batches_of(sum_changes))
def test_changes_folded_and_written_once_equal_changes_written_one_at_a_time(
    connection: Connection[Any], told: list[list[Told]]
) -> None:
    models: dict[str, Model] = {"rows": {}, "sums": {}}
    batches = [[t for t in batch if happens(models, t())] for batch in [FIRST, *told]]
    expected = [models["rows"], models["sums"]]
    assert written(connection, [[t] for batch in batches for t in batch]) == expected
    assert written(connection, batches) == expected
    assert written(connection, [FIRST, [t for batch in batches[1:] for t in batch]]) == expected


def written(connection: Connection[Any], batches: list[list[Told]]) -> list[Model]:
    with undone(connection):
        for batch in batches:
            folded = Fold()
            folded.take(told() for told in batch)
            apply(connection, folded, GENERATION)
        return [
            {table.key_of(row): asdict(row) for row in stored(connection, table)} for table in (ROWS, SUMS)
        ]


def happens(models: dict[str, Model], change: Change) -> bool:
    """Changes plain rows in a plain way; False for an insert over a row, which no projection makes."""
    rows = models[change.table.name]
    match change:
        case Insert(row=row):
            key = change.table.key_of(row)
            if key in rows:
                return False
            rows[key] = asdict(row)
        case Tally(row=row):
            known = rows.setdefault(change.table.key_of(row), asdict(row) | {"count": 0, "weight": 0})
            known["count"] += row.count
            known["weight"] += row.weight
        case Update(key=key):
            for of in [k for k in rows if k[: len(key)] == key]:
                for column, value in change.fill.items():
                    if rows[of][column] is None and column not in change.put:
                        rows[of][column] = value()
                for column, amount in change.add.items():
                    rows[of][column] += amount
                rows[of].update(change.put)
        case Delete(key=key):
            for of in [k for k in rows if k[: len(key)] == key]:
                del rows[of]
    return True


def folded(*changes: Change) -> Any:
    result = Fold()
    result.take(changes)
    return result.tables[changes[0].table.name]


def unasked() -> str:
    raise AssertionError("what fills is worked out where nothing is to be filled")


def test_an_inserted_row_takes_the_updates_that_follow_it() -> None:
    key = (1, "a", 1)
    fold = folded(
        Insert(ROWS, Row(*key, 1, None, None)),
        Update(ROWS, key, add={"count": 2}, fill={"label": always("first")}),
        Update(ROWS, key, put={"note": "n"}, fill={"label": unasked}),
    )
    assert list(fold.inserts.values()) == [Row(*key, 3, "first", "n")]
    assert not fold.updates


def test_of_two_rows_with_one_key_the_last_counts() -> None:
    """As in a log into which an event was slipped."""
    fold = folded(*(Insert(ROWS, Row(1, "a", 1, count, None, None)) for count in (5, 7)))
    assert list(fold.inserts.values()) == [Row(1, "a", 1, 7, None, None)]


def test_filling_with_nothing_leaves_room_for_what_fills_next() -> None:
    key = (1, "a", 1)
    fold = folded(*(Update(ROWS, key, fill={"label": always(value)}) for value in (None, "first", "second")))
    assert fold.updates[key].fill == {"label": "first"}


def test_what_is_added_to_what_was_put_is_put() -> None:
    key = (1, "a", 1)
    fold = folded(Update(ROWS, key, put={"count": 5}), Update(ROWS, key, add={"count": 2}))
    assert (fold.updates[key].put, fold.updates[key].add) == ({"count": 7}, {})


def test_a_row_that_came_and_went_leaves_nothing_to_write() -> None:
    fold = folded(Insert(ROWS, Row(1, "a", 1, 1, None, None)), Delete(ROWS, (1, "a", 1)))
    assert (fold.inserts, fold.updates, fold.deletes) == ({}, {}, {})


def test_a_tallied_row_is_not_updated_by_itself() -> None:
    with pytest.raises(TypeError, match="tallied"):
        folded(Update(SUMS, (1, "a", 1), put={"owner": "you"}))


@pytest.mark.parametrize(
    "update",
    [
        Update(ROWS, (1, "a"), add={"count": 1}),
        Update(ROWS, (1, "a"), fill={"label": always("x")}),
        Update(SUMS, (1, "a"), put={"weight": 1}),
    ],
)
def test_an_update_of_many_rows_can_only_put_and_no_sums(update: Update) -> None:
    with pytest.raises(TypeError, match="only put"):
        folded(update)


def test_many_changes_of_one_kind_are_one_statement(connection: Connection[Any]) -> None:
    changes: list[Change] = [Insert(ROWS, Row(1, "a", n, 0, None, None)) for n in range(COPY_FROM - 1)]
    changes += [Tally(SUMS, Sum(1, "a", n, "me", 1, 1)) for n in range(COPY_FROM - 1)]
    changes += [Delete(ROWS, (1, "b", n)) for n in range(COPY_FROM - 1)]
    changes += [Delete(SUMS, (1, str(n))) for n in range(COPY_FROM - 1)]
    fold = Fold()
    fold.take(changes)
    counted = Counting(connection)
    apply(counted, fold, GENERATION)  # type: ignore[arg-type]
    assert counted.statements == 4


class Counting:
    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.statements = 0

    def execute(self, *arguments: Any) -> None:
        self.statements += 1
        self.connection.execute(*arguments)


def test_a_projection_folds_a_history_in_its_order() -> None:
    assert not fold(TwoTables(), []).tables
