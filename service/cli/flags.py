"""The flags that stand for settings, and the settings that a command was given."""

import os
from argparse import ArgumentParser, Namespace
from typing import Final

from service.settings.settings import Settings, explain

DATABASE: Final = ("data", "dsn", "owner_dsn")
SHAPING: Final = ("search_language", "taggers")
"""What shapes the rows of projections: other values are other builds."""


def takes(parser: ArgumentParser, *settings: str) -> None:
    """Gives a command the flags of these settings; of all where none is named."""
    group = parser.add_argument_group("settings")
    for setting in explain():
        if not settings or setting.name in settings:
            default = "none" if setting.default is None else setting.default
            what = f"{setting.description} [{setting.variable}, default: {default}]".replace("%", "%%")
            group.add_argument(setting.flag, dest=setting.name, metavar=setting.metavar, help=what)


def settings_of(options: Namespace) -> Settings:
    """From the command's flags, and from the environment where there is none."""
    return Settings.load(os.environ, **vars(options))
