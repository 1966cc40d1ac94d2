"""Reads the rules of retention as they are given: a JSON array, in the order in which they are tried."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from domain.content import LIMITS, check_metadata, check_name
from domain.errors import Refusal
from domain.retention import EVERYTHING, Policy, Rule

LONGEST_NAME: Final = 200
MOST_DAYS: Final = 36_500

Days = Annotated[int, Meta(ge=1, le=MOST_DAYS)]


class GivenRule(Struct, frozen=True, forbid_unknown_fields=True):
    link: str | None = None
    metadata: dict[str, Any] = {}
    anonymise_after: Days | None = None
    erase_after: Days | None = None
    keep: bool = False
    name: str | None = None


def rules_of(text: str) -> tuple[Rule, ...]:
    """ValueError says what is wrong, and where."""
    rules = tuple(rule_of(number, given) for number, given in enumerate(decoded(text), 1))
    names = [EVERYTHING, *(rule.name for rule in rules)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two rules are called {twice}: give one of them another name")
    return rules


def decoded(text: str) -> list[GivenRule]:
    try:
        return msgspec.json.decode(text, type=list[GivenRule])
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise ValueError(str(wrong)) from None


def rule_of(number: int, given: GivenRule) -> Rule:
    try:
        check(given)
    except (Refusal, ValueError) as wrong:
        raise ValueError(f"rule {number}: {wrong}") from None
    return Rule(
        given.name or described(given),
        Policy(given.anonymise_after, given.erase_after),
        given.link,
        given.metadata,
    )


def check(given: GivenRule) -> None:
    if given.link is None and not given.metadata:
        raise ValueError("it must say for which conversations it is: by link, or by metadata")
    if given.link is not None:
        check_name("link", given.link, LIMITS.link_kind)
    check_metadata(given.metadata)
    check_name("name", given.name or described(given), LONGEST_NAME)
    if given.keep == bool(given.anonymise_after or given.erase_after):
        raise ValueError("it must have anonymise_after or erase_after, or keep: true, and not both")
    check_order(given.anonymise_after, given.erase_after)


def check_order(anonymise_after: int | None, erase_after: int | None) -> None:
    if anonymise_after and erase_after and erase_after <= anonymise_after:
        raise ValueError(
            f"what is erased after {erase_after} days is never anonymised after {anonymise_after}: "
            "make erasing the later one, or leave anonymising out"
        )


def described(given: GivenRule) -> str:
    """What a rule is called that was given no name."""
    values = [f"metadata {key}={shown(value)}" for key, value in given.metadata.items()]
    return ", ".join([*([] if given.link is None else [f"link {given.link}"]), *values])


def shown(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
