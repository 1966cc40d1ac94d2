"""Why the past cannot be told; the docstring is the message.

Refusal
├── NoSuchVersion, BeforeTheStart, NothingLeft
└── ReadNotRecorded
"""

from domain.errors import Refusal


class NoSuchVersion(Refusal):
    """There is no version {version} of this conversation: it has versions 1 to {current_version}."""


class BeforeTheStart(Refusal):
    """The conversation was not there yet at {at}: it was started at {started_at}."""


class NothingLeft(Refusal):
    """The conversation was erased at {at}, and how it stood before went with it; its events still say what
    happened and when."""


class ReadNotRecorded(Refusal):
    """Who reads with the scope audit is put on record, and that could not be done, so this was not answered;
    try again in a moment."""
