"""What the API document shows of operations below /v1: answers by example, and refusals in their shape."""

from collections.abc import Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, Final

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.plugins.problem_details import ProblemDetailsException
from msgspec import Struct, to_builtins

from domain.errors import Refusal
from service.api.answering import examples
from service.api.answering.openai_errors import OpenAIRefusal, error_of
from service.api.answering.problems import details_of

CONVERSATION: Final[dict[str, Any]] = {
    "id": "conv_0198c2a47d307b619c4e2f8a51d0e7b3",
    "object": "conversation",
    "created_at": 1773480413,
    "metadata": {"topic": "towers"},
}
DELETED: Final[dict[str, Any]] = {
    "id": CONVERSATION["id"],
    "object": "conversation.deleted",
    "deleted": True,
    "receipt": "0199a3c5-7d2e-7c41-9a63-5f0e1b2c3d4f",
}
ITEM: Final[dict[str, Any]] = {
    "id": "msg_0198c2a47d317f028a196be4c07d5f18",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_text", "text": "How tall is the Eiffel Tower?"}],
}
CALL: Final[dict[str, Any]] = {
    "type": "function_call",
    "call_id": "call_1",
    "name": "height_of",
    "arguments": '{"tower": "Eiffel"}',
}


def gives(
    shape: type[Struct], example: Any, description: str, *refusals: Sequence[Refusal]
) -> dict[int, ResponseSpec]:
    all_of_them = chain.from_iterable(examples.with_the_usual(*refusals))
    in_order = sorted(map(details_of, all_of_them), key=attrgetter("status_code"))
    refused = {status: refusal(list(told)) for status, told in groupby(in_order, attrgetter("status_code"))}
    return {200: examples.shown(shape, example, description), **refused}


def refusal(told: Sequence[ProblemDetailsException]) -> ResponseSpec:
    return ResponseSpec(
        OpenAIRefusal,
        generate_examples=False,
        description=" ".join(dict.fromkeys(f"{each.title}." for each in told)),
        examples=[Example(summary=each.title, value=to_builtins(error_of(each))) for each in told],
    )
