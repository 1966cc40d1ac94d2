"""Every statement of the product, and what it says of the shards that it means."""

# mypy: disable-error-code="union-attr, arg-type"
# The parser says of every part of a statement that it may be missing.

import ast
import importlib
import pkgutil
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pglast
from pglast import ast as tree
from pglast.parser import fingerprint
from pglast.visitors import Visitor
from psycopg import sql

import projections
import service
from projections import conversations, history, search, usage
from projections.reading.prepared import Statement
from projections.reading.view import IN_STEP, Query
from projections.rows import statements
from service.api.answering import entries
from service.hansard import projections_of
from service.settings.settings import Settings

VERBS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s")
CURSOR = re.compile(r"\s*DECLARE .*? CURSOR (?:WITH HOLD )?FOR\s", re.DOTALL)
SCHEMA = Path(service.__file__).parent / "store" / "schema"
TABLE = re.compile(r"CREATE TABLE (\w+) \(\s*shard smallint", re.MULTILINE)
PROJECTIONS = projections_of(Settings())
OTHERS = ("service.bench", "service.transfer.tables", "service.store.schema")
"""What asks databases of others, or measures."""
LAID_OUT = "lanes"
"""Has a row a shard and lies where the shards do; it never grows."""
LAYOUT = "layout"
"""Has a row a shard too, and lies in one place."""


def durable() -> set[str]:
    found = {name for path in SCHEMA.glob("*.sql") for name in TABLE.findall(path.read_text("utf-8"))}
    return found - {LAID_OUT, LAYOUT}


DISTRIBUTED = durable() | {table.name for each in PROJECTIONS for table in each.tables}
FRAME = re.compile(r"\{(?:source|query|matching)\}")
FILLED = {
    "service.store.recorder.EVENTS": {"{order}": "ASC"},
    "service.transfer.file.export.DIRECTORY": {"{first}": "", "{last}": ""},
    "service.verify.shard.ROWS": {"{} FROM": "* FROM", "{} ORDER": "ORDER"},
    "projections.rebuilding.compare.SUMS": {"{excluded}": "true"},
    "projections.rebuilding.compare.DIFFERENCES": {
        "{key}": "key",
        "{columns}": "'column'",
        "{excluded}": "true",
        "{same}": "true",
    },
}
"""What takes the place of what is told later, where that is no table."""
OF_TABLE = re.compile(rf"\b({'|'.join(sorted(DISTRIBUTED))})\b")
ANY_TABLE = "any_distributed_table"
"""Stands where a statement is told its table."""


def modules() -> Iterator[ModuleType]:
    for package in (projections, service):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith(OTHERS):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of the libraries that are loaded with it
                    yield importlib.import_module(found.name)


def told() -> dict[str, str]:
    """By where each stands, the constants of all modules; and what is put together of several."""
    found = {name: text for module in modules() for name, text in constants(module)}
    found |= dict(pages()) | dict(rows_written())
    whole = {name: filled(name, text) for name, text in found.items()}
    return {name: text for name, text in whole.items() if not is_part(text, whole.values())}


def filled(name: str, text: str) -> str:
    for place, put in FILLED.get(name, {}).items():
        text = text.replace(place, put)
    return text


def is_part(text: str, others: Iterable[str]) -> bool:
    """Of a longer one, or a frame that is filled elsewhere."""
    return any(text in each and text != each for each in others) or bool(FRAME.search(text))


def constants(module: ModuleType) -> Iterator[tuple[str, str]]:
    for name, value in vars(module).items():
        text = text_of(value)
        if text is not None and VERBS.match(text) and value_is_of(module, name):
            yield f"{module.__name__}.{name}", text


def value_is_of(module: ModuleType, name: str) -> bool:
    """And not imported from another."""
    source = Path(module.__file__ or "").read_text("utf-8")
    return re.search(rf"^{name}\b[^\n]*=", source, re.MULTILINE) is not None


