"""`hansard seal`: signs what the log is now."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from service.cli.database import database_of
from service.cli.flags import DATABASE, settings_of, takes
from service.cli.terminal import counted, reporting, say
from service.store.migrations import check_migrated
from service.verify.seal import signed, written
from service.verify.seal_files import refuse_existing, write_new
from service.verify.seal_keys import private_key
from service.verify.sealing import seal_log

STDOUT: Final = Path("-")


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="the private key [seal.key in the data folder]"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="a new file; - writes to standard output [named by the time]"
    )
    takes(parser, *DATABASE)


def run(options: Namespace) -> int:
    settings, out = settings_of(options), options.out
    key = private_key(options.key, settings.data)
    if out is not None and out != STDOUT:
        refuse_existing(out)
    with (
        database_of(settings) as database,
        database.connect("hansard seal") as connection,
        reporting() as report,
    ):
        check_migrated(connection)
        sealed = signed(seal_log(connection, report), key)
    if out == STDOUT:
        say(written(sealed))
        return 0
    out = out or Path(f"hansard-{sealed.sealed_at:%Y%m%dT%H%M%SZ}.seal.json")
    write_new(out, f"{written(sealed)}\n".encode())
    say(f"{counted(sealed.events, 'event')} sealed in {out}, with the key {sealed.public_key}")
    say("Keep the file where nobody who can change the database can change it too")
    return 0
