"""The flags of `hansard bench`; loaded with every command, so it loads nothing that is slow."""

from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Final

from service.bench.subjects import SUBJECTS
from service.cli.terminal import positive

ROUNDS: Final = 3


def arguments(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = "subjects:\n" + "\n".join(f"  {name:<14}{said}" for name, said in SUBJECTS.items())
    parser.add_argument(
        "subjects", nargs="*", type=subject, metavar="SUBJECT", help="what to measure; all when none is named"
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


def subject(text: str) -> str:
    if text not in SUBJECTS:
        raise ArgumentTypeError(f"there is no subject {text}, but {', '.join(SUBJECTS)}")
    return text
