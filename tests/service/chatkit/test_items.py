"""Items as messages and back, whatever is in them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    HiddenContextItem,
    InferenceOptions,
    ThreadItem,
    UserMessageItem,
    UserMessageTagContent,
    UserMessageTextContent,
    WidgetItem,
)
from chatkit.widgets import BasicRoot, Card, DynamicWidgetRoot, ListView
from hypothesis import given
from hypothesis import strategies as st

from domain.content import check_message
from domain.events import MessageAdded, MessageRevised
from domain.message import SHOWN, Message, new_message
from projections.history import HistoryMessage, as_json, payload_json
from service.chatkit.items import (
    SAID,
    as_added,
    as_revised,
    dumped,
    item_of,
    kind_of,
    says_the_same,
    text_of,
)
from service.store.codec import decode, encode
from tests.contracts.items import (
    ANYTHING,
    EVERY_KIND,
    LATER,
    WHEN,
    base,
    hidden,
    older_widget,
    replied,
    user_said,
)

THREAD = str(UUID(int=7 << 76 | 2 << 62))

texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(texts, anything, max_size=4)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
moments = st.datetimes() | st.datetimes(timezones=st.just(UTC))
bases = st.fixed_dictionaries({"id": names, "thread_id": st.just(THREAD), "created_at": moments})
components = objects.map(
    lambda more: {**{f"x{key}": value for key, value in more.items()}, "type": "Later", "children": None}
)
items: st.SearchStrategy[ThreadItem] = st.one_of(
    st.builds(
        lambda base, texts, quoted: UserMessageItem(
            **base,
            content=[UserMessageTextContent(text=text) for text in texts],
            quoted_text=quoted,
            inference_options=InferenceOptions(),
        ),
        bases,
        st.lists(texts, max_size=3),
        st.none() | texts,
    ),
    st.builds(
        lambda base, text, data: UserMessageItem(
            **base,
            content=[UserMessageTagContent(id="t", text=text, data=data)],
            inference_options=InferenceOptions(),
        ),
        bases,
        texts,
        objects,
    ),
    st.builds(
        lambda base, texts: AssistantMessageItem(
            **base, content=[AssistantMessageContent(text=text) for text in texts]
        ),
        bases,
        st.lists(texts, max_size=3),
    ),
    st.builds(
        lambda base, arguments, output: ClientToolCallItem(
            **base, call_id="c", name="look", arguments=arguments, output=output
        ),
        bases,
        objects,
        anything,
    ),
    st.builds(lambda base, content: HiddenContextItem(**base, content=content), bases, anything),
    st.builds(
        lambda base, component, copied: WidgetItem(
            **base,
            widget=DynamicWidgetRoot.model_validate({"type": "Card", "children": [component]}),
            copy_text=copied,
        ),
        bases,
        components,
        st.none() | texts,
    ),
)


def stored(event: Any) -> Any:
    return decode(*encode(event))


def read(message: Message | MessageAdded) -> ThreadItem:
    """As the projection has it, of the event as it is stored."""
    if isinstance(message, MessageAdded):
        message = new_message(message, 2)
    return item_of(
        THREAD,
        HistoryMessage(
            message_id=message.id,
            conversation_id=UUID(THREAD),
            position=9,
            version=message.version,
            user_id="ann",
            role=message.role,
            kind=message.kind,
            content=as_json(message.content).encode(),
            is_fortune=False,
            metadata=b"{}",
            in_reply_to=None,
            status=message.status,
            payload=None if (payload := payload_json(message.payload)) is None else payload.encode(),
            tags=b"[]",
            recorded_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
            revised_at=None,
            rating=None,
            comment=None,
        ),
    )


@given(items)
def test_what_is_in_an_item_does_not_matter(item: ThreadItem) -> None:
    added = as_added(THREAD, item)
    check_message(added)
    found = read(stored(added))
    # A widget never says of itself what is null.
    assert found == item or isinstance(item, WidgetItem)
    assert msgspec.json.encode(dumped(found)) == msgspec.json.encode(dumped(item))


@given(texts, st.sampled_from(["user", "assistant"]))
def test_a_message_of_another_surface_is_the_item_that_says_the_same(text: str, role: Any) -> None:
    plain = MessageAdded(message_id="m", role=role, content=text)
    item = read(plain)
    assert text_of(item) == text
    assert as_added(THREAD, item).role == role
    assert says_the_same(item, THREAD, new_message(plain, 2))
    again = item.model_copy(update={"created_at": WHEN})
    assert says_the_same(again, THREAD, new_message(plain, 2))
    other = user_said("m", text + "!") if role == "user" else replied("m", text + "!")
    assert not says_the_same(other, THREAD, new_message(plain, 2))


@pytest.mark.parametrize("item", [*EVERY_KIND, *LATER], ids=lambda item: f"{item.type}-{item.id}")
def test_only_what_is_said_is_a_message_and_only_what_is_shown_has_text(item: ThreadItem) -> None:
    added = as_added(THREAD, item)
    assert added.kind == ("message" if item.type in SAID else item.type)
    assert added.role == ("user" if item.type == "user_message" else "assistant")
    if added.kind not in SHOWN:
        assert added.content == ""


def test_every_kind_that_chatkit_shows_its_clients_is_shown_by_the_others_too() -> None:
    """But for the end of a turn, which has nothing to show."""
    kinds = {kind_of(dumped(item)) for item in EVERY_KIND}
    assert kinds - set(SHOWN) == {"end_of_turn", "hidden_context_item", "sdk_hidden_context"}
    assert set(SHOWN) <= kinds


def test_an_item_that_says_that_it_was_interrupted_is_an_interrupted_message() -> None:
    (item,) = [each for each in LATER if isinstance(each, AssistantMessageItem)]
    assert as_added(THREAD, item).status == "complete"
    broken = type(item).__mro__[1]
    cut_off = type("CutOff", (broken,), {"__annotations__": {"status": str}, "status": "interrupted"})
    assert as_added(THREAD, cut_off(**base("x"), content=[])).status == "interrupted"


def card(*children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "Card", "children": list(children), **more}


TEXT = {"type": "Text", "value": "Choose", "id": "text"}
LIST = {"type": "ListView", "children": [{"type": "ListViewItem", "children": [TEXT]}]}


@pytest.mark.parametrize(
    ("widget", "kind"),
    [
        (card(TEXT, size="sm"), Card),
        (LIST, ListView),
        ({"type": "Basic", "children": [TEXT], "shade": "deep"}, BasicRoot),
    ],
)
def test_a_widget_of_an_older_class_comes_back_in_it(widget: dict[str, Any], kind: type) -> None:
    item = WidgetItem(**base("w") | {"thread_id": THREAD}, widget=older_widget(widget))
    found = read(stored(as_added(THREAD, item)))
    assert isinstance(found, WidgetItem)
    assert type(found.widget) is kind
    assert found == item
    assert msgspec.json.encode(dumped(found)) == msgspec.json.encode(dumped(item))


@pytest.mark.parametrize(
    "widget",
    [
        card(TEXT),
        card(shade="deep"),
        card(TEXT | {"shade": "deep"}),
        card(size="vast"),
        card({"type": "Dial", "needle": [1, 2]}, shade="deep"),
        LIST,
    ],
)
def test_a_widget_of_a_template_comes_back_whole(widget: dict[str, Any]) -> None:
    item = WidgetItem(**base("w") | {"thread_id": THREAD}, widget=DynamicWidgetRoot.model_validate(widget))
    found = read(stored(as_added(THREAD, item)))
    assert found == item
    assert msgspec.json.encode(dumped(found)) == msgspec.json.encode(dumped(item))


def test_a_revision_leaves_what_only_the_others_know() -> None:
    known = Message("r", 2, "assistant", "Hi", metadata={"mood": "merry"})
    revised = as_revised(THREAD, replied("r", "Ho"), known)
    assert isinstance(stored(revised), MessageRevised)
    assert (revised.content, revised.metadata) == ("Ho", {"mood": "merry"})


def test_what_lost_its_payload_is_still_not_shown() -> None:
    """As anonymising leaves it."""
    for item in (hidden("h", ANYTHING), LATER[0]):
        found = read(MessageAdded(message_id="h", role="assistant", content="", kind=item.type))
        assert isinstance(found, HiddenContextItem)
    found = read(MessageAdded(message_id="w", role="assistant", content="Copied", kind="widget"))
    assert isinstance(found, AssistantMessageItem)
    assert found.content[0].text == "Copied"
