"""A large log is checked by several processes, which find what one finds."""

import pytest

from service.store.connections import Database
from service.verify.log import verify_log
from tests.service.verify.tampering import change, two_conversations


def test_large_logs_are_checked_by_several_processes(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = two_conversations(dsn)
    change(log, "actor = 'bob'", 3)
    alone = verify_log(Database.open(log))
    monkeypatch.setattr("service.verify.log.WORTH_PROCESSES", 0)
    monkeypatch.setattr("service.verify.log.processes", lambda: 2)
    assert verify_log(Database.open(log)) == alone
    assert (alone.events, alone.conversations, alone.total) == (14, 2, 1)
