"""What a conversation is called that was given no title: its first words."""

import re
from typing import Final
from unicodedata import category

from domain.events import MessageAdded

LONGEST: Final = 60
# Of a long text only this much is looked at, unless it is mostly blanks.
ENOUGH: Final = 80
CONTROLS: Final = re.compile("[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
JOINER: Final = "\u200d"
SKIN: Final = range(0x1F3FB, 0x1F400)


def opening_of(added: MessageAdded) -> str | None:
    """What a conversation is called for this message, if that is the first thing that the user said in it."""
    if added.role != "user" or added.kind != "message":
        return None
    return title_from(added.content) or None


def title_from(text: str) -> str:
    """At most 60 characters, cut between words where there are any; empty if the text is all blanks."""
    title = one_line(text[:ENOUGH])
    if len(title) <= LONGEST and len(text) > ENOUGH:
        title = one_line(text)
    if len(title) <= LONGEST:
        return title
    end = title.rfind(" ", LONGEST // 2, LONGEST)
    if end < 0:  # no word ends in the second half: one very long word, or a language without blanks
        end = whole(title, LONGEST - 1)
    return title[:end].rstrip() + "…"


def one_line(text: str) -> str:
    """Hardly any text has controls in it, and whether a line can be printed is quickly seen."""
    line = " ".join(text.split())
    return line if line.isprintable() else " ".join(CONTROLS.sub("", text).split())


def whole(title: str, end: int) -> int:
    """Back to where no accent, joined emoji or skin tone is torn off; half way at most."""
    for at in range(end, LONGEST // 2, -1):
        if not clings(title[at]) and title[at - 1] != JOINER:
            return at
    return end


def clings(character: str) -> bool:
    """Whether it belongs to the character before it."""
    return character == JOINER or ord(character) in SKIN or category(character) in ("Mn", "Mc", "Me")
