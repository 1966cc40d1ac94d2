"""The one table of errors: what each refusal is over HTTP, as problem details."""

import inspect
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import psycopg
import psycopg_pool
from litestar import Request
from litestar.exceptions import HTTPException, SerializationException
from litestar.plugins.problem_details import (
    ProblemDetailsConfig,
    ProblemDetailsException,
    ProblemDetailsPlugin,
)
from litestar.response import Response
from msgspec import Struct

from domain import errors as domain
from domain.errors import Refusal
from projections import errors as projections
from projections.rows.silence import is_of_a_part
from service import responder
from service.api.answering import errors as api
from service.api.answering import openai_errors
from service.audit import errors as audit
from service.chatkit import errors as chatkit
from service.items import errors as items
from service.privacy import errors as privacy
from service.replay import report as replay
from service.replies import errors as replies
from service.store import errors as store
from service.store import layout, migrations, poolers
from service.store.topology import citus, found

BAD, TOO_LARGE, CONFLICT, AWAY, BROKEN = 400, 413, 409, 503, 500


class Told(ProblemDetailsException):
    """A problem, in the shape that belongs to where it was met."""

    def to_response(self, request: Request[Any, Any, Any]) -> Response[Any]:
        if openai_errors.speaks_openai(request.scope["path"]):
            return openai_errors.response_to(request, self)
        return super().to_response(request)


class Problem(Struct, frozen=True):
    status: int
    slug: str
    retry_after: int | None = None
    """In seconds, where waiting may help; a refusal that knows better says so in its facts."""
    challenge: bool = False

    @property
    def title(self) -> str:
        return self.slug.replace("-", " ").capitalize().replace("json", "JSON").replace("chatkit", "ChatKit")


