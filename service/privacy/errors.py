"""What can stand in the way of an erasure."""

from domain.errors import Refusal
from service.store.errors import OutcomeUnknown


class MayNotErase(Refusal):
    """The database's user may not empty events: run hansard migrate, and GRANT hansard_eraser TO it."""


class ForgettingUnderWay(OutcomeUnknown):
    """It is begun and not finished: {why}. The service goes on with it by itself, about once a minute;
    ask again for what came of it."""


class ReceiptNotFound(Refusal):
    """There is no such receipt."""
