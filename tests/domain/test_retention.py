"""When a conversation is due."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.retention import Due, Policy, due

LAST = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(**age: float) -> datetime:
    return LAST + timedelta(**age)


def test_without_a_policy_everything_is_kept() -> None:
    assert due(Policy(), LAST, after(days=100_000)) is Due.KEEP


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(days=30) - timedelta(microseconds=1), Due.KEEP),
        (timedelta(days=30), Due.ANONYMISE),
        (timedelta(days=90) - timedelta(microseconds=1), Due.ANONYMISE),
        (timedelta(days=90), Due.ERASE),
        (timedelta(days=-1), Due.KEEP),
    ],
)
def test_a_conversation_is_due_to_the_microsecond(age: timedelta, expected: Due) -> None:
    assert due(Policy(30, 90), LAST, LAST + age) is expected


def test_what_is_anonymised_already_waits_to_be_erased() -> None:
    assert due(Policy(30, 90), LAST, after(days=60), anonymised=True) is Due.KEEP
    assert due(Policy(30, 90), LAST, after(days=90), anonymised=True) is Due.ERASE


def test_erasing_goes_before_anonymising() -> None:
    assert due(Policy(90, 30), LAST, after(days=90)) is Due.ERASE


@pytest.mark.parametrize("days", [0, -1])
def test_a_policy_counts_from_one_day(days: int) -> None:
    with pytest.raises(ValueError, match="whole days from 1"):
        Policy(erase_after_days=days)
    with pytest.raises(ValueError, match="whole days from 1"):
        Policy(anonymise_after_days=days)
