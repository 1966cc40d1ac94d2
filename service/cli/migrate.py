"""`hansard migrate`: the tables, the roles and the projections that this version needs."""

from argparse import ArgumentParser, Namespace

from projections.rebuilding.guard import guarded
from service.cli.flags import DATABASE, SHAPING, settings_of, takes
from service.cli.terminal import counted, positive, say, warn
from service.hansard import prepare, projections_of
from service.postgres.opened import opened
from service.privacy.noticing import in_words, notice
from service.settings.settings import BadSetting, Settings
from service.store.connections import Database, connect
from service.store.migrations import MigrationReport
from service.store.topology.distribution import Distribution
from service.store.topology.rebalance import rebalance
from service.store.topology.topology import LanePlace


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--distribute",
        action="store_true",
        help="put the tables on the nodes of the database's Citus cluster; once more, it changes nothing",
    )
    parser.add_argument(
        "--citus-shards",
        type=positive,
        metavar="N",
        help="with --distribute: how many parts Citus can move between nodes; each is a lane of its own"
        " (two for each node, but four at least)",
    )
    parser.add_argument(
        "--move-data",
        action="store_true",
        help="with --distribute: also where there are events, which Hansard has to be stopped for",
    )
    parser.add_argument(
        "--rebalance",
        action="store_true",
        help="move parts of the log to nodes that were added to the cluster, while the service goes on",
    )
    takes(parser, *DATABASE, "shards", *SHAPING, "erasure_journal")


def run(options: Namespace) -> int:
    settings = settings_of(options)
    with opened(settings, say) as database:
        prepared = prepare(settings, database.owner_dsn, database.dsn, distribution_of(options))
        moved = moved_on(database.owner_dsn, settings) if options.rebalance else []
        restored = notice(Database.open(database.dsn), settings.erasure_journal)
    if restored is not None:
        warn(in_words(restored))
    for name in prepared.migrated.applied:
        say(f"Applied {name}")
    say(f"The database is up to date: {where_it_lies(prepared.migrated)}")
    for before, after in moved:
        say(f"The lane of shard {before.lane} has moved from {before.node} to {after.node}")
    if options.rebalance and not moved:
        say("Every part lies where it should: nothing has moved")
    if not prepared.migrated.guarded:
        warn("no runtime role could be made, so the database itself does not keep the log from being changed")
    for name in prepared.not_built:
        warn(f"{name} has to be built before it can be read: run `hansard replay {name}`")
    return 0


def distribution_of(options: Namespace) -> Distribution | None:
    if options.distribute:
        return Distribution(options.citus_shards, options.move_data)
    if options.citus_shards or options.move_data:
        raise BadSetting("--citus-shards and --move-data say how to distribute: give --distribute, too")
    return None


def where_it_lies(migrated: MigrationReport) -> str:
    shards = counted(migrated.shards, "shard")
    if not migrated.nodes:
        return shards
    return f"{shards} in {counted(migrated.lanes, 'lane')} on {counted(migrated.nodes, 'node')}"


def moved_on(dsn: str, settings: Settings) -> list[tuple[LanePlace, LanePlace]]:
    """No replay begins meanwhile: its tables would have another owner."""
    with connect(dsn) as connection, guarded(connection, projections_of(settings)):
        return rebalance(connection)
