"""The command `hansard`: a table of commands, and what an error looks like to the person who typed one."""

import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple, NoReturn

from service.cli.terminal import say, warn

FAILURE, WRONG_USE, INTERRUPTED = 1, 2, 130


class Command(NamedTuple):
    name: str
    summary: str
    module: str
    """It has `arguments(parser)` and `run(options)`, which gives back the exit code."""


COMMANDS: Final = (
    Command("serve", "Run the service until Ctrl-C", "service.cli.serve"),
    Command("migrate", "Bring the database up to this version", "service.cli.migrate"),
    Command("replay", "Build projections anew from the log, while the service goes on", "service.cli.replay"),
    Command("status", "Tell how far the log and everything built from it are", "service.cli.status"),
    Command("verify", "Check that the record is what was once recorded", "service.cli.verify"),
    Command("seal", "Sign what the log is now, to prove later that it is still so", "service.cli.seal"),
    Command("export", "Write the record to a file, word for word", "service.cli.export"),
    Command("import", "Take conversations into the record, each once", "service.cli.import_"),
    Command("erase", "Erase a user, a conversation, or what is linked to something", "service.cli.erase"),
    Command(
        "restored",
        "Say that an older backup was restored, so that places from before are refused",
        "service.cli.restored",
    ),
    Command(
        "retain", "Anonymise and erase what is older than the retention policy says", "service.cli.retain"
    ),
    Command(
        "keys",
        "Make, list and revoke the keys of trusted backends, and make those of seals",
        "service.cli.keys",
    ),
    Command("token", "Sign a user's token, for trying out", "service.cli.token"),
    Command("bench", "Measure how fast this machine is with Hansard", "service.cli.bench"),
    Command("settings", "Print every setting as a Markdown table", "service.cli.settings"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what a person can mend is one line, and only what nobody foresaw is a traceback."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        code: int = options.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # who listened has gone; so do we
        return FAILURE
    except Exception as error:
        if (known := in_one_line(error)) is None:
            raise
        code, line = known
        warn(line)
    return code


def parse(arguments: Sequence[str]) -> Namespace:
    """Loads the module of the command that is named, and no other: most of them are slow to load."""
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
    whole.add_argument("--version", action=ShowVersion, nargs=0, default=SUPPRESS)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    named = next((word for word in arguments if not word.startswith("-")), None)
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.summary, description=command.summary + ".")
        if command.name == named:
            module = import_module(command.module)
            module.arguments(one)
            one.set_defaults(run=module.run)
    return whole.parse_args(arguments)


class OneLineParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"hansard: {message}; see {self.prog} --help\n")


class ShowVersion(Action):
    """Looks it up only when asked: that takes as long as all else that `hansard --help` does."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given, help="show program's version number and exit")

    def __call__(self, parser: ArgumentParser, *given: object) -> None:
        from importlib.metadata import version

        say(f"hansard {version('hansard')}")
        parser.exit()


def in_one_line(error: Exception) -> tuple[int, str] | None:
    """The exit code, and a line; nothing for what nobody foresaw."""
    import psycopg

    from domain.errors import Refusal
    from service.postgres.embedded import EmbeddedPostgresError
    from service.settings.settings import BadSetting

    match error:
        case BadSetting():
            return WRONG_USE, str(error)
        case Refusal() | EmbeddedPostgresError():
            return FAILURE, str(error)
        case psycopg.OperationalError():
            return FAILURE, f"the database cannot be used: {first_line(error)}"
        case psycopg.errors.InsufficientPrivilege():
            what = "the database's user may not do this"
            return FAILURE, f"{what}: {first_line(error)}; --owner-dsn names who may"
        case _:
            return None


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
