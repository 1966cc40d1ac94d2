"""What the API document says of a value beyond its type: the limits that are kept.

They are said here and checked elsewhere, so that what is refused is refused in words that help.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, get_args

import msgspec
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Reference, Schema
from litestar.params import PathParameter
from litestar.plugins import OpenAPISchemaPlugin
from litestar.types import Empty
from litestar.typing import FieldDefinition
from msgspec import Struct

from domain.content import LIMITS, MOST_TOKENS, ROLES
from service.api.answering import cursors

LONGEST_KEY: Final = 255
NO_NUL: Final = r"^[^\u0000]*$"


class Limited(Struct, frozen=True):
    """Beside a field's type, in an Annotated; what is None is not said."""

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    max_items: int | None = None

    def said(self) -> Iterator[tuple[str, Any]]:
        for name, value in msgspec.structs.asdict(self).items():
            if value is not None:
                yield name, value


class Pairs(Struct, frozen=True):
    """The same beside a dict whose keys and values are text."""

    most: int
    longest_key: int
    longest_value: int

    def said(self) -> Iterator[tuple[str, Any]]:
        yield "max_properties", self.most
        yield "property_names", Schema(type=OpenAPIType.STRING, max_length=self.longest_key)
        yield "additional_properties", Schema(type=OpenAPIType.STRING, max_length=self.longest_value)


def name(longest: int) -> Limited:
    return Limited(1, longest, NO_NUL)


USER_ID: Final = name(LIMITS.user_id)
MESSAGE_ID: Final = name(LIMITS.message_id)
TITLE: Final = name(LIMITS.title)
NAME: Final = name(LIMITS.name)
LINK_KIND: Final = name(LIMITS.link_kind)
LINK_TARGET: Final = name(LIMITS.link_target)
LINK: Final = Limited(pattern=rf"^[^:\u0000]{{1,{LIMITS.link_kind}}}:[^\u0000]{{1,{LIMITS.link_target}}}$")
LINKS: Final = Limited(max_items=LIMITS.links)
BATCH: Final = Limited(max_items=LIMITS.batch)
TOKENS: Final = Limited(minimum=0, maximum=MOST_TOKENS)
A_WORD: Final = Limited(min_length=1)
KEY: Final = Limited(1, LONGEST_KEY, r"^[!-~]+$")
ETAG: Final = Limited(pattern=r'^((W/)?"?[0-9]{1,18}(-[0-9a-f]{8})?"?|\*)$')
ETAGS: Final = Limited(min_length=1)
CURSOR: Final = Limited(1, cursors.LONGEST, r"^[\w-]+(\.[0-9a-f]{8})?$")
EVENT_ID: Final = Limited(pattern=r"^.+:([0-9]{1,9}|end)(\.[0-9a-f]{8})?$")


A_ROLE: Final[dict[str, Any]] = {"type": OpenAPIType.STRING, "enum": list(ROLES)}
A_TIME: Final[dict[str, Any]] = {
    "one_of": [
        Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE),
        Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME),
    ]
}

A_VERSION_OR_A_TIME: Final[dict[str, Any]] = {
    "one_of": [Schema(type=OpenAPIType.STRING, pattern="^[0-9]{1,18}$"), *A_TIME["one_of"]]
}


def parameter(limited: Limited) -> dict[str, Any]:
    """For a parameter of the address or the header: there is no null there, it is just left out."""
    return {"one_of": None, "type": OpenAPIType.STRING, **dict(limited.said())}


A_CONVERSATION: Final = parameter(NAME)
ConversationInPath = Annotated[
    str, PathParameter(description="Its id, or its name.", schema_extra=A_CONVERSATION)
]


def names(longest: int) -> dict[str, Any]:
    """For a parameter that may be given several times."""
    each = Schema(type=OpenAPIType.STRING, min_length=1, max_length=longest, pattern=NO_NUL)
    return {"one_of": None, "type": OpenAPIType.ARRAY, "items": each}


class WhatIsSent(OpenAPISchemaPlugin):
    """The shape of a body that may have no fields but its own."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return (
            not field_definition.is_union
            and field_definition.is_subclass_of(Struct)
            and field_definition.type_.__struct_config__.forbid_unknown_fields
        )

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        hints = field_definition.get_type_hints(include_extras=True)
        fields = msgspec.structs.fields(field_definition.type_)
        schema: Schema = schema_creator.create_component_schema(
            field_definition,
            required=sorted(each.encode_name for each in fields if each.required),
            property_fields={
                each.encode_name: FieldDefinition.from_annotation(
                    hints[each.name], name=each.encode_name, default=default_of(each)
                )
                for each in fields
            },
        )
        schema.additional_properties = False
        if either := getattr(field_definition.type_, "EITHER", ()):
            schema.any_of = [Schema(required=list(names)) for names in either]
        for each in fields:
            limit(schema, each.encode_name, hints[each.name])
        return schema


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    return Empty if field.default in (msgspec.NODEFAULT, msgspec.UNSET) else field.default


def limit(schema: Schema, field: str, hint: Any) -> None:
    told = (schema.properties or {})[field]
    for limited in get_args(hint)[1:]:
        if isinstance(limited, Limited | Pairs) and not isinstance(told, Reference):
            for keyword, value in limited.said():
                setattr(told, keyword, value)
