"""Who acts, as the log says it: a user by her id, others by names that no user's id is taken for."""

from typing import Final

from domain.retention import RETENTION

A_KEY: Final = "key:"
A_RESPONDER: Final = "responder:"
A_USER: Final = "user:"
DEV: Final = "dev"
HANSARD: Final = "hansard"
OPERATOR: Final = "the operator"

KINDS: Final = (A_KEY, A_RESPONDER, A_USER)
OTHERS: Final = frozenset({DEV, HANSARD, OPERATOR, RETENTION})


def user_acting(user_id: str) -> str:
    """The kind goes before her id only where it could be taken for somebody else."""
    return f"{A_USER}{user_id}" if user_id in OTHERS or user_id.startswith(KINDS) else user_id


def is_user(actor: str, user_id: str) -> bool:
    """What was stored before may say her id where the kind would go before it today."""
    return actor in (user_id, user_acting(user_id))
