"""The command `hansard`: a table of commands, and what an error looks like to the person who typed one."""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from msgspec import Struct

from domain.errors import Refusal
from service.bench.arguments import arguments as bench_arguments
from service.cli.serve import CannotServe, serve
from service.cli.terminal import positive, say, warn
from service.postgres.embedded import EmbeddedPostgresError
from service.privacy.arguments import erase_arguments, run_erase
from service.privacy.retain_arguments import retain_arguments, run_retain
from service.settings.settings import BadSetting, Settings, as_table, explain
from service.transfer.arguments import export_arguments, import_arguments, run_export, run_import

FAILURE, WRONG_USE, INTERRUPTED = 1, 2, 130


class Command(Struct, frozen=True):
    name: str
    summary: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Settings, Namespace], int]


class OneLineParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"hansard: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        return told(given)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # who listened has gone; so do we
        return FAILURE


def told(given: Namespace) -> int:
    """Run the command; what a person can mend is one line, and only what nobody foresaw is a traceback."""
    import psycopg

    command: Command = given.command
    try:
        return command.run(Settings.load(os.environ, **vars(given)), given)
    except BadSetting as error:
        warn(str(error))
        return WRONG_USE
    except (CannotServe, EmbeddedPostgresError, Refusal) as error:
        warn(str(error))
    except psycopg.OperationalError as error:
        warn(f"the database cannot be used: {one_line(error)}")
    except psycopg.errors.InsufficientPrivilege as error:
        warn(f"the database's user may not do this: {one_line(error)}; --owner-dsn names who may")
    return FAILURE


def one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def parser() -> ArgumentParser:
    whole = OneLineParser(
        prog="hansard",
        description="Keeps every conversation between people and an AI, word for word and in order.",
        epilog="examples:\n"
        "  hansard serve                       on port 8000, with a PostgreSQL of its own in ./hansard-data\n"
        "  hansard serve --port 9000 --workers 2\n"
        "  hansard serve --dsn postgresql://hansard@db/hansard\n\n"
        "Each setting can also be given in the environment: --log-level as HANSARD_LOG_LEVEL, and so on.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"hansard {version('hansard')}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.summary, description=command.summary + ".")
        one.set_defaults(command=command)
        command.add_arguments(one)
    return whole


def takes(*settings: str) -> Callable[[ArgumentParser], None]:
    """Gives a command the flags of these settings."""

    def add(parser: ArgumentParser) -> None:
        for setting in explain():
            if setting.name in settings:
                default = "none" if setting.default is None else setting.default
                what = f"{setting.description} [{setting.variable}, default: {default}]".replace("%", "%%")
                parser.add_argument(setting.flag, dest=setting.name, metavar=setting.metavar, help=what)

    return add


def run_serve(settings: Settings, given: Namespace) -> int:
    return serve(settings)


def run_migrate(settings: Settings, given: Namespace) -> int:
    from service.hansard import prepare
    from service.postgres.opened import opened

    with opened(settings, say) as database:
        prepared = prepare(settings, database.owner_dsn, database.dsn)
    for name in prepared.migrated.applied:
        say(f"Applied {name}")
    say(f"The database is up to date: {prepared.migrated.shards} shards")
    if not prepared.migrated.guarded:
        warn("no runtime role could be made, so the database itself does not keep the log from being changed")
    for name in prepared.not_built:
        warn(f"{name} has to be built before it can be read: run `hansard replay {name}`")
    return 0


def replay_arguments(parser: ArgumentParser) -> None:
    takes(*DATABASE, *SHAPING)(parser)
    parser.add_argument(
        "projections", nargs="*", metavar="PROJECTION", help="which ones; all when none is named"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--check", action="store_true", help="build and compare with what is read now; switch nothing"
    )
    how.add_argument("--parked", action="store_true", help="only try again what could not be taken")
    how.add_argument(
        "--restart", action="store_true", help="throw away what an earlier replay has built so far"
    )


