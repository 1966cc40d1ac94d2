"""What `hansard export` and `hansard import` take."""

from argparse import ArgumentParser, Namespace
from uuid import UUID

from service.server import say, warn
from service.settings import Settings


def export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--user", metavar="ID", help="this user's conversations only")
    parser.add_argument("--conversation", type=UUID, metavar="ID", help="this conversation only")
    parser.add_argument("--out", metavar="FILE", help="where to; to standard output when no file is named")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the file that an earlier export has begun"
    )


def run_export(settings: Settings, given: Namespace) -> int:
    from service.database import opened
    from service.store.connections import Database
    from service.transfer.command import export_to
    from service.transfer.lines import Selection

    with opened(settings, warn) as found:
        selection = Selection(user_id=given.user, conversation_id=given.conversation)
        return export_to(Database.open(found.dsn), selection, given.out, say, given.resume)


def import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what `hansard export` has written; - is standard input")
    parser.add_argument("--user", metavar="ID", help="make all of it this user's, whoever's it was")
    parser.add_argument(
        "--unchecked", action="store_true", help="import what there is of a file that was cut off or edited"
    )


def run_import(settings: Settings, given: Namespace) -> int:
    from service.database import opened
    from service.store.connections import Database
    from service.transfer.command import import_from

    with opened(settings, say) as found:
        return import_from(settings, Database.open(found.dsn), given.file, say, given.user, given.unchecked)
