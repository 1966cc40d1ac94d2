"""Finds a person's own id in what is kept, and takes it out."""

import re
from functools import lru_cache
from typing import Final

from service.access.actors import is_user
from service.store.repository import Caller

THE_USER: Final = "the user"


@lru_cache(maxsize=256)
def pattern_of(user_id: str) -> re.Pattern[str]:
    """The id by itself, not as a part of a longer word or number."""
    return re.compile(rf"(?<!\w){re.escape(user_id)}(?!\w)")


def renamed(text: str, user_id: str, instead: str) -> tuple[str, int]:
    """With how often the id was there."""
    if not user_id or user_id not in text:
        return text, 0
    return pattern_of(user_id).subn(lambda _: instead, text)


def unnamed(text: str, user_id: str) -> str:
    return renamed(text, user_id, THE_USER)[0]


def who_asked(caller: Caller) -> str:
    """What a receipt and the log say of it for ever: never the id of the user whom it is about."""
    if caller.actor is None or is_user(caller.actor, caller.user_id):
        return THE_USER
    return unnamed(caller.actor, caller.user_id)
