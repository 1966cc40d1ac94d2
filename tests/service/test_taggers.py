"""Taggers: changing one and replaying tags all history again."""

import pytest

from projections import history
from projections.errors import ProjectionNotBuilt
from service import commands
from service.cli.main import main
from service.hansard import running
from service.settings.settings import BadSetting, Settings
from service.store.repository import Caller
from tests.service.store.appending import said

ANN = Caller("ann", "ann")
LUCKY = '{"fortune": "luck(y)?"}'


async def test_a_new_tagger_tags_all_history_once_history_is_replayed(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(Settings(), dsn) as hansard:
        messages = [said("my lucky day", "m1"), said("a day like any", "m2")]
        started = await commands.start_conversation(hansard.repository, ANN, first_messages=messages)
        assert started.conversation
        shard, conversation_id = hansard.store.shard_of("ann"), started.conversation.id
        page = await history.page(hansard.views["history"], shard, conversation_id, 10)
        assert [message.is_fortune for message in page] == [False, False]
    async with running(Settings(taggers=LUCKY), dsn) as hansard:
        with pytest.raises(ProjectionNotBuilt):
            await history.page(hansard.views["history"], shard, conversation_id, 10)
    assert main(["replay", "history", "--dsn", dsn, "--taggers", LUCKY]) == 0
    assert "history is built" in capsys.readouterr().out
    async with running(Settings(taggers=LUCKY), dsn) as hansard:
        page = await history.page(hansard.views["history"], shard, conversation_id, 10)
        assert [(message.is_fortune, message.tags) for message in page] == [
            (True, b'["fortune"]'),
            (False, b"[]"),
        ]


@pytest.mark.parametrize("wrong", ["luck", '["luck"]', '{"fortune": "luck("}'])
def test_taggers_that_are_none_are_refused_with_what_would_be_right(wrong: str) -> None:
    with pytest.raises(BadSetting, match=r"HANSARD_TAGGERS is .* a JSON object of names and regular"):
        Settings.load({"HANSARD_TAGGERS": wrong})
