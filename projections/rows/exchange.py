"""Statements that go to PostgreSQL together, and that wait for their answers no longer than they should.

Several share one round trip. libpq is asked directly: the driver's own pipeline takes a generator and a
cursor for each statement. It also ends with a message after which PostgreSQL lets a transaction stand still
for ever.
"""

import re
import select
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, PipelineStatus
from psycopg.pq.abc import PGresult

from projections.rows.copied import as_told
from projections.rows.silence import Silence

Row = tuple[Any, ...]
Values = Mapping[str, bytes | None] | Sequence[bytes | None]

PLACE: Final = re.compile(rb"%\((\w+)\)[bs]|%b")
BOUNDS_TRANSACTIONS: Final = 170_000
"""From this version on PostgreSQL can end a transaction that lasts too long, whatever it waits for."""


class KnownStatement(Struct, frozen=True):
    """A statement as the connection knows it."""

    name: bytes
    text: bytes
    values: tuple[str, ...]
    """The names of its values, in their order; none if they are given in order."""


class SentStatement(Struct, frozen=True):
    """A message that is answered, in the order in which they were sent."""

    kind: Literal["prepare", "execute", "step", "round"]
    """Steps and rounds are syncs: after one, PostgreSQL ends a transaction that stands still."""
    statement: bytes = b""
    purpose: object = None


class Failed(Exception):
    """A statement failed, and with it all that came after it in its round."""

    def __init__(self, error: psycopg.Error, purpose: object) -> None:
        super().__init__(str(error))
        self.error = error
        self.purpose = purpose
        """What it was sent for."""


class StatementExchange:
    """For one thread. What it prepares is gone when the driver rolls a transaction back: where both use the
    connection, it must not prepare."""

    def __init__(self, connection: Connection[Any], *, prepares: bool = True) -> None:
        self._prepares = prepares
        self._pgconn = connection.pgconn
        self._reader = Transformer(connection)
        self._known: dict[bytes, KnownStatement] = {}
        self._numbers = 0
        self._sent: deque[SentStatement] = deque()
        self._in_steps = connection.info.server_version < BOUNDS_TRANSACTIONS

    def send(self, statement: bytes, values: Values = (), purpose: object = None) -> None:
        """In this round. Values are in PostgreSQL's binary format, of the types that the statement says."""
        if self._pgconn.pipeline_status == PipelineStatus.OFF:
            self._pgconn.enter_pipeline_mode()
        known = self._known.get(statement) or self._know(statement)
        given = [values[name] for name in known.values] if isinstance(values, Mapping) else values
        formats = [Format.BINARY] * len(given)
        if self._prepares:
            self._pgconn.send_query_prepared(known.name, given, formats, Format.BINARY)
        else:
            self._pgconn.send_query_params(known.text, given, None, formats, Format.BINARY)
        self._sent.append(SentStatement("execute", purpose=purpose))
        if self._in_steps:
            self._sync("step")

    def _know(self, statement: bytes) -> KnownStatement:
        self._numbers += 1
        name = b"%s_%d" % (statement.split(None, 1)[0], self._numbers)
        values = names_in(statement)
        known = self._known[statement] = KnownStatement(name, numbered(statement, values), values)
        if self._prepares:
            self._pgconn.send_prepare(known.name, known.text)
            self._sent.append(SentStatement("prepare", statement))
        return known

    def end_round(self) -> None:
        self._sync("round")

    def _sync(self, kind: Literal["step", "round"]) -> None:
        self._pgconn.pipeline_sync()
        self._sent.append(SentStatement(kind))

    def receive(self, until: float) -> list[PGresult]:
        """What the statements of the oldest round came to. All of it has come when the first error is raised.

        A connection that is lost, or that says nothing until then and is closed for it, is raised as it is:
        nobody knows what became of the round.
        """
        self._flush(until)
        results: list[PGresult] = []
        failed: Failed | None = None
        while (sent := self._sent.popleft()).kind != "round":
            result = self._result(until)
            if sent.kind == "step":
                continue
            self._expect_no_more(until)
            if result.status in (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED):
                self._known.pop(sent.statement, None)
                if failed is None:
                    failed = Failed(error_from_result(result), sent.purpose)
            elif sent.kind == "execute":
                results.append(result)
        self._result(until)
        if not self._sent:
            self._pgconn.exit_pipeline_mode()
        if failed is not None:
            raise failed
        return results

    def rows(self, result: PGresult) -> list[Row]:
        self._reader.set_pgresult(result)
        rows = self._reader.load_rows(0, result.ntuples, tuple)
        self._reader.set_pgresult(None)
        return rows

    def copy(
        self, statement: bytes, blocks: Iterable[bytes | bytearray], until: float, purpose: object = None
    ) -> None:
        """Ends the round before it: a COPY shares a round trip with nothing."""
        if self._sent:
            self.end_round()
            self.receive(until)
        self._pgconn.send_query(statement)
        self._flush(until)
        result = self._result(until)
        if result.status == ExecStatus.COPY_IN:
            for block in blocks:
                self._pgconn.put_copy_data(block)
                self._flush(until)
            self._pgconn.put_copy_end()
            self._flush(until)
            result = self._result(until)
        self._expect_no_more(until)
        if result.status == ExecStatus.FATAL_ERROR:
            raise Failed(as_told(error_from_result(result)), purpose)

    def _flush(self, until: float) -> None:
        """Reads what comes meanwhile, or both sides could wait for the other to read."""
        while self._pgconn.flush():
            if self._wait(select.POLLIN | select.POLLOUT, until) & select.POLLIN:
                self._pgconn.consume_input()

    def _result(self, until: float) -> PGresult:
        result = self._next(until)
        if result is None or self._pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(self._pgconn.get_error_message() or "the connection is lost")
        return result

    def _expect_no_more(self, until: float) -> None:
        """The end of one statement's results is a result too."""
        while self._next(until) is not None:
            pass

    def _next(self, until: float) -> PGresult | None:
        while self._pgconn.is_busy():
            self._wait(select.POLLIN, until)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _wait(self, events: int, until: float) -> int:
        waiting = select.poll()
        waiting.register(self._pgconn.socket, events)
        ready = waiting.poll(max(0.0, until - time.monotonic()) * 1000)
        if not ready:
            self._pgconn.finish()
            raise Silence
        return ready[0][1]


def names_in(statement: bytes) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.decode() for name in PLACE.findall(statement) if name))


def numbered(statement: bytes, names: Sequence[str]) -> bytes:
    """With places as PostgreSQL has them: $1, $2, …"""
    places = iter(range(1, statement.count(b"%b") + 1))
    return PLACE.sub(
        lambda found: b"$%d" % (names.index(found[1].decode()) + 1 if found[1] else next(places)), statement
    )
