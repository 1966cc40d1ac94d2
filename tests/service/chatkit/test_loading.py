"""ChatKit's package costs seconds and memory: whoever does not speak its protocol does not pay for it."""

import asyncio
import subprocess
import sys

from service.chatkit.loading import ChatKit
from service.hansard import running
from service.settings.settings import Settings
from tests.conftest import SHARDS


def test_the_service_starts_without_chatkits_package() -> None:
    heavy = "{'chatkit', 'agents', 'pydantic'}"
    loaded = "{name.split('.')[0] for name in sys.modules}"
    script = f"import sys, service.worker.app; print(sorted({heavy} & {loaded}))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "chatkit" not in found.stdout
    assert "agents" not in found.stdout


async def test_however_many_ask_first_they_get_one_server(dsn: str) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS), dsn) as hansard:
        chatkit = ChatKit(hansard)
        servers = await asyncio.gather(*(chatkit.server() for _ in range(5)))
        assert len({id(server) for server in servers}) == 1


async def test_a_server_that_cannot_be_loaded_is_tried_again(dsn: str) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS, chatkit_server="nowhere:At"), dsn) as hansard:
        chatkit = ChatKit(hansard)
        for _ in range(2):
            (failed,) = await asyncio.gather(chatkit.server(), return_exceptions=True)
            assert isinstance(failed, ModuleNotFoundError)
