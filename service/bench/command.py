"""`hansard bench`: measures one subject after another, and prints a table for each."""

import signal
import traceback
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from service.bench.arguments import ROUNDS
from service.bench.figures import table
from service.bench.place import Place, place
from service.bench.report import put
from service.bench.subjects import SUBJECTS, subject

Say = Callable[[str], None]


def bench(given: Namespace, say: Say, warn: Say) -> int:
    """Of the settings of the service none counts: what it has recorded is not to be measured on."""
    parent = Path(given.data).absolute() if given.data else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is to be stopped then, too
    with place(given.dsn, parent, warn, given.quick, given.events) as here:
        try:
            return measure(here, given, say, warn)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would leave the server running
            raise


def measure(here: Place, given: Namespace, say: Say, warn: Say) -> int:
    """Gives back the exit code: 1 if something could not be measured."""
    rounds = given.rounds or (1 if given.quick else ROUNDS)
    failed = []
    for name in given.subjects or SUBJECTS:
        here.say(f"{name}: {SUBJECTS[name]}")
        try:
            figures = subject(name)(here, rounds)
        except Exception as error:
            traceback.print_exc()
            failed.append(name)
            say(f"\n**{name}** could not be measured: {reason(error)}")
            continue
        how = f"{command_of(name, given)}, {rounds} round{'s' * (rounds > 1)}"
        block = f"{table(figures)}\n\n{how}. {here.words()}."
        say(f"\n**{name}**: {SUBJECTS[name]}\n\n{block}")
        if given.into:
            put(given.into, name, block)
    if failed:
        warn(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


def command_of(name: str, given: Namespace) -> str:
    flags = [f"--{flag} {value}" for flag in ("rounds", "events") if (value := getattr(given, flag))]
    return "`" + " ".join(["hansard bench", name, *["--quick"] * given.quick, *flags]) + "`"


def reason(error: Exception) -> str:
    """Of tasks that failed together, the first one's."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
