"""Makes the pictures in docs/pages: `make screenshots`."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import DESKTOP, FLAGS, NAMES, PHONE
from tests.conftest import folder
from tests.model import Hold, Model, scripted
from tests.serving import Service, serving

PICTURES = Path(__file__).parents[2] / "docs" / "pages"
ANN = {"X-User-Id": "ann.lovelace"}

ANSWER = """Keep the log as the truth, and build the rest from it:

1. **Append** what happened, in the past tense.
2. **Project** what people ask for: a history, a list, a search.
3. **Replay** when the shape of an answer changes.

```python
async for message in history.page(view, shard, conversation_id, limit=50):
    print(message.role, message.content)
```

| What | Where it is |
|:--|:--|
| order | the position in the shard |
| proof | a chain of digests |

> Order never depends on a clock.
"""
TALKS = [
    (
        "Ideas for the garden wall",
        "What grows well on a north wall?",
        "Ivy, climbing hydrangea, and patience.",
    ),
    (None, "How tall is the Eiffel Tower?", "330 metres, antennas included."),
    ("A letter to the council about the harbour lights", "Could you make this more polite?", "Certainly."),
    (None, "Rewrite this haiku so that it scans", "Old pond, a frog leaps: the sound of water."),
    ("Trip to Ljubljana", "Three days, two children, rain.", "The dragon bridge, the puppet museum, cake."),
    (None, "What is the difference between a fact and an event?", "An event is a fact that knows its place."),
    ("Quarterly figures", "Summarise the attached table.", "Sales rose in every region but one."),
    (None, "Explain two-phase commit to a violinist", "First everybody tunes; then everybody plays."),
]

AGENT: list[dict[str, Any]] = [
    {"role": "system", "content": "You plan trips. Look the weather up before you promise anything."},
    {"role": "user", "content": "Shall we take the boat to Bled tomorrow?"},
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "The boat needs calm weather, so that comes first."}],
    },
    {
        "type": "function_call",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"place": "Bled", "day": "tomorrow"}',
    },
    {
        "type": "function_call_output",
        "call_id": "call_1",
        "output": '{"wind": "4 km/h", "rain": false, "high": 17}',
    },
    {
        "type": "mcp_approval_request",
        "server_label": "boats",
        "name": "book_boat",
        "arguments": '{"seats": 4, "price": "60 €"}',
    },
    {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
    {
        "type": "image_generation_call",
        "result": "",
        "revised_prompt": "A wooden boat on a green lake, a church on an island behind it",
    },
    {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "Yes: it will be **calm and dry**. Four seats are booked."}
        ],
    },
]


def record_agent(api: httpx.Client) -> str:
    body = {"title": "A boat to Bled", "messages": [{"item": item} for item in AGENT]}
    return str(api.post("/api/conversations", json=body).raise_for_status().json()["id"])


def record(api: httpx.Client) -> str:
    """Puts something on the record that is worth a picture; gives back the conversation to show."""
    for number, (title, question, answer) in enumerate(TALKS):
        links = [{"kind": "opportunity", "id": f"opp_{40 + number % 3}"}]
        said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        body: dict[str, Any] = {"messages": said, "links": links} | ({"title": title} if title else {})
        made = api.post("/api/conversations", json=body).raise_for_status().json()
        if number == 2:
            api.patch(f"/api/conversations/{made['id']}", json={"ended": True}).raise_for_status()
    said = [
        {"role": "user", "content": "How should I keep my users' conversations?"},
        {"role": "assistant", "content": ANSWER},
        {"role": "user", "content": "And when a client goes away in the middle of a reply?"},
        {"role": "assistant", "content": "The reply is the server's: it goes on, and is **stored whole**."},
    ]
    links = [{"kind": "opportunity", "id": "opp_42"}]
    body = {"title": "Keeping a record", "messages": said[:2], "links": links}
    made = api.post("/api/conversations", json=body).raise_for_status().json()
    path = f"/api/conversations/{made['id']}"
    api.patch(path, json={"title": "Keeping the record of what was said"}).raise_for_status()
    api.post(f"{path}/messages/batch", json={"messages": said[2:]}).raise_for_status()
    return str(made["id"])


class Camera:
    def __init__(self, browser: Browser, service: Service) -> None:
        self.browser = browser
        self.url = service.url

    @contextmanager
    def at(self, path: str, wait_for: str, who: str | None = ANN["X-User-Id"], **look: Any) -> Iterator[Page]:
        context = self.browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **look})
        if who:
            context.add_init_script(f"localStorage.setItem('hansard.user', '{who}')")
        page = context.new_page()
        page.goto(self.url + path)
        page.locator(wait_for).first.wait_for()
        yield page
        context.close()

    def take(self, name: str, page: Page) -> None:
        page.mouse.move(0, 0)
        page.screenshot(path=PICTURES / f"{name}.png", animations="disabled", caret="hide")
        sys.stdout.write(f"docs/pages/{name}.png\n")


def take_all(camera: Camera, conversation_id: str, agents_id: str, model: Model) -> None:
    chat = f"/c/{conversation_id}"
    phone: dict[str, Any] = {"viewport": PHONE, "device_scale_factor": 2, "has_touch": True}
    with camera.at("/", "#user", who=None) as page:
        camera.take("signing-in", page)
    with camera.at(chat, ".message") as page:
        camera.take("chat", page)
        page.get_by_role("searchbox").fill("events OR order OR tower")
        page.locator(".listed-found mark").first.wait_for()
        camera.take("search", page)
    with camera.at(chat, ".message", color_scheme="dark") as page:
        camera.take("chat-dark", page)
    with camera.at("/", ".listed-all a", **phone) as page:
        camera.take("phone-list", page)
    with camera.at("/?new", "#message", color_scheme="dark", **phone) as page:
        hold = Hold()
        model.answers("Once upon a time there was a ", "*very* patient ", hold, "database.")
        page.get_by_role("textbox", name="Message").fill("Tell me a story about patience.")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("patient").first.wait_for()
        camera.take("phone-reply", page)
        hold.go()
        page.locator(".message-assistant:not(.message-growing)").wait_for()
    with camera.at(f"{chat}/history?version=4", ".history-events > li") as page:
        page.locator(".history-events summary").nth(2).click()
        page.get_by_text("holds").wait_for()
        camera.take("history", page)
    with camera.at(f"/c/{agents_id}", ".message-step") as page:
        page.locator("summary").nth(1).click()
        camera.take("agent", page)
    with camera.at("/service", ".service table") as page:
        page.get_by_role("button", name="Check").click()
        page.get_by_text("every row is what the log says").first.wait_for()
        page.wait_for_timeout(
            4_500
        )  # so that there is something to see of what is measured every two seconds
        camera.take("service", page)


def main() -> None:
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        raise SystemExit("There is no Chromium: on Debian and Ubuntu, apt install chromium")
    PICTURES.mkdir(exist_ok=True)
    with (
        folder() as data,
        TemporaryDirectory() as place,
        scripted() as model,
        serving(data=data / "data", output=Path(place) / "output", **model.environ()) as service,
        sync_playwright() as playwright,
    ):
        with httpx.Client(base_url=service.url, headers=ANN, timeout=60) as api:
            agents_id = record_agent(api)
            conversation_id = record(api)
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        take_all(Camera(browser, service), conversation_id, agents_id, model)
        browser.close()


if __name__ == "__main__":
    main()
