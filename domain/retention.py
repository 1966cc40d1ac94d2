"""When a conversation is due to be anonymised or erased: pure policy."""

from collections.abc import Mapping, Set
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from msgspec import Struct

from domain.content import same_json

RETENTION: Final = "retention"
"""Who asked, as receipts and the log say it."""
EVERYTHING: Final = "everything else"


class Due(Enum):
    KEEP = "keep"
    ANONYMISE = "anonymise"
    ERASE = "erase"


class Policy(Struct, frozen=True):
    """Days without activity; None means never."""

    anonymise_after_days: int | None = None
    erase_after_days: int | None = None

    def __post_init__(self) -> None:
        for days in (self.anonymise_after_days, self.erase_after_days):
            if days is not None and days < 1:
                raise ValueError(f"retention counts whole days from 1, not {days}; leave it out for never")


class Anonymised(Struct, frozen=True):
    """Who asked for it, and why."""

    requested_by: str
    reason: str


class Held(Struct, frozen=True):
    """What is known of a conversation, as far as retention goes by it."""

    last_activity: datetime
    link_kinds: Set[str] = frozenset()
    metadata: Mapping[str, Any] = {}
    anonymised: Anonymised | None = None


class Rule(Struct, frozen=True):
    """A policy for the conversations that have all that it names; one that names nothing is for all."""

    name: str
    policy: Policy
    link: str | None = None
    """A link of this kind, to whatever it may be."""
    metadata: Mapping[str, Any] = {}
    """These values, beside any others."""

    def fits(self, held: Held) -> bool:
        return (self.link is None or self.link in held.link_kinds) and all(
            key in held.metadata and same_json(held.metadata[key], value)
            for key, value in self.metadata.items()
        )


class Verdict(Struct, frozen=True):
    """What is to be done with a conversation, by which rule, and why, as the record will say it."""

    due: Due
    rule: str
    reason: str = ""


class Retention(Struct, frozen=True):
    """The policy for everything, and the rules that go before it."""

    everything: Policy = Policy()
    rules: tuple[Rule, ...] = ()

    def rule_for(self, held: Held) -> Rule:
        """The first that fits, and that alone: what it does not say, no other one says in its place.

        Links and metadata go when a conversation is anonymised. So one that retention has anonymised stays
        with the rule that it was anonymised by, for as long as there is one of that name.
        """
        if held.anonymised is None:
            return next((rule for rule in self.rules if rule.fits(held)), self._last)
        name = rule_in(held.anonymised)
        return next((rule for rule in self.rules if rule.name == name), self._last)

    def verdict(self, held: Held, now: datetime) -> Verdict:
        rule = self.rule_for(held)
        what = due(rule.policy, held.last_activity, now, held.anonymised is not None)
        days = rule.policy.erase_after_days if what is Due.ERASE else rule.policy.anonymise_after_days
        why = "" if what is Due.KEEP else reason_of(rule, days)
        return Verdict(what, rule.name, why)

    @property
    def says_anything(self) -> bool:
        """Whether anything is ever due."""
        return bool(self._terms(anonymised=False))

    def idle_since(self, now: datetime, anonymised: bool = False) -> datetime | None:
        """Nothing is due that was active after this; None: nothing ever is."""
        terms = self._terms(anonymised)
        return now - timedelta(days=min(terms)) if terms else None

    def _terms(self, anonymised: bool) -> list[int]:
        return [
            days
            for policy in (*(rule.policy for rule in self.rules), self.everything)
            for days in (policy.erase_after_days, None if anonymised else policy.anonymise_after_days)
            if days is not None
        ]

    @property
    def _last(self) -> Rule:
        return Rule(EVERYTHING, self.everything)


def due(policy: Policy, last_activity: datetime, now: datetime, anonymised: bool = False) -> Due:
    """Erasing goes before anonymising, and what is anonymised already only waits to be erased."""
    idle = now - last_activity
    if has_passed(policy.erase_after_days, idle):
        return Due.ERASE
    if has_passed(policy.anonymise_after_days, idle) and not anonymised:
        return Due.ANONYMISE
    return Due.KEEP


def has_passed(days: int | None, idle: timedelta) -> bool:
    return days is not None and idle >= timedelta(days=days)


def reason_of(rule: Rule, days: int | None) -> str:
    return f"{rule.name}: {days} days without activity"


def rule_in(anonymised: Anonymised) -> str | None:
    """The rule by which it was anonymised; None where somebody asked for it."""
    return anonymised.reason.rpartition(": ")[0] if anonymised.requested_by == RETENTION else None
