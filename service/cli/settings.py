"""`hansard settings`: the table of settings that the README shows."""

from argparse import ArgumentParser, Namespace

from service.cli.terminal import say
from service.settings.settings import as_table


def arguments(parser: ArgumentParser) -> None:
    """It takes none, and no setting either: it helps those who have set one wrongly."""


def run(options: Namespace) -> int:
    say(as_table())
    return 0
