"""An item of every type that the installed `openai` package knows, in every shape that its classes allow.

The shapes are read off the classes, both of what its client sends and of what it receives: one with all
fields, one with the required ones alone, and one for each other value that a field may have.
"""

from collections.abc import Iterable as Several
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from openai.types.conversations import ConversationItem
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from pydantic import BaseModel
from typing_extensions import is_typeddict

Item = dict[str, Any]

DEEPEST: Final = 12
LATER: Final[Sequence[Item]] = (
    {"type": "dream_call", "id": "drm_1", "name": "dream", "arguments": {"of": ["sheep", 1.5, None, True]}},
    {"type": "dream_call_output", "call_id": "call_1", "output": [{"type": "dream_part", "text": "a flock"}]},
    {"type": "mood", "id": "mood_1", "text": "calm", "nested": {"deeper": [[[{"deepest": -0.5}]]]}},
    {"type": "message", "role": "user", "content": [{"type": "smell", "notes": ["pine"]}], "later": {"a": 1}},
)
"""Of types, parts and fields that nobody knows yet."""


def every_shape() -> Iterator[Item]:
    """Each has an id of its own, where its type has one."""
    for number, item in enumerate(each_shape()):
        yield item | {"id": f"{item['id']}_{number}"} if "id" in item else item


def each_shape() -> Iterator[Item]:
    for kind in (*members(ConversationItem), *members(ResponseInputItemParam)):
        yield from shapes(kind, DEEPEST)
    yield from LATER


def members(union: Any) -> Sequence[Any]:
    """The classes of a union, however it is wrapped."""
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    return get_args(union)


def shapes(kind: Any, levels: int) -> Iterator[Item]:
    fields = {name: list(values(hint, name, levels - 1)) for name, hint in hints_of(kind).items()}
    fields = {name: some for name, some in fields.items() if some}
    whole = {name: some[0] for name, some in fields.items()}
    yield whole
    needed = required_in(kind)
    if needed < whole.keys():
        yield {name: value for name, value in whole.items() if name in needed}
    for name, (_, *others) in fields.items():
        for other in others:
            yield whole | {name: other}


def hints_of(kind: Any) -> Mapping[str, Any]:
    if is_typeddict(kind):
        return get_type_hints(kind, include_extras=True)
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def required_in(kind: Any) -> set[str]:
    if is_typeddict(kind):
        return {name for name, hint in hints_of(kind).items() if get_origin(hint) is Required}
    return {field.alias or name for name, field in kind.model_fields.items() if field.is_required()}


def values(hint: Any, name: str, levels: int) -> Iterator[Any]:
    """One or more of each sort that fits; the first is the fullest."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Annotated, Required, NotRequired):
        yield from values(arguments[0], name, levels)
    elif origin in (Union, UnionType):
        for one in sorted(arguments, key=lambda each: each is NoneType):
            yield from values(one, name, levels)
    elif origin is Literal:
        yield from arguments if levels == DEEPEST - 1 else arguments[:1]
    elif levels <= 0:
        return
    elif is_typeddict(hint) or (isinstance(hint, type) and issubclass(hint, BaseModel)):
        yield from shapes(hint, levels)
    elif origin in (dict, Mapping):
        yield {f"a {name}": value for value in list(values(arguments[1], name, levels - 1))[:1]}
    elif origin in (list, Several) or getattr(origin, "__name__", "") == "SequenceNotStr":
        within = list(values(arguments[0], name, levels - 1))
        yield within
    else:
        yield single(hint, name)


def single(hint: Any, name: str) -> Any:
    match hint:
        case _ if hint is str:
            return f"a_{name}"
        case _ if hint is bool:
            return True
        case _ if hint is int:
            return 3
        case _ if hint is float:
            return 0.5
        case _ if hint is NoneType:
            return None
        case _:
            return {"anything": ["a thing", 1, None, {"in": "it"}]}
