"""What `hansard export` and `hansard import` take."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from uuid import UUID

from service.cli.terminal import say, warn
from service.settings.settings import BadSetting, Settings


def export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--user", metavar="ID", help="this user's conversations only")
    parser.add_argument("--conversation", type=UUID, metavar="ID", help="this conversation only")
    parser.add_argument("--out", metavar="FILE", help="where to; to standard output when no file is named")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the file that an earlier export has begun"
    )


def run_export(settings: Settings, given: Namespace) -> int:
    from service.cli.transfer import export_to
    from service.postgres.opened import opened
    from service.store.connections import Database
    from service.transfer.file.lines import Selection

    with opened(settings, warn) as found:
        selection = Selection(user_id=given.user, conversation_id=given.conversation)
        return export_to(Database.open(found.dsn), selection, given.out, say, given.resume)


def import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="what `hansard export` has written (- is standard input), or a data export of ChatGPT",
    )
    parser.add_argument(
        "--user",
        metavar="ID",
        help="make all of it this user's, whoever's it was; of tables, what has no user",
    )
    parser.add_argument(
        "--unchecked", action="store_true", help="import what there is of a file that was cut off or edited"
    )

    tables = parser.add_argument_group("from an application's own tables")
    tables.add_argument("--from-dsn", metavar="DSN", help="their database, which is only read")
    tables.add_argument(
        "--table",
        metavar="NAME",
        help="chat_messages, chat_message, chatkit_thread_items, or any that is mapped",
    )
    tables.add_argument(
        "--mapping", type=Path, metavar="FILE", help="which column is what, in TOML; guessed when not given"
    )
    tables.add_argument(
        "--dry-run", action="store_true", help="show the mapping and what would come, and import nothing"
    )


def run_import(settings: Settings, given: Namespace) -> int:
    from service.cli.transfer import STANDARD, import_from
    from service.postgres.opened import opened
    from service.store.connections import Database
    from service.transfer.detect import format_of
    from service.transfer.elsewhere import Source, import_chatgpt, import_tables, show_tables

    must_go_together(given)
    source = Source(given.from_dsn or "", given.table, given.mapping, given.user)
    if given.dry_run:
        return show_tables(settings, source, say)
    of_chatgpt = given.file not in (None, STANDARD) and format_of(Path(given.file)) == "chatgpt"
    if of_chatgpt and given.user is None:
        raise BadSetting(f"{given.file} is a data export of ChatGPT: --user must say whose it becomes")
    with opened(settings, say) as found:
        database = Database.open(found.dsn)
        if given.from_dsn is not None:
            return import_tables(settings, database, source, say)
        if of_chatgpt:
            return import_chatgpt(settings, database, Path(given.file), given.user, say)
        return import_from(settings, database, given.file, say, given.user, given.unchecked)


def must_go_together(given: Namespace) -> None:
    if (given.file is None) == (given.from_dsn is None):
        raise BadSetting("import takes either a FILE or --from-dsn")
    if given.from_dsn is None and (given.table or given.mapping or given.dry_run):
        raise BadSetting("--table, --mapping and --dry-run are for tables, so they need a --from-dsn")
