"""What is erased is gone from everywhere, and nothing else is; the log shows that it was, and still holds."""

import asyncio

import pytest

from projections.following.follower import Follower
from service.cli.main import main
from service.hansard import Hansard
from service.store.log import DatabaseLog
from service.verify.log import verify_log
from tests.service.api.recording import at_once
from tests.service.privacy.dumping import dumped, rows_of
from tests.service.privacy.marking import MARKER, OTHER, USER, answers_to, by, marked


def follow(hansard: Hansard) -> None:
    Follower(lambda: hansard.database.connect(), DatabaseLog(), hansard.projections).run_once()


async def test_nothing_of_an_erased_user_is_left_and_nothing_else_is_touched(
    dsn: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async with at_once(dsn) as (client, hansard):
        mine = [await marked(hansard, more=200), await marked(hansard)]
        await marked(hansard, OTHER, "innocent", more=200)
        same_shard = next(
            name for name in (f"user{n}" for n in range(99))
            if hansard.store.shard_of(name) == hansard.store.shard_of(USER)
        )  # fmt: skip
        await marked(hansard, same_shard, "neighbour")
        await asyncio.to_thread(follow, hansard)
        assert MARKER in await answers_to(client, USER, mine)
        before = {user: rows_of(dsn, user) for user in (OTHER, same_shard)}
        assert f'snapshots.state: {{"id":"{mine[0]}"' in dumped(dsn)

        answer = await client.delete(f"/api/session/{USER}", headers=by(USER))
        assert answer.json()["erased"] == {"sessions": 2, "messages": 204}

        await asyncio.to_thread(follow, hansard)
        assert MARKER not in await answers_to(client, USER, mine)
        told = dumped(dsn)
        assert [line for line in told.splitlines() if MARKER in line] == []
        assert {user: rows_of(dsn, user) for user in (OTHER, same_shard)} == before
    assert MARKER not in caplog.text
    assert verify_log(hansard.database).faults == ()
    assert main(["replay", "--dsn", dsn]) == 0
    assert main(["verify", "--dsn", dsn]) == 0
    assert MARKER not in dumped(dsn)
    assert MARKER not in capsys.readouterr().out
