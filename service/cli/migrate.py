"""`hansard migrate`: the tables, the roles and the projections that this version needs."""

from argparse import ArgumentParser, Namespace

from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import say, warn
from service.hansard import prepare
from service.postgres.opened import opened
from service.privacy.noticing import in_words, notice
from service.store.connections import Database


def arguments(parser: ArgumentParser) -> None:
    takes(parser, *DATABASE, "shards", *SHAPING, "erasure_journal")


def run(options: Namespace) -> int:
    settings = settings_of(options)
    with opened(settings, say) as database:
        prepared = prepare(settings, database.owner_dsn, database.dsn)
        restored = notice(Database.open(database.dsn), settings.erasure_journal)
    if restored is not None:
        warn(in_words(restored))
    for name in prepared.migrated.applied:
        say(f"Applied {name}")
    say(f"The database is up to date: {prepared.migrated.shards} shards")
    if not prepared.migrated.guarded:
        warn("no runtime role could be made, so the database itself does not keep the log from being changed")
    for name in prepared.not_built:
        warn(f"{name} has to be built before it can be read: run `hansard replay {name}`")
    return 0
