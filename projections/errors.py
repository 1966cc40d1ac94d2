"""Why a projection does not answer; the docstring is the message.

Refusal
├── ProjectionBehind
├── ProjectionNotBuilt
├── ConversationIsParked
└── ReplayIsRunning
"""

from typing import Final

from domain.errors import Refusal

ASIDE: Final = "it is being rewritten"
"""Stands where a parked conversation has its error, while an anonymising brings its rows back."""


class ProjectionBehind(Refusal):
    """{projection} has not caught up with the log yet: {behind} events are missing; ask again in a moment."""


class ProjectionNotBuilt(Refusal):
    """{projection} is not built in version {version} yet; `hansard replay` builds it."""


class ConversationIsParked(Refusal):
    """{projection} could not go on with this conversation: {error}"""


class ReplayIsRunning(Refusal):
    """{projection} is being replayed already, by {holder}; wait for it, or end it."""
