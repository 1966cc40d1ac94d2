"""Watching what happens in one's conversations: in order, from any worker, and nobody else's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.listening import LONGEST_WAIT, Heard, Listener, chat
from tests.service.api.calling import calling
from tests.serving import Service, serving

ANN = {"X-User-Id": "ann"}


@contextmanager
def watching(service: Service, last_event_id: str | None = None, user: str = "ann") -> Iterator[Listener]:
    headers = {"X-User-Id": user} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    with httpx.stream("GET", f"{service.url}/api/changes", headers=headers, timeout=LONGEST_WAIT) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Listener(answer)


def next_of(listener: Listener, number: int = 1) -> list[Heard]:
    heard = iter(listener)
    return [next(heard) for _ in range(number)]


def test_what_one_worker_stores_is_told_by_another_in_order_and_to_its_owner_only(
    dsn: str, tmp_path: Path
) -> None:
    with (
        serving("--dsn", dsn, data=tmp_path / "a", output=tmp_path / "a.log") as one,
        serving("--dsn", dsn, data=tmp_path / "b", output=tmp_path / "b.log") as other,
        watching(other) as anns,
        watching(other, user="bob") as bobs,
    ):
        assert next_of(anns)[0].event == next_of(bobs)[0].event == "watching"
        session_id = chat(one.url, "Hello?").json()["session_id"]
        told = next_of(anns, 3)
        assert [(each.event, each.data["topic"], each.data["version"]) for each in told] == [
            ("change", "conversation_started", 1),
            ("change", "message_added", 2),
            ("change", "message_added", 3),
        ]
        assert {each.data["conversation_id"] for each in told} == {session_id}

        bob = {"user_id": "bob", "message": "Mine."}
        httpx.post(f"{one.url}/api/chat", json=bob, timeout=LONGEST_WAIT)
        assert next_of(bobs)[0].data["conversation_id"] != session_id

        with watching(one, told[0].id) as resumed:
            assert next_of(resumed)[0].event == "watching"
            assert next_of(resumed, 2) == told[1:]


def test_what_is_erased_is_told_as_a_change_or_as_a_reason_to_look_again(dsn: str, tmp_path: Path) -> None:
    with serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service:
        session_id = chat(service.url, "Hello?").json()["session_id"]
        with watching(service) as listener:
            next_of(listener)
            httpx.delete(f"{service.url}/api/conversations/{session_id}", headers=ANN).raise_for_status()
            assert next_of(listener)[0].event in ("change", "look-again")


def test_a_worker_that_stops_ends_the_stream_and_is_not_held_up_by_it(dsn: str, tmp_path: Path) -> None:
    with (
        serving("--dsn", dsn, data=tmp_path / "data", output=tmp_path / "log") as service,
        watching(service) as listener,
    ):
        assert next_of(listener)[0].event == "watching"
        service.process.terminate()
        assert listener.end().event == "watching"
        assert service.process.wait(30) == 0


async def test_a_place_that_is_none_or_somebody_elses_is_refused(dsn: str) -> None:
    async with calling(dsn) as client:
        for place in ("nowhere", "AAAA"):
            headers = ANN | {"Last-Event-ID": place}
            answer = await client.get("/api/changes", headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (400, "bad-cursor")
