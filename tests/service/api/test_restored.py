"""An older backup was restored: what was given before says so, and never means something else in silence."""

import asyncio
from pathlib import Path

import httpx
import pytest

from service.cli.main import main
from service.postgres.embedded import EmbeddedPostgres
from service.store.connections import Database, connect
from service.verify.log import verify_log
from tests.restoring import dump, restored
from tests.service.api.calling import Client, calling, problem
from tests.service.store.appending import rows

ALICE = {"X-User-Id": "alice"}
GONE = (409, "record-restored")


class Places:
    """What a client keeps of a conversation: each names a place in the log."""

    def __init__(self, conversation_id: str) -> None:
        self.path = f"/api/conversations/{conversation_id}"
        self.etag = self.newer = self.position = self.heard = self.reply = ""

    async def take(self, client: Client) -> "Places":
        read = await client.get(self.path, headers=ALICE)
        self.etag, self.position = read.headers["ETag"], read.json()["position"]
        page = await client.get(f"{self.path}/messages", headers=ALICE)
        self.newer = page.json()["newer"]
        asked = {"message": "Well?", "session_id": self.path.rpartition("/")[2]}
        told = (await client.post("/api/chat/stream", json=asked, headers=ALICE)).text
        self.reply = next(line for line in told.splitlines() if line.startswith("id: ")).removeprefix("id: ")
        return self

    async def answers(self, client: Client) -> dict[str, httpx.Response]:
        """To whatever can be asked with one of them."""
        messages, chat = f"{self.path}/messages", f"/api/chat/{self.path.rpartition('/')[2]}/stream"
        return {
            "after": await client.get(messages, params={"after": self.newer}, headers=ALICE),
            "before": await client.get(messages, params={"before": self.newer}, headers=ALICE),
            "position": await client.get(messages, params={"after": self.position}, headers=ALICE),
            "If-Match": await client.patch(
                self.path, json={"title": "T"}, headers=ALICE | {"If-Match": self.etag}
            ),
            "a reply": await client.get(chat, headers=ALICE | {"Last-Event-ID": self.reply}),
        }


async def started(client: Client) -> Places:
    found = await client.post("/api/conversations", json={}, headers=ALICE)
    assert found.status_code == 201, found.text
    return Places(found.json()["id"])


async def say(client: Client, places: Places, text: str) -> None:
    body = {"role": "user", "content": text}
    said = await client.post(f"{places.path}/messages", json=body, headers=ALICE)
    assert said.status_code == 201, said.text


async def test_places_from_before_a_restore_are_refused_once_an_operator_has_said_so(
    dsn: str, postgres: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with calling(dsn) as client:
        places = await started(client)
        dump(dsn, tmp_path / "backup.sql")
        for number in range(5):
            await say(client, places, f"lost {number}")
        await places.take(client)
    with restored(postgres, tmp_path / "backup.sql") as again:
        assert main(["restored", "--dsn", again]) == 0
        assert "Incarnation 2 begins" in capsys.readouterr().out
        async with calling(again) as client:
            for number in range(9):
                await say(client, places, f"new {number}")
            answers = await places.answers(client)
            assert {name: problem(answer) for name, answer in answers.items()} == dict.fromkeys(answers, GONE)
            begun = await Places(places.path.rpartition("/")[2]).take(client)
            assert begun.etag != places.etag
            fits = await begun.answers(client)
            assert [fits[name].status_code for name in ("after", "before", "position")] == [200] * 3
            known = await client.get(places.path, headers=ALICE | {"If-None-Match": places.etag})
            assert known.status_code == 200, "it is not what was known under that version"
        assert verify_log(Database.open(again)).faults == ()


async def test_two_restores_of_one_backup_are_two_incarnations(
    dsn: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    dump(dsn, tmp_path / "backup.sql")
    tags = set()
    for _ in range(2):
        with restored(postgres, tmp_path / "backup.sql") as again:
            assert main(["restored", "--dsn", again]) == 0
            tags |= {tag for (tag,) in rows(again, "SELECT tag FROM hansard.incarnations WHERE number = 2")}
    assert len(tags) == 2


async def test_a_running_worker_hears_of_it_within_its_next_look(dsn: str) -> None:
    async with calling(dsn) as client:
        places = await (await started(client)).take(client)
        assert main(["restored", "--dsn", dsn]) == 0
        answer = await until(client, places, GONE)
        assert "Begin\nanew" in answer.json()["detail"] or "Begin anew" in answer.json()["detail"]
        await say(client, places, "and on")


async def until(client: Client, places: Places, wanted: tuple[int, str]) -> httpx.Response:
    while True:
        answer = await client.get(f"{places.path}/messages", params={"after": places.newer}, headers=ALICE)
        if answer.status_code != 200 and problem(answer) == wanted:
            return answer
        await asyncio.sleep(0.05)


async def test_a_log_that_is_shorter_than_a_worker_has_seen_begins_another_incarnation(dsn: str) -> None:
    """The backup comes back under a running service, and nobody says a word."""
    async with calling(dsn) as client:
        places = await started(client)
        for number in range(3):
            await say(client, places, str(number))
        await places.take(client)
        with connect(dsn) as connection:
            connection.execute("DELETE FROM events WHERE version > 2")
            connection.execute("DELETE FROM history_g1 WHERE version > 2")
        await until(client, places, GONE)
        await say(client, places, "on the shorter one")
    assert rows(dsn, "SELECT max(version), count(*) FROM hansard.events") == [(3, 3)]
    assert rows(dsn, "SELECT number FROM hansard.incarnations ORDER BY 1") == [(1,), (2,)]


async def test_the_journal_of_erasures_tells_the_next_start(
    dsn: str, postgres: EmbeddedPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "erasures.jsonl"
    dump(dsn, tmp_path / "backup.sql")
    async with calling(dsn, erasure_journal=journal) as client:
        places = await started(client)
        assert (await client.delete(places.path, headers=ALICE)).status_code == 200
    given = ["--erasure-journal", str(journal)]
    with restored(postgres, tmp_path / "backup.sql") as again:
        assert main(["migrate", "--dsn", dsn, *given]) == 0
        assert "Incarnation" not in capsys.readouterr().err, "nothing was restored there"
        for told in (True, False):
            assert main(["migrate", "--dsn", again, *given]) == 0
            assert ("Incarnation 2 begins" in capsys.readouterr().err) is told
        assert rows(again, "SELECT count(*) FROM hansard.incarnations") == [(2,)]
