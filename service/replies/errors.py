"""Why there is no reply, or not the whole of one; the docstring is the message.

Refusal
├── ReplyInProgress, TooManyReplies
├── ReplyStopped, ReplyLost, ReplyElsewhere
└── NotAPlace, NotAMessage
"""

from domain.errors import Refusal


class ReplyInProgress(Refusal):
    """A reply is being given in this conversation; wait for it, stop it, or send `interrupt: true`."""


class TooManyReplies(Refusal):
    """{limit} replies to this user are running already; wait for one of them to end."""


class ReplyStopped(Refusal):
    """The reply was stopped before a word of it had come; the message is stored."""


class ReplyLost(Refusal):
    """The process that gave the reply stopped before a word of it had come.
    The message is stored; send it again."""


class NotAPlace(Refusal):
    """Last-Event-ID is not an id of this stream; send it as it was given, or leave it out."""


class ReplyElsewhere(Refusal):
    """This process is stopping, and another one gives the reply; ask again."""


class NotAMessage(Refusal):
    """This endpoint takes a request of ChatKit's, which says its `type`, or `{{"message": "…"}}`."""
