"""What can stand in the way of an erasure."""

from domain.errors import Refusal


class MayNotErase(Refusal):
    """The database's user may not empty events: run hansard migrate, and GRANT hansard_eraser TO it."""


class ReceiptNotFound(Refusal):
    """There is no such receipt."""
