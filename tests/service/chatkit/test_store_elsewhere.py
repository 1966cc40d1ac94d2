"""The Store in a ChatKit server of somebody's own, in her own process: the example of the documentation."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.service.api.recording import at_once, by, got
from tests.service.chatkit.speaking import PATH, adding, request, said

ROOT = Path(__file__).parents[3]
GRANIAN = Path(sys.executable).parent / "granian"
LONGEST_START = 60.0


@contextmanager
def example(dsn: str, output: Path) -> Iterator[str]:
    """Where it answers."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = str(chosen.getsockname()[1])
    command = [str(GRANIAN), "--interface", "asgi", "--port", port, "docs.chatkit_server:app"]
    with output.open("w") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "HANSARD_DSN": dsn}, stdout=said, stderr=said
        )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", process, output)
        yield f"http://127.0.0.1:{port}/chatkit"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, output.read_text()


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline:
        assert process.poll() is None, output.read_text()
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(output.read_text())


def sent(url: str, body: Any) -> httpx.Response:
    headers = {"X-User-Id": "ann", "X-Opportunity-Id": "opp_42"}
    return httpx.post(url, json=body, headers=headers, timeout=30)


def asked(url: str, kind: str, **params: Any) -> httpx.Response:
    answer = sent(url, request(kind, **params))
    assert answer.status_code == 200, answer.text
    return answer


def events(answer: httpx.Response) -> list[Any]:
    lines = answer.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


async def test_a_chatkit_server_of_ones_own_shares_the_log_with_the_service(dsn: str, tmp_path: Path) -> None:
    with example(dsn, tmp_path / "output") as url:
        created = events(asked(url, "threads.create", input=said("Hello")))
        thread_id = created[0]["thread"]["id"]
        asked(url, "threads.add_user_message", input=said("And again"), thread_id=thread_id)
        async with at_once(dsn) as (client, _):
            found = (await got(client, f"/api/conversations/{thread_id}/messages"))["messages"]
            assert [each["content"] for each in found] == [
                "Hello",
                "That was message 1 of yours.",
                "And again",
                "That was message 2 of yours.",
            ]
            (listed,) = (await got(client, "/api/conversations", link="opportunity:opp_42"))["conversations"]
            assert (listed["id"], listed["title"]) == (thread_id, "Hello")
            await client.post(
                f"/api/conversations/{thread_id}/messages",
                json={"role": "user", "content": "From elsewhere"},
                headers={"X-User-Id": "ann"},
            )
        thread = asked(url, "threads.get_by_id", thread_id=thread_id).json()
        assert "title" not in thread  # nobody has given it one
        (listed,) = asked(url, "threads.list").json()["data"]
        assert listed["title"] == "Hello"
        assert thread["items"]["data"][-1]["content"] == [{"type": "input_text", "text": "From elsewhere"}]


async def test_it_refuses_what_the_service_refuses_and_in_the_same_words(dsn: str, tmp_path: Path) -> None:
    with example(dsn, tmp_path / "output") as url:
        created = events(asked(url, "threads.create", input=said("Hello")))
        thread_id, (question, reply) = (
            created[0]["thread"]["id"],
            [each["item"]["id"] for each in created if each["type"] == "thread.item.done"],
        )
        nowhere = str(uuid4())
        here = {"thread_id": thread_id}
        async with at_once(dsn) as (client, _):
            for body, status in (
                (request("threads.get_by_id", thread_id=nowhere), 404),
                (request("threads.update", thread_id=nowhere, title="a"), 404),
                (adding(nowhere, "Hello?"), 404),
                (request("threads.custom_action", item_id="x", action={"type": "a"}, **here), 404),
                (request("threads.create", input={}), 400),
                (request("threads.sing"), 400),
                ({}, 400),
                ([], 400),
                (request("threads.add_client_tool_output", result=7, **here), 409),
            ):
                refused = sent(url, body)
                assert refused.status_code == status, refused.text
                if isinstance(body, dict) and body:
                    answer = await client.post(PATH, json=body, headers=by("ann"))
                    assert (answer.status_code, answer.json()) == (status, refused.json())
        assert [each["id"] for each in asked(url, "items.list", order="asc", **here).json()["data"]] == [
            question,
            reply,
        ]
