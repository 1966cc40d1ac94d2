"""`hansard bench`: measures one subject after another, and prints a table for each."""

import signal
import traceback
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
    _ArgumentGroup,
)
from pathlib import Path
from typing import Final

from service.bench.figures import table
from service.bench.place import Place, place
from service.bench.planned import NodeSize, PlannedRecord
from service.bench.report import put
from service.bench.subjects import ONCE, SUBJECTS, subject
from service.cli.terminal import positive, say, warn

ROUNDS: Final = 3
PLANNED: Final = {
    "users": "how many users there are",
    "messages": "how many messages there are in the end",
    "conversations": "in how many conversations",
    "content": "how many bytes a message has, on the mean",
    "years": "in how many years they come",
    "peak": "how many times the mean of all years the busiest minute has",
    "active": "how many of a hundred users say something on a day",
    "shards": "how many shards the log has, as HANSARD_SHARDS",
    "cores": "how many cores a node has",
    "memory": "how many GiB of memory a node has",
    "disk": "how many TB of disk a node has",
}
NODE: Final = ("cores", "memory", "disk")


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
        "--into",
        type=Path,
        metavar="FILE",
        action="append",
        help="also put each table into its place in a file; given again, in the first that has one",
    )
    planning(parser.add_argument_group("what `hansard bench scale` calculates for"))


def planning(group: _ArgumentGroup) -> None:
    """What is not given is as in `PlannedRecord` and `NodeSize`."""
    for name, said in PLANNED.items():
        group.add_argument(
            f"--{name}", type=positive, metavar="N", help=f"{said} [default: {default(name):,}]"
        )


def default(name: str) -> int:
    planned = PlannedRecord()
    found: int = getattr(planned.node if name in NODE else planned, name)
    return found or planned.started


def planned_of(options: Namespace) -> PlannedRecord:
    given = {name: value for name in PLANNED if (value := getattr(options, name)) is not None}
    node = NodeSize(**{name: given.pop(name) for name in NODE if name in given})
    return PlannedRecord(node=node, **given)


def known_subject(text: str) -> str:
    if text not in SUBJECTS:
        raise ArgumentTypeError(f"there is no subject {text}, but {', '.join(SUBJECTS)}")
    return text


def run(options: Namespace) -> int:
    """Of the settings of the service none counts: what it has recorded is not to be measured on."""
    parent = Path(options.data).absolute() if options.data else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is to be stopped then, too
    planned = planned_of(options)
    with place(options.dsn, parent, warn, options.quick, options.events, planned) as here:
        try:
            return measure(here, options)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would leave the server running
            raise


def measure(here: Place, options: Namespace) -> int:
    """Gives back the exit code: 1 if something could not be measured."""
    failed = []
    for name in options.subjects or SUBJECTS:
        rounds = 1 if name in ONCE else options.rounds or (1 if options.quick else ROUNDS)
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
    said = ("rounds", "events", *(PLANNED if name == "scale" else ()))
    flags = [f"--{flag} {value}" for flag in said if (value := getattr(options, flag))]
    return "`" + " ".join(["hansard bench", name, *["--quick"] * options.quick, *flags]) + "`"


def reason(error: Exception) -> str:
    """Of tasks that failed together, the first one's."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
