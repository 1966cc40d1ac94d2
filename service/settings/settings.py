"""Every setting of Hansard: one frozen Struct, read from `HANSARD_*` and from flags of the same name."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Self, get_args, get_type_hints

import msgspec
import msgspec.inspect
from msgspec import Meta, Struct

from domain.retention import Policy, Retention
from projections.taggers import BadTagger, Taggers
from service.settings.retention_rules import MOST_DAYS, check_order, rules_of

PREFIX = "HANSARD_"
FOR_LARGE_BODIES: Final = 0.9
"""The share that bodies of any size may have of what all of them may take."""


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
    taggers: Annotated[
        str,
        Meta(
            description="Regular expressions of RE2's syntax by name, as a JSON object; a message gets the "
            "names of those that are found in it, and the one named fortune also sets is_fortune."
        ),
    ] = "{}"
    message_limit: Annotated[
        int, Meta(ge=1, description="The most bytes of content that one message may hold.")
    ] = 1_000_000
    pool_size: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="How many connections each process keeps for reads that may take long, "
            "beside those that all short reads share.",
        ),
    ] = 8
    queue_limit: Annotated[
        int, Meta(ge=1, description="How many appends may wait in a process before it answers 503.")
    ] = 10_000
    patience: Annotated[
        float,
        Meta(
            ge=0.5,
            le=600,
            description="How many seconds a request waits for a database that does not answer.",
        ),
    ] = 5.0
    patience_in_doubt: Annotated[
        float,
        Meta(
            ge=0.5,
            le=3600,
            description="How many seconds a write that may have been stored waits while the database "
            "refuses connections.",
        ),
    ] = 30.0
    auth: Annotated[
        Literal["dev", "token"],
        Meta(
            description="Who is asked who he is: nobody, on this machine alone (dev); everybody, "
            "for a user's token or a service key (token)."
        ),
    ] = "dev"
    jwt_secret: Annotated[
        str | None,
        Meta(description="The secret that users' tokens are signed with (HS256): 32 bytes or more."),
    ] = None
    jwt_public_key: Annotated[
        Path | None,
        Meta(description="A PEM file: the public key of users' tokens (RS256, or ES256 by a P-256 key)."),
    ] = None
    jwt_jwks: Annotated[
        Path | None, Meta(description="A JWKS file with the public keys of users' tokens.")
    ] = None
    jwt_issuer: Annotated[
        str | None, Meta(description="The iss that users' tokens must have; any when not given.")
    ] = None
    jwt_audience: Annotated[
        str | None, Meta(description="The aud that users' tokens must have; any when not given.")
    ] = None
    record_reads: Annotated[
        Literal["audit", "all"],
        Meta(
            description="Whose reads are put on record: those of keys with the scope audit, which always "
            "are (audit), or everybody's (all)."
        ),
    ] = "audit"
    erasure_journal: Annotated[
        Path | None,
        Meta(
            description="A file to which each erasure is added, without saying whose, so that it can be "
            "applied again to a restored backup; none when not given."
        ),
    ] = None
    retention_anonymise_after: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_DAYS,
            description="After how many days without activity a conversation is anonymised; 0: never.",
        ),
    ] = 0
    retention_erase_after: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_DAYS,
            description="After how many days without activity a conversation is erased; 0: never.",
        ),
    ] = 0
    retention_rules: Annotated[
        str,
        Meta(
            description="What holds instead for conversations with a kind of link or with values in their "
            "metadata, as a JSON array of rules of which the first that fits decides alone."
        ),
    ] = "[]"
    rate_limit: Annotated[
        int,
        Meta(
            ge=0,
            description="How many requests a minute each user or key may make of each worker; 0: any number.",
        ),
    ] = 0
    body_limit: Annotated[
        int, Meta(ge=1, description="The most bytes that the body of a request may have.")
    ] = 20_000_000
    body_timeout: Annotated[
        int, Meta(ge=1, le=3600, description="How many seconds the body of a request may take to come.")
    ] = 60
    bodies_limit: Annotated[
        int,
        Meta(
            ge=1,
            description="The most bytes of bodies that each worker holds at once, of all the requests that "
            "it has not answered yet; a tenth of it is for small ones.",
        ),
    ] = 50_000_000
    idle_timeout: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="How many seconds a connection may take for the next request: to begin it, and to "
            "send all of its headers.",
        ),
    ] = 30
    connections: Annotated[
        int,
        Meta(
            ge=10,
            le=1_000_000,
            description="How many connections each worker keeps open; nine tenths of them may wait for an "
            "answer, the others are told that there is no room.",
        ),
    ] = 8_000
    streams: Annotated[
        int,
        Meta(
            ge=1,
            description="How many streams each worker has open, four fifths of its connections at most: "
            "events, replies as they are given, exports.",
        ),
    ] = 6_000
    streams_per_user: Annotated[
        int,
        Meta(ge=0, description="How many of them may be one user's in each worker; 0 for any number."),
    ] = 64
    cors_origins: Annotated[
        str | None,
        Meta(
            description="The other sites whose pages may call Hansard, with commas between them, each like "
            "`https://chat`; none when not given."
        ),
    ] = None
    responder: Annotated[
        Literal["offline", "openai"],
        Meta(
            description="What answers: the built-in offline responder, or an endpoint that speaks OpenAI's."
        ),
    ] = "offline"
    openai_base_url: Annotated[str, Meta(description="The endpoint of the openai responder.")] = (
        "https://api.openai.com/v1"
    )
    openai_api_key: Annotated[
        str | None, Meta(description="Its key; best in the environment, where ps does not show it.")
    ] = None
    openai_model: Annotated[str, Meta(description="The model that it is asked for.")] = "gpt-4o-mini"
    system_prompt: Annotated[
        str, Meta(description="What the responder is told before all that was said.")
    ] = "You are a helpful assistant."
    responder_timeout: Annotated[
        int, Meta(ge=1, description="How many seconds the responder may be silent before its reply fails.")
    ] = 60
    responder_retries: Annotated[
        int, Meta(ge=0, le=10, description="How often it is asked again when it does not begin to answer.")
    ] = 2
    history_messages: Annotated[
        int, Meta(ge=0, description="The most messages that the responder is told; 0 for all there are.")
    ] = 0
    history_characters: Annotated[
        int, Meta(ge=0, description="The most characters of them, the newest first; 0 for all there are.")
    ] = 0
    replies_per_user: Annotated[
        int, Meta(ge=0, description="How many replies to one user may run at once; 0 for any number.")
    ] = 8
    chatkit_leave: Annotated[
        Literal["stop", "finish"],
        Meta(
            description="What becomes of a reply whose ChatKit client goes away: what was said is kept and "
            "no more (stop), or it is finished and stored whole (finish)."
        ),
    ] = "stop"
    chatkit_server: Annotated[
        str,
        Meta(
            pattern=r"^[\w.]+:\w+$",
            description="What answers ChatKit's requests: a module and, after a colon, its subclass of "
            "HansardChatKit.",
        ),
    ] = "service.chatkit.server:HansardChatKit"
    chatkit_upload_url: Annotated[
        str | None,
        Meta(
            description="Where ChatKit clients put the files that they attach, with {id} for the "
            "attachment's id; without it only what is known of a file is kept."
        ),
    ] = None
    chatkit_upload_limit: Annotated[
        int, Meta(ge=0, description="The most bytes that a file attached in ChatKit may have.")
    ] = 25_000_000
    chatkit_upload_types: Annotated[
        str,
        Meta(description="The types of file that may be attached in ChatKit, with blanks between them."),
    ] = "image/* text/* application/pdf application/json"
    grace: Annotated[
        int, Meta(ge=0, le=3600, description="How many seconds running replies have when the service stops.")
    ] = 10
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
        settings = cls(**given)
        taggers_of(settings)
        retention_of(settings)
        check_bodies(settings)
        return settings

    def environ(self) -> dict[str, str]:
        """The variables from which another process reads these same settings; what is not set is empty."""
        values = {setting.variable: getattr(self, setting.name) for setting in explain()}
        return {variable: "" if value is None else str(value) for variable, value in values.items()}


def taggers_of(settings: Settings) -> dict[str, str]:
    try:
        taggers = msgspec.json.decode(settings.taggers, type=dict[str, str])
        Taggers(taggers)
    except BadTagger as wrong:
        raise BadSetting(f"HANSARD_TAGGERS: {wrong}; it takes RE2's syntax, without look-around") from None
    except msgspec.DecodeError as wrong:
        raise BadSetting(
            f"HANSARD_TAGGERS is {settings.taggers!r}, but it must be a JSON object of names and regular "
            f'expressions, such as {{"fortune": "luck(y)?"}}: {wrong}'
        ) from None
    return taggers


def check_bodies(settings: Settings) -> None:
    needed = math.ceil(settings.body_limit / FOR_LARGE_BODIES)
    if settings.bodies_limit < needed:
        raise BadSetting(
            f"HANSARD_BODIES_LIMIT is {settings.bodies_limit}, but it must be {needed} or more: "
            f"HANSARD_BODY_LIMIT allows one body of {settings.body_limit}, and a tenth is for small ones"
        )


def retention_of(settings: Settings) -> Retention:
    anonymise, erase = settings.retention_anonymise_after or None, settings.retention_erase_after or None
    try:
        check_order(anonymise, erase)
    except ValueError as wrong:
        raise BadSetting(f"HANSARD_RETENTION_ERASE_AFTER is {erase}, but {wrong}") from None
    try:
        return Retention(Policy(anonymise, erase), rules_of(settings.retention_rules))
    except ValueError as wrong:
        raise BadSetting(
            f"HANSARD_RETENTION_RULES is {settings.retention_rules!r}, but it must be a JSON array of rules, "
            f'such as [{{"link": "opportunity", "erase_after": 365}}]: {wrong}'
        ) from None


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
    if kind in (int, float):
        number = "a whole number" if kind is int else "a number"
        return f"{number} from {meta.ge} to {meta.le}" if meta.le else f"{number}, {meta.ge} or more"
    return f"text that fits {meta.pattern}" if meta.pattern else "text"


def as_table() -> str:
    """The settings as a Markdown table: the one that the README shows."""
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for setting in explain():
        default = "" if setting.default is None else f"`{setting.default}`"
        lines.append(f"| `{setting.variable}` | {default} | {setting.description} |")
    return "\n".join(lines)
