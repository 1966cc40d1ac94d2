"""Words come back from every projection as they went in, however odd or many they are."""

import msgspec
import pytest

from domain.errors import ContentNotText
from projections import conversations, history, search
from service import commands
from service.hansard import running
from service.settings.settings import Settings
from service.store.repository import Caller
from tests.service.store.appending import said

ANN = Caller("ann", "ann")
TEN_MEGABYTES = "needle " + "hay " * 2_500_000


@pytest.mark.parametrize(
    "text", ["a needle\0 with NUL", TEN_MEGABYTES, "needle é \u2028 \U0001f600 <b>", 'needle \\u0000 \\ "']
)
async def test_a_message_comes_back_from_history_and_is_found(dsn: str, text: str) -> None:
    async with running(Settings(message_limit=20_000_000), dsn) as hansard:
        started = await commands.start_conversation(
            hansard.repository, ANN, first_messages=[said(text, "m1")]
        )
        assert started.conversation
        shard, conversation_id = hansard.store.shard_of("ann"), started.conversation.id
        (message,) = await history.page(hansard.views["history"], shard, conversation_id, 10)
        assert msgspec.json.decode(message.content) == text
        (line,) = [line async for line in history.all_of(hansard.views["history"], shard, "ann")]
        assert line.content == text
        (found,) = await search.find(hansard.views["search"], "simple", shard, "ann", "needle", 10)
        assert found.message_id == "m1"
        (listed,) = await conversations.page(hansard.views["conversations"], shard, "ann", 10)
        assert listed.title
        assert listed.title.startswith(("a needle", "needle"))


async def test_half_a_surrogate_pair_is_refused_by_name_and_place_and_stores_nothing(dsn: str) -> None:
    async with running(Settings(), dsn) as hansard:
        with pytest.raises(ContentNotText, match="content is not Unicode text from character 3 on"):
            await commands.start_conversation(hansard.repository, ANN, first_messages=[said("abc\ud800")])
        shard = hansard.store.shard_of("ann")
        assert await conversations.page(hansard.views["conversations"], shard, "ann", 10) == []