def text_of(value: Any) -> str | None:
    match value:
        case bytes():
            return value.decode("utf-8", "replace")
        case Statement():
            return value.sql.decode()
        case sql.Composable():
            return value.as_string(None)
        case str():
            return value
    return None


def pages() -> Iterator[tuple[str, str]]:
    """As they are put together, around what is asked."""
    known = {"conversations": conversations, "history": history, "search": search, "usage": usage}
    queries = {
        f"{name}.{each}": value
        for name, module in known.items()
        for each, value in vars(module).items()
        if isinstance(value, Query)
    }
    for number, of in enumerate((entries.MESSAGES, entries.SESSION_MESSAGES)):
        queries |= {f"messages {number} {at}": each for at, each in enumerate(of.queries)}
    for filters in ("", conversations.ACTIVE, conversations.LINKED, conversations.TITLED):
        queries |= {f"listed {filters}": conversations.listed(filters)}
        queries |= {f"summaries {filters}": entries.SUMMARIES.query(filters)}
    for name, query in queries.items():
        yield name, IN_STEP.replace("{query}", query.sql).replace("{order}", query.order)


def rows_written() -> Iterator[tuple[str, str]]:
    for table in (table for each in PROJECTIONS for table in each.tables):
        key, others = table.key, tuple(name for name in table.columns if name not in table.key)
        put = others[:1]
        yield f"insert {table.name}", statements.insert(table, 1).decode()
        yield f"insert one {table.name}", statements.insert_one(table, 1).decode()
        yield f"delete {table.name}", statements.delete(table, 1, key).decode()
        if put:
            yield f"update {table.name}", statements.update(table, 1, key, put, (), ()).decode()
            yield f"update all {table.name}", statements.update(table, 1, key[:2], put, (), ()).decode()
        if table.sums:
            yield f"tally {table.name}", statements.tally(table, 1).decode()


def parsed(statement: str) -> tuple[tree.Node, ...]:
    return tuple(pglast.parse_sql(spelled(statement)))


