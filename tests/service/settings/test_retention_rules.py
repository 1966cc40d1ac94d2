"""The rules of retention as they are given, and what is said of those that cannot be meant."""

from typing import Any

import msgspec
import pytest

from domain.retention import Policy, Retention, Rule
from service.settings.settings import BadSetting, Settings, retention_of


def test_without_a_word_everything_is_kept() -> None:
    assert retention_of(Settings.load({})) == Retention()


def test_the_policy_and_the_rules_are_taken_in_their_order() -> None:
    given = [
        {"link": "case", "keep": True},
        {"name": "trials", "metadata": {"plan": "trial"}, "erase_after": 7},
        {
            "link": "opportunity",
            "metadata": {"paid": True, "team": "a"},
            "anonymise_after": 30,
            "erase_after": 365,
        },
    ]
    settings = Settings.load(
        {
            "HANSARD_RETENTION_ANONYMISE_AFTER": "90",
            "HANSARD_RETENTION_ERASE_AFTER": "0",
            "HANSARD_RETENTION_RULES": msgspec.json.encode(given).decode(),
        }
    )
    rules = (
        Rule("link case", Policy(), link="case"),
        Rule("trials", Policy(None, 7), metadata={"plan": "trial"}),
        Rule(
            "link opportunity, metadata paid=true, metadata team=a",
            Policy(30, 365),
            "opportunity",
            {"paid": True, "team": "a"},
        ),
    )
    assert retention_of(settings) == Retention(Policy(90), rules)
    assert retention_of(Settings.load(settings.environ())) == Retention(Policy(90), rules)


@pytest.mark.parametrize(
    ("rules", "wrong"),
    [
        ("[", "Input data was truncated"),
        ({"link": "case"}, "Expected `array`"),
        ([{"links": "case"}], "unknown field `links`"),
        ([{"erase_after": 3}], "rule 1: it must say for which conversations it is"),
        ([{"link": "case"}], "rule 1: it must have anonymise_after or erase_after, or keep: true"),
        ([{"link": "case", "keep": True, "erase_after": 3}], "and not both"),
        ([{"link": "case", "erase_after": 0}], "Expected `int` >= 1"),
        ([{"link": "case", "erase_after": 1_000_000}], "Expected `int` <= 36500"),
        ([{"link": "", "keep": True}], "rule 1: "),
        ([{"link": "case", "anonymise_after": 9, "erase_after": 9}], "never anonymised after 9"),
        (
            [{"link": "case", "keep": True}, {"link": "case", "erase_after": 3}],
            "two rules are called link case",
        ),
        ([{"link": "case", "keep": True, "name": "everything else"}], "two rules are called everything else"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told_at_the_start(rules: Any, wrong: str) -> None:
    text = rules if isinstance(rules, str) else msgspec.json.encode(rules).decode()
    with pytest.raises(BadSetting) as raised:
        Settings.load({"HANSARD_RETENTION_RULES": text})
    assert str(raised.value).startswith(f"HANSARD_RETENTION_RULES is {text!r}, but it must be a JSON array")
    assert wrong in str(raised.value)


def test_a_term_that_never_comes_is_told_at_the_start() -> None:
    with pytest.raises(BadSetting, match=r"HANSARD_RETENTION_ERASE_AFTER is 30, but what is erased after 30"):
        Settings.load({"HANSARD_RETENTION_ANONYMISE_AFTER": "90", "HANSARD_RETENTION_ERASE_AFTER": "30"})
    with pytest.raises(BadSetting, match="a whole number from 0 to 36500"):
        Settings.load({"HANSARD_RETENTION_ERASE_AFTER": "-1"})
