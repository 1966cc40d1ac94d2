"""One connection in libpq's pipeline mode: what it was asked, in order, and the answers as they come."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from psycopg import AsyncConnection, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGresult

from projections.reading.prepared import Prepared, Row, Statement

ENDING: Final = (b"FATAL", b"PANIC")
"""How severe an error is after which the server ends the connection. That it cannot reach another one, which
it has asked for the answer, is no more than this answer's error."""


class Ask:
    """A statement with its values, and the future of whoever waits for its rows."""

    __slots__ = ("answer", "given", "sent", "since", "statement")

    def __init__(
        self, statement: Statement, given: Mapping[str, Any], answer: asyncio.Future[list[Row]], since: float
    ) -> None:
        self.statement = statement
        self.given = given
        self.answer = answer
        self.since = since
        self.sent = 0

    def refuse(self, why: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(why)


class PipelineStep:
    """Something that was sent and is answered: a question; without an ask, a statement to prepare;
    with nothing, the end of a group."""

    __slots__ = ("ask", "prepared")

    def __init__(self, ask: Ask | None = None, prepared: Prepared | None = None) -> None:
        self.ask = ask
        self.prepared = prepared


class SharedLine:
    """What is asked in one turn of the event loop goes as one group. PostgreSQL skips what stands behind a
    statement that fails, up to the end of its group: that is sent again, so that each fails alone."""

    def __init__(
        self, connection: AsyncConnection[Any], lost: Callable[["SharedLine", Exception], None]
    ) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._known: dict[Statement, Prepared] = {}
        self._names = 0
        self._unsent: list[Ask] = []
        self._steps: deque[PipelineStep] = deque()
        self._result: PGresult | None = None
        self._open = True
        self.heard_at = self._loop.time()
        """When something last came, or when it was first asked after that."""
        self.doubtful = False
        """Whether it owes something and has been silent for a while: others are asked first."""
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._socket = self._pgconn.socket
        self._loop.add_reader(self._socket, self._readable)

    def __len__(self) -> int:
        """How much it owes."""
        return len(self._steps) + len(self._unsent)

    def send(self, ask: Ask) -> None:
        if not self._unsent:
            self._loop.call_soon(self._send_group)
        self._unsent.append(ask)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pgconn.finish()

    def lose(self, why: Exception) -> None:
        if self._open:
            self.close()
            self._lost(self, why)

    def owed(self) -> list[Ask]:
        asks = dict.fromkeys([*(step.ask for step in self._steps), *self._unsent])
        return [ask for ask in asks if ask is not None and not ask.answer.done()]

    def refuse_older_than(self, since: float, why: Exception) -> None:
        for ask in self.owed():
            if ask.since < since:
                ask.refuse(why)

    def _send_group(self) -> None:
        asks, self._unsent = self._unsent, []
        if not self._open:
            return
        if not self._steps:
            self.heard_at = self._loop.time()
        try:
            for ask in asks:
                if not ask.answer.done():
                    self._send_one(ask)
            self._pgconn.pipeline_sync()
            self._steps.append(PipelineStep())
            self._flush()
        except OperationalError as lost:
            self._unsent = asks
            self.lose(lost)

    def _send_one(self, ask: Ask) -> None:
        prepared = self._known.get(ask.statement) or self._prepare(ask.statement)
        try:
            values = prepared.pack(ask.given)
        except Exception as unfit:  # who asked is to know, and nobody else
            ask.refuse(unfit)
            return
        ask.sent += 1
        self._pgconn.send_query_prepared(
            prepared.name, values, param_formats=prepared.formats, result_format=Format.BINARY
        )
        self._steps.append(PipelineStep(ask, prepared))

    def _prepare(self, statement: Statement) -> Prepared:
        self._names += 1
        prepared = Prepared(f"line_{self._names}".encode(), self._connection, statement)
        self._pgconn.send_prepare(prepared.name, statement.sql)
        self._known[statement] = prepared
        self._steps.append(PipelineStep(None, prepared))
        return prepared

    def _flush(self) -> None:
        """What the socket does not take at once goes when it can."""
        if not self._pgconn.flush():
            self._loop.remove_writer(self._socket)
        else:
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        try:
            self._flush()
        except OperationalError as lost:
            self.lose(lost)

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
            self.heard_at, self.doubtful = self._loop.time(), False
            while self._steps and not self._pgconn.is_busy():
                self._take(self._pgconn.get_result())
        except OperationalError as lost:
            self.lose(lost)

    def _take(self, result: PGresult | None) -> None:
        """A step has a result, and then none; the end of a group has no more than its result."""
        if result is None:
            self._settle(self._steps[0], self._result)
            self._result = None
            self._steps.popleft()
        elif result.status == ExecStatus.PIPELINE_SYNC:
            self._steps.popleft()
        else:
            self._result = result

    def _settle(self, step: PipelineStep, result: PGresult | None) -> None:
        prepared = step.prepared
        if prepared is None or result is None:
            raise OperationalError("the connection ended before an answer came")
        match result.status:
            case ExecStatus.TUPLES_OK:
                self._answer(step.ask, prepared, result)
            case ExecStatus.FATAL_ERROR:
                self._refuse(step.ask, prepared, result)
            case ExecStatus.PIPELINE_ABORTED:
                self._put_off(step.ask, prepared)

    def _answer(self, ask: Ask | None, prepared: Prepared, result: PGresult) -> None:
        if ask is None or ask.answer.done():
            return
        try:
            ask.answer.set_result(prepared.rows(result))
        except Exception as unfit:
            ask.refuse(unfit)

    def _refuse(self, ask: Ask | None, prepared: Prepared, result: PGresult) -> None:
        error = error_from_result(result)
        if result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) in ENDING:
            raise OperationalError(str(error))
        if ask is not None:
            ask.refuse(error)
        else:
            prepared.refused = error
            del self._known[prepared.statement]

    def _put_off(self, ask: Ask | None, prepared: Prepared) -> None:
        """It was skipped, because of itself or of another."""
        if ask is None:
            del self._known[prepared.statement]
        elif prepared.refused is not None:
            ask.refuse(prepared.refused)
        else:
            self.send(ask)
