"""Empty databases of other numbers of shards."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tests.conftest import SHARDS, Servers, prepared, template_made

OtherShards = Callable[[int], str]


@pytest.fixture(scope="session")
def other_shards(postgres: Servers, template: str) -> Iterator[OtherShards]:
    """Templates, by the number of their shards."""
    made = {SHARDS: template}
    with ExitStack() as stack:

        def template_of(shards: int) -> str:
            if shards not in made:
                made_so = template_made(postgres, partial(prepared, shards=shards))
                made[shards] = stack.enter_context(made_so)
            return made[shards]

        yield template_of