PROBLEMS: Final[Mapping[type[Exception], Problem]] = {
    api.NotAuthenticated: Problem(401, "not-authenticated", challenge=True),
    api.NotYourUser: Problem(403, "not-your-user"),
    api.ScopeMissing: Problem(403, "scope-missing"),
    api.NotFromHere: Problem(403, "not-from-here"),
    api.UserNotNamed: Problem(BAD, "user-not-named"),
    api.UsersDiffer: Problem(BAD, "users-differ"),
    api.SlashInPath: Problem(BAD, "slash-in-path"),
    api.RecordRestored: Problem(CONFLICT, "record-restored"),
    api.BadCursor: Problem(BAD, "bad-cursor"),
    api.NotInList: Problem(BAD, "not-in-list"),
    api.TooManyPairs: Problem(BAD, "too-many-pairs"),
    api.BadIdempotencyKey: Problem(BAD, "bad-idempotency-key"),
    api.BadVersion: Problem(BAD, "bad-version"),
    api.VersionsDiffer: Problem(BAD, "versions-differ"),
    api.BodyNotTaken: Problem(BAD, "body-not-taken"),
    api.BodyNotJson: Problem(415, "body-not-json"),
    api.BodyTooLong: Problem(TOO_LARGE, "body-too-long"),
    api.BodyTooSlow: Problem(408, "body-too-slow"),
    api.BodyBrokeOff: Problem(BAD, "body-broke-off"),
    api.TooManyRequests: Problem(429, "too-many-requests"),
    api.TooManyStreams: Problem(429, "too-many-streams", retry_after=1),
    api.NoRoom: Problem(AWAY, "no-room", retry_after=1),
    api.NoRoomForStreams: Problem(AWAY, "no-room-for-streams", retry_after=1),
    api.TooMuchAtOnce: Problem(AWAY, "too-much-at-once", retry_after=1),
    api.ReplayNotFound: Problem(404, "replay-not-found"),
    domain.ConversationNotFound: Problem(404, "conversation-not-found"),
    domain.MessageNotFound: Problem(404, "message-not-found"),
    domain.SessionHasEnded: Problem(CONFLICT, "session-ended"),
    domain.ConversationIsErased: Problem(410, "conversation-erased"),
    domain.ConversationAlreadyStarted: Problem(CONFLICT, "conversation-exists"),
    domain.NameIsTaken: Problem(CONFLICT, "name-taken"),
    domain.MessageAlreadyAdded: Problem(CONFLICT, "message-exists"),
    domain.VersionConflict: Problem(CONFLICT, "version-conflict"),
    domain.CommandReused: Problem(CONFLICT, "idempotency-key-reused"),
    domain.Contended: Problem(AWAY, "contended", retry_after=1),
    domain.ContentRefused: Problem(BAD, "content-refused"),
    domain.ContentTooLong: Problem(TOO_LARGE, "content-too-long"),
    domain.ContentNotText: Problem(BAD, "not-text"),
    domain.ContentEmpty: Problem(BAD, "empty"),
    domain.MetadataTooLarge: Problem(TOO_LARGE, "metadata-too-large"),
    domain.MetadataTooDeep: Problem(BAD, "metadata-too-deep"),
    domain.NotJson: Problem(BAD, "not-json"),
    domain.TooManyLinks: Problem(BAD, "too-many-links"),
    domain.TooManyMessages: Problem(TOO_LARGE, "too-many-messages"),
    domain.NameTooLong: Problem(BAD, "name-too-long"),
    domain.NameHasNul: Problem(BAD, "name-has-nul"),
    domain.NotOneOf: Problem(BAD, "not-one-of"),
    domain.NumberOutOfRange: Problem(BAD, "out-of-range"),
    domain.HistoryIsBroken: Problem(BROKEN, "history-broken"),
    domain.EventUnreadable: Problem(BROKEN, "history-broken"),
    projections.ProjectionBehind: Problem(AWAY, "projection-behind", retry_after=1),
    projections.ProjectionNotBuilt: Problem(AWAY, "projection-not-built", retry_after=30),
    projections.ConversationIsParked: Problem(AWAY, "conversation-parked"),
    projections.ReplayIsRunning: Problem(CONFLICT, "replay-running"),
    replay.NoSuchProjection: Problem(BAD, "no-such-projection"),
    store.StoreIsBusy: Problem(AWAY, "store-busy", retry_after=1),
    store.StoreUnavailable: Problem(AWAY, "store-unavailable", retry_after=1),
    store.ShardOutOfReach: Problem(AWAY, "out-of-reach", retry_after=1),
    store.OutcomeUnknown: Problem(AWAY, "outcome-unknown", retry_after=1),
    store.AnswerLost: Problem(AWAY, "outcome-unknown", retry_after=1),
    store.StoreIsClosed: Problem(AWAY, "stopping", retry_after=1),
    audit.NoSuchVersion: Problem(404, "no-such-version"),
    audit.BeforeTheStart: Problem(404, "before-the-start"),
    audit.NothingLeft: Problem(410, "nothing-left"),
    audit.ReadNotRecorded: Problem(AWAY, "read-not-recorded", retry_after=1),
    replies.ReplyInProgress: Problem(CONFLICT, "reply-in-progress", retry_after=1),
    replies.TooManyReplies: Problem(429, "too-many-replies", retry_after=1),
    replies.ReplyStopped: Problem(CONFLICT, "reply-stopped"),
    replies.ReplyLost: Problem(AWAY, "reply-lost", retry_after=1),
    replies.ReplyElsewhere: Problem(AWAY, "reply-elsewhere", retry_after=1),
    replies.NotAPlace: Problem(BAD, "bad-last-event-id"),
    replies.NotAMessage: Problem(BAD, "not-a-message"),
    items.ItemContradicted: Problem(BAD, "item-contradicted"),
    items.ItemUnfit: Problem(BAD, "item-unfit"),
    chatkit.NotAChatKitRequest: Problem(BAD, "not-a-chatkit-request"),
    chatkit.OpportunityNotNamed: Problem(BAD, "opportunity-not-named"),
    chatkit.MetadataKeyTaken: Problem(BAD, "metadata-key-taken"),
    chatkit.ThreadIsLocked: Problem(CONFLICT, "thread-locked"),
    chatkit.RequestDoesNotFit: Problem(CONFLICT, "does-not-fit"),
    chatkit.NoSuchAction: Problem(404, "no-such-action"),
    chatkit.NoSpeech: Problem(BAD, "no-speech"),
    chatkit.AttachmentNotFound: Problem(404, "attachment-not-found"),
    chatkit.AttachmentTooLarge: Problem(TOO_LARGE, "attachment-too-large"),
    chatkit.AttachmentTypeRefused: Problem(BAD, "attachment-type-refused"),
    responder.ResponderFailed: Problem(502, "responder-failed"),
    responder.ResponderTimedOut: Problem(504, "responder-timeout"),
    privacy.ForgettingUnderWay: Problem(AWAY, "outcome-unknown", retry_after=1),
    privacy.MayNotErase: Problem(AWAY, "database-unfit"),
    privacy.ReceiptNotFound: Problem(404, "receipt-not-found"),
    poolers.PoolerBetween: Problem(AWAY, "database-unfit"),
    layout.LayoutInUse: Problem(AWAY, "database-unfit"),
    citus.CitusTooOld: Problem(AWAY, "database-unfit"),
    citus.LanesDisagree: Problem(AWAY, "database-unfit"),
    found.NotTheCoordinator: Problem(AWAY, "database-unfit"),
    migrations.DatabaseTooOld: Problem(AWAY, "database-unfit"),
    migrations.DatabaseNotUtf8: Problem(AWAY, "database-unfit"),
    migrations.DatabaseIsNewer: Problem(AWAY, "database-unfit"),
    migrations.MigrationWasEdited: Problem(AWAY, "database-unfit"),
    migrations.DatabaseNotMigrated: Problem(AWAY, "database-unfit", retry_after=1),
}

