"""`hansard restored`: an operator says that an older backup was restored."""

from argparse import ArgumentParser, Namespace
from typing import Final

from service.cli.database import database_of
from service.cli.flags import DATABASE, settings_of, takes
from service.cli.terminal import say
from service.store.incarnation import begin_another, current

REASON: Final = "an operator said that a backup was restored"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default=REASON, help="why; the table of incarnations keeps it")
    takes(parser, *DATABASE)


def run(options: Namespace) -> int:
    with database_of(settings_of(options)) as database, database.connect("hansard restored") as connection:
        begun = begin_another(connection, current(connection), options.reason)
    say(f"Incarnation {begun.number} begins: cursors, ETags and Last-Event-IDs from before are refused")
    return 0
