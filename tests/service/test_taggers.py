"""Taggers: changing one and replaying tags all history again."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from domain.events import ConversationStarted, MessageRevised
from projections import history
from projections.errors import ProjectionNotBuilt
from projections.taggers import Taggers
from service import commands
from service.cli.main import main
from service.hansard import prepare, projections_of, running
from service.settings.settings import BadSetting, Settings
from service.store.connections import Database, connect
from service.store.repository import Caller
from service.transfer.importing import destination, import_conversations
from service.transfer.incoming import Incoming
from tests.service.store.appending import rows, said

ANN = Caller("ann", "ann")
NOW = datetime.now(UTC)
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


class Observed(Taggers):
    """Looks at the lane's lock whenever a text is looked at: nobody may hold it meanwhile."""

    def __init__(self, dsn: str, patterns: dict[str, str]) -> None:
        super().__init__(patterns)
        self._dsn = dsn
        self.seen = Counter[str]()

    def find(self, text: str) -> list[str]:
        self.seen[text] += 1
        with connect(self._dsn) as connection, connection.transaction():
            connection.execute("SELECT shard FROM lanes WHERE shard = 0 FOR NO KEY UPDATE NOWAIT")
        return super().find(text)


@pytest.fixture
def observed(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Observed:
    made = Observed(dsn, {"fortune": "luck(y)?"})
    monkeypatch.setattr("projections.history.Taggers", lambda patterns: made)
    return made


async def test_words_are_looked_at_once_and_never_while_others_wait_for_the_lane(
    dsn: str, observed: Observed
) -> None:
    long = "lucky " * 10_000
    settings = Settings(taggers=LUCKY)
    prepare(settings, dsn)
    async with running(settings, dsn) as hansard:
        repository, history_of = hansard.repository, hansard.views["history"]
        started = await commands.start_conversation(repository, ANN, first_messages=[said("luck", "m1")])
        assert started.conversation
        place = started.conversation.id
        await commands.add_messages(repository, ANN, place, [said(long, "m2"), said("none", "m3")])
        revised = MessageRevised(message_id="m3", content="lucky")
        await repository.change(ANN, place, lambda conversation, messages: [revised])
        page = await history.page(history_of, hansard.store.shard_of("ann"), place, 10)
    assert [message.tags for message in page] == [b'["fortune"]'] * 3
    assert observed.seen == {"luck": 1, long: 1, "none": 1, "lucky": 1}


async def test_what_is_imported_is_looked_at_before_it_is_appended(dsn: str, observed: Observed) -> None:
    prepare(Settings(taggers=LUCKY), dsn)
    one = Incoming("ann", uuid4(), [(NOW, ConversationStarted()), (NOW, said("lucky", "m1"))])
    with destination(Database.open(dsn), projections_of(Settings(taggers=LUCKY))) as into:
        assert import_conversations(into, [one]).conversations == 1
    assert observed.seen == {"lucky": 1}
    assert rows(dsn, "SELECT tagged_fortune FROM hansard.history_g2") == [(True,)]


async def test_a_pattern_that_backtracking_would_need_minutes_for_is_looked_for_at_once(dsn: str) -> None:
    """Its time grows with the text and no faster; the limit of the run for one test is the witness."""
    settings = Settings(taggers='{"mail": "\\\\w+@\\\\w+\\\\.\\\\w+", "twice": "(x+x+)+y"}')
    prepare(settings, dsn)
    async with running(settings, dsn) as hansard:
        for text in ("a" * 400_000, "x" * 400_000):
            await commands.start_conversation(hansard.repository, ANN, first_messages=[said(text, "m1")])


@pytest.mark.parametrize("wrong", ["luck", '["luck"]', '{"fortune": 7}'])
def test_taggers_that_are_none_are_refused_with_what_would_be_right(wrong: str) -> None:
    with pytest.raises(BadSetting, match=r"HANSARD_TAGGERS is .* a JSON object of names and regular"):
        Settings.load({"HANSARD_TAGGERS": wrong})


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("luck(", "missing )"),
        ("(?<=good )luck", "invalid perl operator"),
        (r"(\w)\1", "invalid escape sequence"),
        ("(l{900}){900}", "invalid repetition size"),
    ],
)
def test_a_pattern_that_cannot_be_compiled_is_refused_at_the_start(pattern: str, why: str) -> None:
    given = {"fine": "luck", "broken": pattern}
    with pytest.raises(BadSetting, match=rf"HANSARD_TAGGERS: the tagger 'broken' .*{re.escape(why)}"):
        Settings.load({"HANSARD_TAGGERS": json.dumps(given)})