def run_replay(settings: Settings, given: Namespace) -> int:
    from service.cli.replay import replay
    from service.hansard import projections_of
    from service.postgres.opened import opened
    from service.store.connections import Database

    with opened(settings, say) as found:
        return replay(
            Database.open(found.dsn),
            projections_of(settings),
            given.projections,
            say,
            check=given.check,
            parked=given.parked,
            restart=given.restart,
        )


def status_arguments(parser: ArgumentParser) -> None:
    takes(*DATABASE, *SHAPING)(parser)
    parser.add_argument("--json", action="store_true", help="everything, for a program")
    parser.add_argument(
        "--shards", dest="each_shard", action="store_true", help="how many events each shard has"
    )
    parser.add_argument("--parked", action="store_true", help="why each parked conversation is parked")


def run_status(settings: Settings, given: Namespace) -> int:
    from service.cli.status import as_json, told
    from service.hansard import projections_of
    from service.postgres.opened import opened
    from service.store.connections import Database
    from service.watch.status import status

    with (
        opened(settings, warn) as found,
        Database.open(found.dsn).connect("hansard status") as connection,
    ):
        now = status(connection, projections_of(settings))
    if given.json:
        say(as_json(now))
    else:
        for line in told(now, shards=given.each_shard, parked=given.parked):
            say(line)
    return FAILURE if now.needs_somebody else 0


def verify_arguments(parser: ArgumentParser) -> None:
    takes(*DATABASE, *SHAPING)(parser)
    parser.add_argument("--seal", type=Path, metavar="FILE", help="compare with what was sealed in it, too")
    parser.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="the key that must have signed the seal [seal.key.pub in the data folder]",
    )
    parser.add_argument("--conversation", type=UUID, metavar="ID", help="the chain of this conversation only")
    parser.add_argument(
        "--only",
        choices=("chains", "seal", "projections", "replies"),
        help="this part only; with chains, the seal too, where one is given [everything]",
    )
    parser.add_argument("--json", action="store_true", help="one object, for a program")


def run_verify(settings: Settings, given: Namespace) -> int:
    from service.cli.seal import seal_to_compare
    from service.cli.verify import verify, verify_one
    from service.hansard import projections_of
    from service.postgres.opened import opened
    from service.store.connections import Database

    if given.only == "seal" and given.seal is None:
        raise BadSetting("--only seal needs a --seal to compare the log with")
    if given.conversation is not None and given.seal is not None:
        raise BadSetting("--seal is of the whole log: leave out the --conversation")
    seal = seal_to_compare(given.seal, given.public_key, settings.data) if given.seal else None
    with opened(settings, warn if given.json else say) as found:
        database = Database.open(found.dsn)
        if given.conversation is not None:
            return verify_one(database, given.conversation, say, as_json=given.json)
        projections = projections_of(settings)
        return verify(database, projections, say, only=given.only, seal=seal, as_json=given.json)


def seal_arguments(parser: ArgumentParser) -> None:
    takes(*DATABASE)(parser)
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="the private key [seal.key in the data folder]"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="a new file; - writes to standard output [named by the time]"
    )


def run_seal(settings: Settings, given: Namespace) -> int:
    from service.cli.seal import seal
    from service.postgres.opened import opened
    from service.store.connections import Database
    from service.verify.seal_keys import private_key

    key = private_key(given.key, settings.data)
    with opened(settings, warn) as found:
        return seal(Database.open(found.dsn), key, given.out, say)


def erasing(parser: ArgumentParser) -> None:
    erase_arguments(parser)
    takes(*DATABASE, *SHAPING, "erasure_journal")(parser)


def retaining(parser: ArgumentParser) -> None:
    retain_arguments(parser)
    takes(*DATABASE, *SHAPING, *RETENTION, "erasure_journal")(parser)


