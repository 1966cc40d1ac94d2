"""Why a request is refused before anything is asked of a conversation; the docstring is the message.

Refusal
├── NotAuthenticated, NotYourUser, ScopeMissing, NotFromHere
├── UserNotNamed, UsersDiffer, SlashInPath
├── RecordRestored
├── BadCursor, NotInList, BadIdempotencyKey, BadVersion, VersionsDiffer
├── TooManyPairs
├── BodyNotTaken, BodyNotJson, BodyTooLong, BodyTooSlow, BodyBrokeOff
├── ReplayNotFound
├── TooManyRequests, TooManyStreams
└── NoRoom, NoRoomForStreams, TooMuchAtOnce
"""

from domain.errors import Refusal


class NotAuthenticated(Refusal):
    """{why}."""


class NotYourUser(Refusal):
    """The token is another user's than the one that was named; leave the user out."""


class ScopeMissing(Refusal):
    """This takes a service key with the scope {scope}."""


class NotFromHere(Refusal):
    """{header} is {value!r}: without authentication Hansard answers only to this machine's own pages and
    programs, at localhost."""


class UserNotNamed(Refusal):
    """Whose conversations are meant? Send the user's id as X-User-Id, or as user_id."""


class UsersDiffer(Refusal):
    """X-User-Id and user_id name different users; send one user, once."""


class SlashInPath(Refusal):
    """{field} holds an escaped slash (%2F), which a path cannot hold; send it where it is no part of one."""


class RecordRestored(Refusal):
    """{what} was given before the record was restored from a backup, and may name something else now. Begin
    anew: leave it out, and go on with what is answered then."""


class BadCursor(Refusal):
    """This is not a cursor of this list; begin without one, and send each back as it was given."""


class NotInList(Refusal):
    """{field} names nothing of this list; send the id of one of its entries, or leave it out."""


class BadIdempotencyKey(Refusal):
    """An Idempotency-Key is 1 to {limit} visible ASCII characters."""


class BadVersion(Refusal):
    """If-Match holds no version; send the ETag of the conversation as it was given."""


class TooManyPairs(Refusal):
    """{field} has {count} pairs; the limit is {limit}."""


class VersionsDiffer(Refusal):
    """If-Match and expected_version say different versions; send one of them."""


class BodyNotTaken(Refusal):
    """This takes no body, and nothing was done: send none; what it takes is in its path and query."""


class BodyNotJson(Refusal):
    """The body is {content_type}; send JSON, with Content-Type: application/json."""


class BodyTooLong(Refusal):
    """The body is longer than {limit} bytes; send it in several requests."""


class BodyTooSlow(Refusal):
    """The body had not come whole after {limit} s; nothing was stored: send it again."""


class BodyBrokeOff(Refusal):
    """The body broke off before its end; nothing was stored: send it again."""


class ReplayNotFound(Refusal):
    """No replay with this id was started over HTTP."""


class TooManyRequests(Refusal):
    """More than {limit} requests a minute; try again in {retry_after} s."""


class TooManyStreams(Refusal):
    """The user has as many streams open as one user may have here, {limit}; close one of them first."""


class NoRoom(Refusal):
    """As many requests are waiting here as may wait, {limit}; nothing was stored: try again in a moment."""


class NoRoomForStreams(Refusal):
    """As many streams are open here as may be, {limit}; nothing was stored: try again in a moment."""


class TooMuchAtOnce(Refusal):
    """The bodies of other requests take all the memory that there is for them; nothing was stored: try again
    in a moment."""
