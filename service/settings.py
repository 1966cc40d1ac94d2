"""Every setting of Hansard: one frozen Struct, read from `HANSARD_*` and from flags of the same name."""

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints

import msgspec
import msgspec.inspect
from msgspec import Meta, Struct

PREFIX = "HANSARD_"


class BadSetting(Exception):
    """A setting has a value that cannot be meant; the text names it and says what would be right."""


class Settings(Struct, frozen=True, kw_only=True):
    host: Annotated[str, Meta(description="The address that Hansard listens on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="The port that Hansard listens on; 0 takes any free one.")
    ] = 8000
    data: Annotated[
        Path, Meta(description="The folder of the embedded PostgreSQL, used when no DSN is given.")
    ] = Path("hansard-data")
    dsn: Annotated[
        str | None,
        Meta(description="The PostgreSQL (15 or newer) to use; the embedded one when not given."),
    ] = None
    owner_dsn: Annotated[
        str | None,
        Meta(description="The DSN of the tables' owner, who migrates; the DSN itself when not given."),
    ] = None
    workers: Annotated[int, Meta(ge=1, le=256, description="How many processes answer requests.")] = 1
    shards: Annotated[
        int,
        Meta(ge=1, le=4096, description="How many ordered logs there are; fixed when the database is made."),
    ] = 64
    search_language: Annotated[
        str,
        Meta(
            pattern="^[a-z_]+$",
            description="The PostgreSQL text search configuration, such as simple or english.",
        ),
    ] = "simple"
    message_limit: Annotated[
        int, Meta(ge=1, description="The most bytes of content that one message may hold.")
    ] = 1_000_000
    pool_size: Annotated[
        int, Meta(ge=1, le=1000, description="How many connections each process keeps for reading.")
    ] = 8
    queue_limit: Annotated[
        int, Meta(ge=1, description="How many appends may wait in a process before it answers 503.")
    ] = 10_000
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least severe line that is logged."),
    ] = "info"

    @classmethod
    def load(cls, environ: Mapping[str, str], **flags: str | None) -> Self:
        """Read the settings; a flag that was given wins over the environment, which wins over the default."""
        given: dict[str, Any] = {}
        for setting in explain():
            flag = flags.get(setting.name)
            if flag is not None:
                given[setting.name] = setting.read(flag, setting.flag)
            elif environ.get(setting.variable, "") != "":
                given[setting.name] = setting.read(environ[setting.variable], setting.variable)
        return cls(**given)

    def environ(self) -> dict[str, str]:
        """The variables from which another process reads these same settings; what is not set is empty."""
        values = {setting.variable: getattr(self, setting.name) for setting in explain()}
        return {variable: "" if value is None else str(value) for variable, value in values.items()}


class Setting(Struct, frozen=True):
    """One setting, for those who explain it or read it."""

    name: str
    type: Any
    default: object
    description: str

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def metavar(self) -> str:
        return self.name.rsplit("_", 1)[-1].upper()

    def read(self, text: str, source: str) -> object:
        try:
            return msgspec.convert(text, self.type, strict=False, dec_hook=lambda kind, value: kind(value))
        except msgspec.ValidationError:
            raise BadSetting(f"{source} is {text!r}, but it must be {wanted(self.type)}") from None


def explain() -> tuple[Setting, ...]:
    """Every setting there is, in the order in which the Struct lists them."""
    hints = get_type_hints(Settings, include_extras=True)
    found = []
    for field in msgspec.structs.fields(Settings):
        info = msgspec.inspect.type_info(hints[field.name])
        assert isinstance(info, msgspec.inspect.Metadata)  # noqa: S101 - every field is Annotated
        description = (info.extra_json_schema or {})["description"]
        found.append(Setting(field.name, hints[field.name], field.default, description))
    return tuple(found)


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none: most often a typing error."""
    known = {setting.variable for setting in explain()}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def wanted(hint: Any) -> str:
    """What a setting of this type must be, in words."""
    kind, meta = get_args(hint)
    if get_args(kind) and not isinstance(kind, UnionType):
        return "one of " + ", ".join(get_args(kind))
    if kind is int:
        return (
            f"a whole number from {meta.ge} to {meta.le}" if meta.le else f"a whole number, {meta.ge} or more"
        )
    return f"text that fits {meta.pattern}" if meta.pattern else "text"


def as_table() -> str:
    """The settings as a Markdown table: the one that the README shows."""
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for setting in explain():
        default = "" if setting.default is None else f"`{setting.default}`"
        lines.append(f"| `{setting.variable}` | {default} | {setting.description} |")
    return "\n".join(lines)