def keys_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    create = actions.add_parser("create", help="Make a key, which is shown this once")
    create.add_argument("name", metavar="NAME", help="what the log calls who uses it")
    create.add_argument(
        "--scope",
        choices=("read", "write", "audit", "admin"),
        default="write",
        help="what it may do; write reads too, audit reads everybody's record, admin may do all [write]",
    )
    every = actions.add_parser("list", help="Show which keys there are, and which were revoked")
    revoke = actions.add_parser("revoke", help="End a key, within a second and for good")
    revoke.add_argument("name", metavar="NAME", help="the name that it was made with")
    for action in (create, every, revoke):
        takes(*DATABASE)(action)
    seal = actions.add_parser("seal", help="Make the pair of keys that the log is sealed and checked with")
    takes("data")(seal)
    seal.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a new file; the public key's ends in .pub [seal.key in --data]",
    )


def run_keys(settings: Settings, given: Namespace) -> int:
    if given.action == "seal":
        return run_keys_seal(settings, given)
    from service.access import keys
    from service.postgres.opened import opened
    from service.store.connections import Database

    with (
        opened(settings, warn) as found,
        Database.open(found.dsn).connect("hansard keys") as connection,
    ):
        match given.action:
            case "create":
                say(keys.create(connection, given.name, given.scope))
                warn("that is the key; it is not kept, so it will not be shown again")
            case "revoke":
                keys.revoke(connection, given.name)
                say(f"{given.name} is revoked")
            case _:
                keys.tell(keys.listed(connection), say)
    return 0


def run_keys_seal(settings: Settings, given: Namespace) -> int:
    from service.cli.seal import make_keys

    return make_keys(given.out, settings.data, say)


def token_arguments(parser: ArgumentParser) -> None:
    takes("jwt_secret", "jwt_issuer", "jwt_audience")(parser)
    parser.add_argument("--user", metavar="ID", required=True, help="the user whose token it is")
    parser.add_argument(
        "--minutes", type=positive, default=60, metavar="N", help="how long it is good for [60]"
    )


def run_token(settings: Settings, given: Namespace) -> int:
    from service.access.tokens import sign

    say(sign(settings, given.user, given.minutes))
    return 0


def run_bench(settings: Settings, given: Namespace) -> int:
    from service.bench.command import bench

    return bench(given, say, warn)


def run_settings(settings: Settings, given: Namespace) -> int:
    say(as_table())
    return 0


def also(*adding: Callable[[ArgumentParser], None]) -> Callable[[ArgumentParser], None]:
    def add(parser: ArgumentParser) -> None:
        for each in adding:
            each(parser)

    return add


DATABASE = ("data", "dsn", "owner_dsn")
SHAPING = ("search_language", "taggers")
"""What shapes the rows of projections: other values are other builds."""
RETENTION = ("retention_anonymise_after", "retention_erase_after", "retention_rules")
EVERY = tuple(setting.name for setting in explain())

COMMANDS = (
    Command("serve", "Run the service until Ctrl-C", takes(*EVERY), run_serve),
    Command(
        "migrate",
        "Bring the database up to this version",
        takes(*DATABASE, "shards", *SHAPING),
        run_migrate,
    ),
    Command(
        "replay",
        "Build projections anew from the log, while the service goes on",
        replay_arguments,
        run_replay,
    ),
    Command("status", "Tell how far the log and everything built from it are", status_arguments, run_status),
    Command("verify", "Check that the record is what was once recorded", verify_arguments, run_verify),
    Command("seal", "Sign what the log is now, to prove later that it is still so", seal_arguments, run_seal),
    Command(
        "export",
        "Write the record to a file, word for word",
        also(takes(*DATABASE), export_arguments),
        run_export,
    ),
    Command(
        "import",
        "Take conversations into the record, each once",
        also(takes(*DATABASE, "message_limit", *SHAPING), import_arguments),
        run_import,
    ),
    Command("erase", "Erase a user, a conversation, or what is linked to something", erasing, run_erase),
    Command(
        "retain", "Anonymise and erase what is older than the retention policy says", retaining, run_retain
    ),
    Command(
        "keys",
        "Make, list and revoke the keys of trusted backends, and make those of seals",
        keys_arguments,
        run_keys,
    ),
    Command("token", "Sign a user's token, for trying out", token_arguments, run_token),
    Command("bench", "Measure how fast this machine is with Hansard", bench_arguments, run_bench),
    Command("settings", "Print every setting as a Markdown table", takes(), run_settings),
)
