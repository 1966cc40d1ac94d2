"""The Store on the log: ChatKit's contract, and what every other surface sees of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.chatkit.context import ChatContext
from service.chatkit.store import HansardStore
from service.hansard import running
from service.settings import Settings
from service.store.store import shard_of
from tests.conftest import SHARDS
from tests.contracts.store import StoreContract
from tests.machine.wishes import in_shard_of

NEIGHBOUR = in_shard_of("ann", same=True)
STRANGER = in_shard_of("ann", same=False)


@asynccontextmanager
async def storing(dsn: str) -> AsyncIterator[HansardStore]:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        yield HansardStore(hansard)


class TestHansardStore(StoreContract):
    @pytest.fixture
    async def store(self, dsn: str) -> AsyncIterator[HansardStore]:
        async with storing(dsn) as store:
            yield store

    def request_of(self, user: str) -> ChatContext:
        return ChatContext.of(user)

    def neighbours(self) -> tuple[str, ...]:
        """One whose conversations are in other tables' rows than ann's, and one who shares her shard."""
        assert shard_of(NEIGHBOUR, SHARDS) == shard_of("ann", SHARDS)
        return (STRANGER, NEIGHBOUR)
