"""`hansard keys`: the keys of trusted backends, and the pair of keys that the log is sealed with."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.access import keys
from service.access.keys import ServiceKey
from service.cli.database import database_of
from service.cli.flags import DATABASE, settings_of, takes
from service.cli.terminal import say, warn
from service.verify import seal_keys
from service.verify.seal import name_of


def arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    create = actions.add_parser("create", help="Make a key, which is shown this once")
    create.add_argument("name", metavar="NAME", help="what the log calls who uses it")
    create.add_argument(
        "--scope",
        choices=("read", "write", "audit", "admin"),
        default="write",
        help="what it may do; write reads too, audit reads everybody's record, admin may do all [write]",
    )
    every = actions.add_parser("list", help="Show which keys there are, and which were revoked")
    revoke = actions.add_parser("revoke", help="End a key, within a second and for good")
    revoke.add_argument("name", metavar="NAME", help="the name that it was made with")
    for action in (create, every, revoke):
        takes(action, *DATABASE)
    seal = actions.add_parser("seal", help="Make the pair of keys that the log is sealed and checked with")
    seal.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a new file; the public key's ends in .pub [seal.key in --data]",
    )
    takes(seal, "data")


def run(options: Namespace) -> int:
    settings = settings_of(options)
    if options.action == "seal":
        return make_pair(options.out or settings.data / seal_keys.NAME)
    with database_of(settings) as database, database.connect("hansard keys") as connection:
        match options.action:
            case "create":
                say(keys.create(connection, options.name, options.scope))
                warn("that is the key; it is not kept, so it will not be shown again")
            case "revoke":
                keys.revoke(connection, options.name)
                say(f"{options.name} is revoked")
            case _:
                for line in list_of(keys.listed(connection)):
                    say(line)
    return 0


def list_of(found: Sequence[ServiceKey]) -> Iterator[str]:
    if not found:
        yield "There is no key yet; `hansard keys create NAME` makes one"
    width = max((len(key.name) for key in found), default=0)
    for key in found:
        revoked = f"  revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        yield f"{key.name:{width}}  {key.scope:5}  made {key.made_at:%Y-%m-%d %H:%M}{revoked}"


def make_pair(private: Path) -> int:
    key = seal_keys.make(private)
    say(f"{private} is to seal with: keep it from whoever can change the database")
    say(f"{seal_keys.public_of(private)} is to check seals with: give it to whoever is to check them")
    say(f"The public key is {name_of(key)}")
    return 0
