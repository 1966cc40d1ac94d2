"""`hansard bench`: measures one subject after another, and prints a table for each."""

import signal
import traceback
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Final

from service.bench.figures import table
from service.bench.place import Place, place
from service.bench.report import put
from service.bench.subjects import SUBJECTS, subject
from service.cli.terminal import positive, say, warn

ROUNDS: Final = 3


def arguments(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = "subjects:\n" + "\n".join(f"  {name:<14}{said}" for name, said in SUBJECTS.items())
    parser.add_argument(
        "subjects",
        nargs="*",
        type=known_subject,
        metavar="SUBJECT",
        help="what to measure; all when none is named",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round of little, to see that it works"
    )
    parser.add_argument("--rounds", type=positive, help=f"how often to measure each [default: {ROUNDS}]")
    parser.add_argument(
        "--events", type=positive, help="how many messages the large log has [default: 1000000]"
    )
    parser.add_argument(
        "--data", metavar="FOLDER", help="where a PostgreSQL is made, and removed again [default: TMPDIR]"
    )
    parser.add_argument("--dsn", help="make databases in this PostgreSQL instead, and remove them again")
    parser.add_argument(
        "--into", type=Path, metavar="FILE", help="also put each table into its place in a file"
    )


def known_subject(text: str) -> str:
    if text not in SUBJECTS:
        raise ArgumentTypeError(f"there is no subject {text}, but {', '.join(SUBJECTS)}")
    return text


def run(options: Namespace) -> int:
    """Of the settings of the service none counts: what it has recorded is not to be measured on."""
    parent = Path(options.data).absolute() if options.data else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is to be stopped then, too
    with place(options.dsn, parent, warn, options.quick, options.events) as here:
        try:
            return measure(here, options)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would leave the server running
            raise


def measure(here: Place, options: Namespace) -> int:
    """Gives back the exit code: 1 if something could not be measured."""
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    failed = []
    for name in options.subjects or SUBJECTS:
        here.say(f"{name}: {SUBJECTS[name]}")
        try:
            figures = subject(name)(here, rounds)
        except Exception as error:
            traceback.print_exc()
            failed.append(name)
            say(f"\n**{name}** could not be measured: {reason(error)}")
            continue
        how = f"{command_of(name, options)}, {rounds} round{'s' * (rounds > 1)}"
        block = f"{table(figures)}\n\n{how}. {here.words()}."
        say(f"\n**{name}**: {SUBJECTS[name]}\n\n{block}")
        if options.into:
            put(options.into, name, block)
    if failed:
        warn(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


def command_of(name: str, options: Namespace) -> str:
    flags = [f"--{flag} {value}" for flag in ("rounds", "events") if (value := getattr(options, flag))]
    return "`" + " ".join(["hansard bench", name, *["--quick"] * options.quick, *flags]) + "`"


def reason(error: Exception) -> str:
    """Of tasks that failed together, the first one's."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