BY_STATUS: Final = {
    400: Problem(400, "bad-request"),
    401: Problem(401, "not-authenticated", challenge=True),
    403: Problem(403, "forbidden"),
    404: Problem(404, "no-such-path"),
    405: Problem(405, "method-not-allowed"),
    413: Problem(413, "body-too-long"),
    415: Problem(415, "body-not-json"),
    500: Problem(500, "unexpected"),
}
"""What the framework refuses by itself, before anything here is asked."""
BAD_JSON: Final = Problem(400, "bad-json")
SAID: Final = {
    "no-such-path": "Nothing is served at this path; /schema lists what is.",
    "method-not-allowed": "This path does not take this method; Allow says which it takes.",
    "unexpected": "Something went wrong here; the log has it under this request's X-Request-Id.",
    "bad-request": "The request cannot be understood; the detail says what is wrong with it.",
    "bad-json": "The body is not JSON in UTF-8; half of a surrogate pair is no text, and breaks it.",
    "forbidden": "This may not be done.",
    "body-too-long": "The body is too long; HANSARD_BODY_LIMIT says how many bytes it may have.",
    "not-authenticated": "Nobody is named by a token or a key that is taken; the detail says why.",
    "database-unfit": "The database is not one that this version can use; `hansard status` says why.",
    "store-unavailable": "The database does not answer; try again in a moment.",
}

FACTS: Final = ("field", "current_version", "limit", "retry_after", "session_id", "conversation_id")
NAMED: Final = re.compile(r"^Object (?:missing required|contains unknown) field `(.+)`$")
MISSING: Final = re.compile(r"^Missing required (\w+) parameter '(.+?)'")


def of_refusal(refusal: Exception) -> ProblemDetailsException:
    known = problem_of(type(refusal))
    facts = refusal.facts if isinstance(refusal, Refusal) else {}
    return details(known, sendable(str(refusal)), {name: facts[name] for name in FACTS if name in facts})


def sendable(text: str) -> str:
    """Half of a surrogate pair cannot be sent back to tell of itself."""
    return text.encode(errors="replace").decode()


def problem_of(kind: type[Exception]) -> Problem:
    return next((PROBLEMS[each] for each in kind.__mro__ if each in PROBLEMS), BY_STATUS[500])