def spelled(statement: str) -> str:
    """As PostgreSQL is told it."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1] or f"value {len(numbers) + 1}"
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    text = re.sub(r"%(?:\((\w+)\))?[sbt](?!\w)", number, statement)
    text = text.replace("{projection}", "'name'").replace("{generation}", "1")
    text = re.sub(r"\{(\w*)\}", lambda found: found[1] if found[1] in DISTRIBUTED else ANY_TABLE, text)
    return text.replace("%%", "%")


@cache
def by_shape() -> dict[str, list[str]]:
    """The names of the statements that PostgreSQL is told alike, but for values."""
    found = defaultdict[str, list[str]](list)
    for name, statement in told().items():
        found[shape(spelled(statement))].append(name)
    return found


def names_of(sent: str) -> list[str]:
    """Of the statements, those that it may be."""
    sent = CURSOR.sub("", sent)
    if not VERBS.match(sent):
        return []
    return by_shape().get(shape(sent)) or by_shape().get(shape(OF_TABLE.sub(ANY_TABLE, sent)), [])


def shape(statement: str) -> str:
    """The same for statements that differ in their values and in the number of the build alone."""
    return fingerprint(re.sub(r"_g\d+\b", "", statement))


def faults(statement: str) -> list[str]:
    """Where it leaves open which shards it means."""
    looking = Looking()
    looking(parsed(statement))
    return looking.found


class Looking(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._own: set[str] = set()
        """Named in the statement itself, by WITH."""

    def visit_SelectStmt(self, _: Any, node: tree.SelectStmt) -> None:  # noqa: N802
        for each in node.withClause.ctes if node.withClause else ():
            self._own.add(each.ctename)
        self._check(node.fromClause or (), node.whereClause)
        self._check_lateral(list(within(node.fromClause or ())))

    def visit_UpdateStmt(self, _: Any, node: tree.UpdateStmt) -> None:  # noqa: N802
        self._check([node.relation, *(node.fromClause or ())], node.whereClause)
        self._check_returned(node)

    def visit_DeleteStmt(self, _: Any, node: tree.DeleteStmt) -> None:  # noqa: N802
        self._check([node.relation, *(node.usingClause or ())], node.whereClause)
        self._check_returned(node)

    def visit_InsertStmt(self, _: Any, node: tree.InsertStmt) -> None:  # noqa: N802
        self._check_returned(node)
        name = table_of(node.relation)
        rows = node.selectStmt.valuesLists or ()
        if name is None or len(rows) == 1:
            return
        joined, _ = sources(node.selectStmt.fromClause or ())
        if LAID_OUT not in [each.relname for each in joined]:
            self.found.append(f"puts rows into {name} that do not come by way of {LAID_OUT}")

    def _check(self, froms: Iterable[Any], where: Any) -> None:
        tables, conditions = sources(froms)
        said = {alias for each in [where, *conditions] for alias in shards_said(each)}
        for each in tables:
            name, alias = table_of(each), alias_of(each)
            meant = {alias, None} if len(tables) == 1 else {alias}
            if name is not None and name not in self._own and not meant & said:
                self.found.append(f"does not say which shards of {alias} it means")

    def _check_returned(self, node: tree.UpdateStmt | tree.DeleteStmt | tree.InsertStmt) -> None:
        """Functions among what is given back may only be such as always say the same."""
        asked = Functions()
        for each in node.returningClause.exprs if node.returningClause else ():
            asked(each)
        if asked.found and table_of(node.relation) is not None:
            self.found.append("gives back what a function says")

    def _check_lateral(self, froms: list[Any]) -> None:
        given = any(isinstance(each, tree.RangeFunction) for each in froms)
        for each in froms:
            if isinstance(each, tree.RangeSubselect) and each.lateral and each.subquery.limitCount and given:
                self.found.append("takes some rows for each value that it is given")


class Functions(Visitor):
    found = False

    def visit_FuncCall(self, _: Any, node: tree.FuncCall) -> None:  # noqa: N802
        self.found = True


def within(froms: Iterable[Any]) -> Iterator[Any]:
    for each in froms:
        yield each
        if isinstance(each, tree.JoinExpr):
            yield from within((each.larg, each.rarg))


def sources(froms: Iterable[Any]) -> tuple[list[tree.RangeVar], list[Any]]:
    """The tables, and on what they are joined."""
    found = list(within(froms))
    tables = [each for each in found if isinstance(each, tree.RangeVar)]
    return tables, [each.quals for each in found if isinstance(each, tree.JoinExpr) and each.quals]


def table_of(node: tree.RangeVar) -> str | None:
    """Without the number of its build; None where it is not distributed."""
    name = re.sub(r"_g\d+$", "", node.relname)
    return name if name in DISTRIBUTED or name == ANY_TABLE else None


def alias_of(node: tree.RangeVar) -> str:
    return str(node.alias.aliasname if node.alias else node.relname)


def shards_said(condition: Any) -> Iterator[str | None]:
    """Of which tables it names the shards by values; None: of the only one."""
    match condition:
        case tree.BoolExpr() if condition.boolop.name == "AND_EXPR":
            for each in condition.args:
                yield from shards_said(each)
        case tree.A_Expr() if [each.sval for each in condition.name] == ["="]:
            for one, other in ((condition.lexpr, condition.rexpr), (condition.rexpr, condition.lexpr)):
                if isinstance(one, tree.ColumnRef) and is_value(other):
                    *alias, column = [each.sval for each in one.fields]
                    if column == "shard":
                        yield alias[0] if alias else None


def is_value(node: Any) -> bool:
    while isinstance(node, tree.TypeCast):
        node = node.arg
    return isinstance(node, tree.ParamRef | tree.A_Const)


def inline(module: ModuleType) -> Iterator[str]:
    """Statements that stand within a function, where nobody would look for them."""
    source = Path(module.__file__ or "")
    for function in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                text = text_of(node.value) if isinstance(node, ast.Constant) else None
                if text is not None and VERBS.match(text) and OF_TABLE.search(text):
                    yield text
