"""A writer's connection: made when it is needed, and given up when it is not to be trusted any more."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, Final

from psycopg import Connection

from projections.rows.exchange import StatementExchange
from projections.rows.silence import Silence
from service.store.connections import Database
from service.store.patience import milliseconds

log = logging.getLogger("hansard.writer")

PARAMETERS: Final = {
    # All that an append looks up, it looks up by key; plans made while a table was small would scan it.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A conversation's last event is the last of its key, and is not to be sorted out of all of its shard.
    "enable_sort": "off",
    # Arrays of any length are looked up in the same way; to find that out anew takes longer than to do it.
    "plan_cache_mode": "force_generic_plan",
}


Connected = Callable[[Connection[Any]], None]


def nothing_more(connection: Connection[Any]) -> None:
    pass


class WritingSession:
    """For the writer's thread. Connecting has a thread of its own: nothing bounds how long it takes."""

    def __init__(self, database: Database, connected: Connected = nothing_more) -> None:
        self._database = database
        self._connected = connected
        self._connecting: Future[Connection[Any]] | None = None
        self._connection: Connection[Any] | None = None
        self._exchange: StatementExchange | None = None

    @property
    def is_open(self) -> bool:
        return self._exchange is not None

    def exchange(self, until: float) -> StatementExchange:
        """Whoever cannot wait for a connection until it is there finds it the next time."""
        if self._exchange is None:
            self._connection = self._connect(until)
            self._exchange = StatementExchange(self._connection)
        return self._exchange

    def give_up(self) -> None:
        """With the transaction, if one is open: it may still be committed if that was asked for."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._exchange = None

    def close(self) -> None:
        self.give_up()
        if self._connecting is not None:
            self._connecting.add_done_callback(close_late)

    def _connect(self, until: float) -> Connection[Any]:
        if self._connecting is None:
            self._connecting = Future()
            Thread(
                target=self._try, args=[self._connecting], name="hansard-writer-connects", daemon=True
            ).start()
        try:
            connection = self._connecting.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            if not self._connecting.done():
                raise Silence from None
            raise
        finally:
            if self._connecting.done():
                self._connecting = None
        return connection

    def _try(self, connecting: "Future[Connection[Any]]") -> None:
        patience = self._database.patience
        try:
            limits = {
                "lock_timeout": milliseconds(patience.lock),
                "idle_in_transaction_session_timeout": milliseconds(patience.standstill),
                "statement_timeout": milliseconds(patience.append),
                "transaction_timeout": milliseconds(patience.append),
            }
            connection = self._database.connect("hansard writer", patience.silence, PARAMETERS | limits)
            try:
                self._connected(connection)
            except BaseException:
                connection.close()
                raise
        except BaseException as failed:
            connecting.set_exception(failed)
        else:
            connecting.set_result(connection)


def close_late(connecting: "Future[Connection[Any]]") -> None:
    if connecting.exception() is None:
        connecting.result().close()
