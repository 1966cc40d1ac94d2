"""A lane that cannot be reached is followed when it can be again, and the others are followed meanwhile."""

import logging
import time
from queue import Queue
from typing import Any

import pytest

from domain.events import ConversationStarted
from projections.following import lane
from projections.following.follower import Follower
from projections.following.wake import Wake
from tests.outage import LANES, is_down, lie_apart, one_lane_down
from tests.projections.rebuilding.replayed import (
    LOG,
    Spoken,
    Words,
    built,
    connecting,
    positions,
    say,
    spoken,
    talk,
    wanted,
)
from tests.service.store.appending import rows, said, storing

PATIENCE = 20.0


def lines(dsn: str) -> list[tuple[Any, ...]]:
    return rows(dsn, "SELECT * FROM lines_g1 ORDER BY shard, conversation_id, message_id")


def test_a_lane_that_cannot_be_reached_holds_up_no_other(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    words = Words()
    [generation] = built(dsn, words)
    lie_apart(dsn)
    talk(dsn, spoken(20))
    everything = wanted(dsn, words)["lines"]
    reachable = [line for line in everything if not is_down(line[0])]
    assert 0 < len(reachable) < len(everything)
    news = Queue[str]()
    follower = Follower(connecting(dsn), LOG, [words], news.put)
    with one_lane_down(dsn):
        follower.start()
        while lines(dsn) != reachable:
            news.get(timeout=PATIENCE)
        while not follower.out_of_reach(PATIENCE):
            time.sleep(0.01)
        assert follower.out_of_reach(PATIENCE) == [shard for shard in range(8) if is_down(shard)]
        assert follower.standing_still_for() < PATIENCE
        assert {at for shard, at in positions(dsn, generation).items() if is_down(shard)} == {0}
    while lines(dsn) != everything:
        news.get(timeout=PATIENCE)
    assert follower.out_of_reach(PATIENCE) == []
    follower.stop()
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1, "however long it lasts"


class Counted(Wake):
    """Counts how often somebody goes to sleep on it."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = 0

    def wait(self, *given: Any) -> None:
        self.slept += 1
        super().wait(*given)


def test_an_append_wakes_its_own_lane_alone(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "POLL", 1000.0)
    lie_apart(dsn)
    [generation] = built(dsn, Words())
    news, wakes = Queue[str](), list[Counted]()

    def wake() -> Wake:
        wakes.append(Counted())
        return wakes[-1]

    follower = Follower(connecting(dsn), LOG, [Words()], news.put, wake=wake)
    follower.start()
    while [each.slept for each in wakes] != [1] * LANES:
        time.sleep(0.01)
    conversation = Spoken(0)
    with storing(dsn, committed=lambda events: follower.appended({each.shard for each in events})) as store:
        position = say(store, conversation, ConversationStarted(), said())
        while positions(dsn, generation)[conversation.shard] != position:
            news.get(timeout=PATIENCE)
    follower.stop()
    others = [each for at, each in enumerate(wakes) if at != conversation.shard % LANES]
    assert [each.slept for each in others] == [1] * (LANES - 1)
