"""When a conversation is due, and by which rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retention import EVERYTHING, RETENTION, Anonymised, Due, Held, Policy, Retention, Rule, due

LAST = datetime(2026, 1, 1, 12, tzinfo=UTC)

TRIALS = Rule("trials", Policy(erase_after_days=7), metadata={"plan": "trial"})
DEALS = Rule("link opportunity", Policy(30, 365), link="opportunity")
CASES = Rule("link case", Policy(), link="case")
RETENTION_OF_ALL = Retention(Policy(90), (CASES, TRIALS, DEALS))

DAYS = st.none() | st.integers(1, 20)
POLICIES = st.builds(Policy, DAYS, DAYS)
KINDS = st.frozensets(st.sampled_from(["opportunity", "case"]))
METADATA = st.dictionaries(st.sampled_from(["plan", "team"]), st.sampled_from(["trial", 1, True, None]))
NAMES = ["one", "two: three", "four"]
RULES = st.lists(
    st.builds(
        Rule, st.sampled_from(NAMES), POLICIES, st.none() | st.sampled_from(["opportunity", "case"]), METADATA
    ),
    max_size=3,
    unique_by=lambda rule: rule.name,
).map(tuple)
RETENTIONS = st.builds(Retention, POLICIES, RULES)
HELD = st.builds(Held, st.just(LAST), KINDS, METADATA, st.none())
AGES = st.integers(0, 25).map(lambda days: LAST + timedelta(days=days))


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


def held(*link_kinds: str, anonymised: Anonymised | None = None, **metadata: Any) -> Held:
    return Held(LAST, frozenset(link_kinds), metadata, anonymised)


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        (held(), EVERYTHING),
        (held("project", plan="paid"), EVERYTHING),
        (held("opportunity", "project"), "link opportunity"),
        (held(plan="trial", team=3), "trials"),
        (held("opportunity", plan="trial"), "trials"),
        (held("opportunity", "case", plan="trial"), "link case"),
    ],
)
def test_the_first_rule_that_fits_decides(what: Held, rule: str) -> None:
    assert RETENTION_OF_ALL.rule_for(what).name == rule


def test_a_rule_decides_alone() -> None:
    a_year = after(days=365)
    assert RETENTION_OF_ALL.verdict(held(), a_year).due is Due.ANONYMISE
    assert RETENTION_OF_ALL.verdict(held(plan="trial"), after(days=6)).due is Due.KEEP
    assert RETENTION_OF_ALL.verdict(held("case"), a_year).due is Due.KEEP, "a rule without terms keeps"
    verdict = RETENTION_OF_ALL.verdict(held("opportunity"), a_year)
    assert (verdict.due, verdict.rule) == (Due.ERASE, "link opportunity")
    assert verdict.reason == "link opportunity: 365 days without activity"


def test_values_are_compared_as_json_has_them() -> None:
    rule = Rule("first", Policy(), metadata={"n": 1})
    assert rule.fits(held(n=1))
    assert not rule.fits(held(n=True))
    assert not Rule("none", Policy(), metadata={"n": None}).fits(held())


def test_what_a_rule_has_anonymised_stays_with_it_though_its_links_are_gone() -> None:
    reason = RETENTION_OF_ALL.verdict(held("opportunity"), after(days=30)).reason
    ours = held(anonymised=Anonymised(RETENTION, reason))
    assert RETENTION_OF_ALL.rule_for(ours) == DEALS
    assert RETENTION_OF_ALL.verdict(ours, after(days=364)).due is Due.KEEP
    assert RETENTION_OF_ALL.verdict(ours, after(days=365)).due is Due.ERASE
    assert Retention(Policy(90)).rule_for(ours).name == EVERYTHING, "the rule was taken away since"
    theirs = held(anonymised=Anonymised("the user", reason))
    assert RETENTION_OF_ALL.rule_for(theirs).name == EVERYTHING, "nobody else's reason names a rule"


@given(RETENTIONS, HELD, AGES)
def test_no_other_rule_has_a_say(retention: Retention, what: Held, now: datetime) -> None:
    fitting = [rule.policy for rule in retention.rules if rule.fits(what)]
    policy = [*fitting, retention.everything][0]
    assert retention.verdict(what, now).due is due(policy, LAST, now)


@given(RETENTIONS, HELD, AGES)
def test_nothing_is_due_that_was_active_after_the_shortest_term(
    retention: Retention, what: Held, now: datetime
) -> None:
    since = retention.idle_since(now)
    if since is None or what.last_activity > since:
        assert retention.verdict(what, now).due is Due.KEEP


@given(RETENTIONS, HELD, AGES, st.integers(0, 25))
def test_what_is_anonymised_is_erased_when_it_would_have_been(
    retention: Retention, what: Held, now: datetime, later: int
) -> None:
    verdict = retention.verdict(what, now)
    if verdict.due is not Due.ANONYMISE:
        return
    then = now + timedelta(days=later)
    anonymised = Held(LAST, anonymised=Anonymised(RETENTION, verdict.reason))
    before, now_known = retention.verdict(what, then), retention.verdict(anonymised, then)
    assert (now_known.due is Due.ERASE) == (before.due is Due.ERASE)
    assert now_known.due is not Due.ANONYMISE
    since = retention.idle_since(then, anonymised=True)
    assert now_known.due is Due.KEEP or (since is not None and since >= LAST)
