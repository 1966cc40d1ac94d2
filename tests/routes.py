"""Which statements are about shards of several lanes, or leave open about which, and why each may."""

from typing import Final

OF_ALL: Final = "asks every shard, once in a while, and for no request of a user"
OF_SOMEBODY: Final = "is for who may see what is everybody's, and is not told whose it is"
OF_MANY: Final = "takes or gives conversations of many users at once"
OF_A_LANE: Final = "is about shards of one lane, which lie together"
OF_ONE: Final = "is given one value, for one shard"

LEFT_OPEN: Final = {
    "projections.generations.FORGET": "takes a build's rows away, from every shard",
    "search.BEST": OF_ONE,
    "search.NEWEST": OF_ONE,
    "service.privacy.finding.STANDING": OF_ONE,
    "service.store.look.AT_PLACE": OF_A_LANE,
    "service.store.look.CONVERSATIONS": OF_A_LANE,
    "service.store.names.OF_ANYBODY": OF_ALL,
    "service.store.topology.distribution.HOLDS_EVENTS": "is asked before there are places to send it to",
    "service.transfer.file.export.DIRECTORY": "lists what every shard has, unless it is told one",
    "service.verify.broken_replies.CUT_OFF": OF_ALL,
    "service.verify.shard.ELSEWHERE": "looks for shards that there are not to be",
    "service.verify.shard.HOLES": OF_ALL,
    "service.verify.shard.TOO_FAR": OF_ALL,
}
"""Those that do not say by themselves which shards they mean."""
OF_SEVERAL: Final = {
    "service.privacy.receipts.BY_ID": OF_SOMEBODY,
    "service.privacy.receipts.UNDER_WAY": OF_ALL,
    "service.store.whereabouts.WHEREABOUTS": OF_SOMEBODY,
    "service.transfer.file.export.EVENTS": OF_MANY,
    "service.transfer.standing.TIPS": OF_MANY,
}
"""Those that do, and mean shards of several lanes."""


def may_go_to_several(name: str) -> bool:
    return name in OF_SEVERAL or LEFT_OPEN.get(name) not in (None, OF_A_LANE, OF_ONE)
