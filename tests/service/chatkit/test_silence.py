"""A model that says nothing for a while: whatever stands between must not take the connection for dead."""

import httpx
import pytest
from litestar.types import Message, Receive, Scope, Send

from service.api import chatkit
from service.api.answering.sse import HEARTBEAT
from service.settings.settings import Settings
from service.worker.app import create_app
from tests.conftest import SHARDS
from tests.model import Hold, Model
from tests.service.api.calling import HERE
from tests.service.chatkit.speaking import PATH, Heard, creating


async def test_while_the_model_is_silent_the_connection_is_kept_alive(
    dsn: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model goes on once the third sign of life was sent."""
    monkeypatch.setattr(chatkit, "HEARTBEAT_EVERY", 0.01)
    hold = Hold()
    model.answers("Once ", hold, "more.")
    app = create_app(
        Settings(
            dsn=dsn, shards=SHARDS, responder="openai", openai_base_url=model.url, openai_model="scripted"
        )
    )
    beats = 0

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            nonlocal beats
            beats += message.get("body") == HEARTBEAT
            if beats == 3:
                hold.go()
            await send(message)

        await app(scope, receive, sent)

    transport = httpx.ASGITransport(app=listening)  # type: ignore[arg-type] # the same protocol by another name
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url=HERE, timeout=60) as client:
        answer = await client.post(PATH, json=creating("Tell me."), headers={"X-User-Id": "ann"})
    heard = Heard(iter(answer.text.splitlines())).all()
    assert beats >= 3
    assert heard.text == "Once more."
    assert [item.content[0].text for item in heard.done] == ["Tell me.", "Once more."]
