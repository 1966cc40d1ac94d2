"""`hansard token`: a user's token, as an application would sign it."""

from argparse import ArgumentParser, Namespace

from service.access.tokens import sign
from service.cli.flags import settings_of, takes
from service.cli.terminal import positive, say


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--user", metavar="ID", required=True, help="the user whose token it is")
    parser.add_argument(
        "--minutes", type=positive, default=60, metavar="N", help="how long it is good for [60]"
    )
    takes(parser, "jwt_secret", "jwt_issuer", "jwt_audience")


def run(options: Namespace) -> int:
    say(sign(settings_of(options), options.user, options.minutes))
    return 0
