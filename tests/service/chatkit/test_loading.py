"""ChatKit's package costs seconds and memory: whoever does not speak its protocol does not pay for it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from service.chatkit.loading import ChatKit, check
from service.hansard import running
from service.settings.settings import BadSetting, Settings
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


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("nowhere:At", "there is no module nowhere; PYTHONPATH says where modules are"),
        ("service.nowhere:At", "there is no module service.nowhere; PYTHONPATH says where modules are"),
        ("tests.service.chatkit.kitchen:At", "tests.service.chatkit.kitchen has no At"),
        (
            "tests.service.chatkit.kitchen:SECRET",
            "SECRET is no subclass of service.chatkit.server.HansardChatKit",
        ),
        ("pathlib:Path", "Path is no subclass of service.chatkit.server.HansardChatKit"),
        ("broken_one:At", "broken_one cannot be imported: ValueError: spoilt over two lines"),
        ("broken_two:At", "broken_two cannot be imported: No module named 'nowhere'"),
        ("broken_three:At", "broken_three cannot be imported: SystemExit: 3"),
    ],
)
def test_a_server_that_there_is_not_is_told_with_the_settings_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, why: str
) -> None:
    (tmp_path / "broken_one.py").write_text("raise ValueError('spoilt\\nover two lines')")
    (tmp_path / "broken_two.py").write_text("import nowhere")
    (tmp_path / "broken_three.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadSetting) as told:
        check(where)
    assert str(told.value) == f"HANSARD_CHATKIT_SERVER is {where!r}, but {why}"


async def test_a_server_that_cannot_be_loaded_is_tried_again(dsn: str) -> None:
    async with running(Settings(dsn=dsn, shards=SHARDS, chatkit_server="nowhere:At"), dsn) as hansard:
        chatkit = ChatKit(hansard)
        for _ in range(2):
            (failed,) = await asyncio.gather(chatkit.server(), return_exceptions=True)
            assert isinstance(failed, BadSetting)