def of_http(error: HTTPException) -> ProblemDetailsException:
    known = BY_STATUS.get(error.status_code) or Problem(
        error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    )
    if known.status != 400:
        return details(known, SAID.get(known.slug, error.detail), {}, error.headers)
    if isinstance(error.__cause__, SerializationException):
        return details(BAD_JSON, f"The body is not JSON: {error.__cause__}.", {"field": "body"})
    field, message = in_words(error)
    return details(known, message, {"field": field} if field else {})


def in_words(error: HTTPException) -> tuple[str | None, str]:
    """Which field is wrong, and how; the framework's own text would repeat the whole address."""
    if missing := MISSING.match(error.detail):
        return missing[2], f"{missing[2]} is missing; it is a {missing[1]} parameter."
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else None
    if not isinstance(first, dict):
        return None, error.detail.splitlines()[0] if error.detail else SAID["bad-request"]
    field, said = str(first.get("key", "")), str(first.get("message", ""))
    if named := NAMED.match(said):
        field = named[1] if field in ("", "data") else f"{field}.{named[1]}"
        what = "missing" if "missing" in said else "not a field of this"
        return field, f"{field} is {what}."
    if (field, said) == ("data", "'data'"):
        return "body", "The body is missing; send JSON."
    field = "body" if field == "data" else field
    return field or None, f"{field}: {said}." if field else said


def of_the_database(error: Exception) -> ProblemDetailsException:
    if is_of_a_part(error):
        return of_refusal(store.ShardOutOfReach(retry_after=1))
    known = PROBLEMS[store.StoreUnavailable]
    return details(known, SAID[known.slug], {"retry_after": known.retry_after})


def of_the_unexpected(error: Exception) -> ProblemDetailsException:
    known = BY_STATUS[500]
    return details(known, SAID[known.slug], {})


def details(
    known: Problem, detail: str, extra: dict[str, Any], headers: Mapping[str, str] | None = None
) -> ProblemDetailsException:
    given = {name.title(): value for name, value in (headers or {}).items()}
    if known.retry_after is not None:
        extra.setdefault("retry_after", known.retry_after)
    if "retry_after" in extra:
        given["Retry-After"] = str(extra["retry_after"])
    if known.challenge:
        given["WWW-Authenticate"] = 'Bearer realm="hansard"'
    return Told(
        status_code=known.status,
        type_=known.slug,
        title=known.title,
        detail=detail,
        extra=extra,
        headers=given,
    )


HANDLERS: Final[Mapping[type[Exception], Callable[[Any], ProblemDetailsException]]] = {
    Refusal: of_refusal,
    HTTPException: of_http,
    psycopg_pool.PoolTimeout: of_the_database,
    psycopg_pool.PoolClosed: of_the_database,
    psycopg_pool.TooManyRequests: of_the_database,
    psycopg.OperationalError: of_the_database,
    Exception: of_the_unexpected,
}


def details_of(error: Exception) -> ProblemDetailsException:
    """For those who tell of an error in another shape: a stream, or a protocol of its own."""
    if isinstance(error, ProblemDetailsException):
        return error
    return next(HANDLERS[each] for each in type(error).__mro__ if each in HANDLERS)(error)


def plugin() -> ProblemDetailsPlugin:
    return ProblemDetailsPlugin(ProblemDetailsConfig(exception_to_problem_detail_map=HANDLERS))


def as_table() -> str:
    """Every slug as a Markdown table: the one that the README shows."""
    rows = {
        problem.slug: (problem.status, SAID[problem.slug])
        for problem in (*BY_STATUS.values(), BAD_JSON)
        if problem.slug in SAID
    }
    for kind, problem in reversed(list(PROBLEMS.items())):
        text = " ".join((inspect.getdoc(kind) or "").split())
        rows[problem.slug] = (problem.status, SAID.get(problem.slug) or re.sub(r"\{.+?\}", "…", text))
    lines = ["| type | status | what it says |", "|---|---|---|"]
    lines += [f"| `{slug}` | {rows[slug][0]} | {rows[slug][1]} |" for slug in sorted(rows)]
    return "\n".join(lines)
