"""Names that lead astray, or nowhere any more, are found."""

import pytest

from domain.events import ConversationStarted
from service.hansard import projections_of
from service.settings.settings import Settings
from tests.service.store.appending import said, started, storing
from tests.service.verify.tampering import OTHER, VICTIM, append, follow, found, tamper, verify


@pytest.fixture
def log(dsn: str) -> str:
    written = [each for each in projections_of(Settings()) if each.with_append]
    with storing(dsn, written) as store:
        append(store, VICTIM, [ConversationStarted(name="thr_abc"), said("secret")])
        append(store, OTHER, [*started(), said("good morning")])
    follow(dsn)
    return dsn


def test_names_that_lead_where_they_should_are_no_fault(log: str) -> None:
    assert verify(log) == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE names SET conversation_id = %(other)s",
        "UPDATE names SET name = 'another'",
        "INSERT INTO names VALUES (%(shard)s, 'ann', 'thr_2', %(other)s)",
        "DELETE FROM names",
    ],
)
def test_a_name_that_was_changed_is_told(log: str, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(log, change)
    assert verify(log) == 1
    assert any("name" in each for each in found(capsys))


def test_a_name_that_was_changed_in_the_log_leads_astray(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(log, "UPDATE events SET state = 'no JSON' WHERE conversation_id = %(victim)s AND version = 1")
    assert verify(log) == 1
    assert any("a name leads to it" in each for each in found(capsys))
