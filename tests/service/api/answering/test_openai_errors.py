"""Which refusals OpenAI's clients are told to take as final, and which of them they may ask about again."""

import pytest

from domain.errors import Contended, ConversationNotFound, Refusal, VersionConflict
from service.api.answering.errors import TooManyRequests
from service.api.answering.openai_errors import error_of, is_final, speaks_openai
from service.api.answering.problems import details_of
from service.store.errors import OutcomeUnknown, StoreUnavailable


@pytest.mark.parametrize(
    ("refusal", "has_key", "final"),
    [
        (VersionConflict(current_version=2, expected_version=1), True, True),
        (VersionConflict(current_version=2, expected_version=1), False, True),
        (OutcomeUnknown(why="it went away"), False, True),
        (OutcomeUnknown(why="it went away"), True, False),
        (StoreUnavailable(why="it is away", retry_after=1), False, False),
        (Contended(attempts=20), False, False),
        (ConversationNotFound(), False, False),
    ],
)
def test_what_is_sent_again_stores_nothing_twice(refusal: Refusal, has_key: bool, final: bool) -> None:
    assert is_final(details_of(refusal), has_key) is final


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (ConversationNotFound(), "invalid_request_error"),
        (TooManyRequests(limit=1, retry_after=1), "rate_limit_error"),
        (Contended(attempts=20), "server_error"),
    ],
)
def test_a_refusal_has_a_type_of_openais(refusal: Refusal, kind: str) -> None:
    error = error_of(details_of(refusal)).error
    assert error.type == kind
    assert error.message == str(refusal)
    assert error.code == details_of(refusal).type_.replace("-", "_")  # type: ignore[union-attr]


def test_only_what_is_below_v1_is_told_so() -> None:
    assert speaks_openai("/v1")
    assert speaks_openai("/v1/conversations")
    assert not speaks_openai("/v10")
    assert not speaks_openai("/api/v1")
