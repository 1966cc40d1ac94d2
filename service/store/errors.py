"""What keeps the store from answering for now."""

from domain.errors import Refusal


class StoreIsBusy(Refusal):
    """{waiting} appends are waiting already; nothing was stored: try again in {retry_after} s."""


class StoreUnavailable(Refusal):
    """The database does not answer ({why}); nothing was stored: try again in {retry_after} s."""


class ShardOutOfReach(StoreUnavailable):
    """The server that keeps this user's conversations cannot be reached; nothing was stored: try again in
    {retry_after} s. Users whose conversations other servers keep are served."""


class OutcomeUnknown(Refusal):
    """The database went away while it was storing this; whether it was stored is not known yet.
    Send it again with the same Idempotency-Key: it will not be stored twice."""


class AnswerLost(OutcomeUnknown):
    """It is stored, but what to answer cannot be read just now: {why}. Send it again with the same
    Idempotency-Key for the answer; without one it would be stored twice."""


class StoreIsClosed(Refusal):
    """The service is stopping; nothing was stored: send it again."""
