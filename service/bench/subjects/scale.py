"""What many more messages would need, calculated from what a few cost here."""

from service.bench.place import Place
from service.bench.scale.costs import costs_of
from service.bench.scale.estimate import Estimate
from service.bench.scale.plan import plan


def run(place: Place, rounds: int) -> list[Estimate]:
    """Once: bytes are the same in each round, and hours are of processor time."""
    return plan(costs_of(place, place.planned), place.planned)
