"""ChatGPT's exports are read in every shape that they have had: the branch that was shown, in order, once."""

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.content import Limits, check_message
from domain.events import ConversationStarted, Link, MessageAdded
from service.transfer.chatgpt.archive import NotFromChatGPT, parts_of
from service.transfer.chatgpt.conversations import conversations
from service.transfer.chatgpt.elements import NotAnArray, elements
from service.transfer.chatgpt.order import RawConversation, oldest_first
from service.transfer.chatgpt.tree import Node, shown_branch
from service.transfer.incoming import Incoming, Skipped
from tests.service.transfer.chatgpt.exports import (
    BEGAN,
    MISSING,
    answered,
    as_json,
    as_zip,
    asked,
    conversation,
    id_of,
    line,
    message,
    node,
    other,
    talk,
    tree,
)

START = datetime.fromtimestamp(BEGAN, UTC)


def read(place: Path, user_id: str = "ann", **more: Any) -> tuple[list[Incoming], list[Skipped]]:
    told = list(conversations(parts_of(place), user_id, **more))
    incoming = [each for each in told if isinstance(each, Incoming)]
    return incoming, [each for each in told if isinstance(each, Skipped)]


def only(place: Path, **more: Any) -> Incoming:
    (incoming,), skipped = read(place, **more)
    assert not skipped
    return incoming


def messages(incoming: Incoming) -> list[MessageAdded]:
    return [event for _, event in incoming.events if isinstance(event, MessageAdded)]


def said(incoming: Incoming) -> list[tuple[str, str]]:
    return [(each.role, each.content) for each in messages(incoming)]


def times(incoming: Incoming) -> list[datetime]:
    return [time for time, _ in incoming.events]


def began(incoming: Incoming) -> ConversationStarted:
    event = incoming.events[0][1]
    assert isinstance(event, ConversationStarted)
    return event


def one_message(tmp_path: Path, each: Any, **more: Any) -> MessageAdded:
    (event,) = messages(only(as_json(tmp_path / "c.json", conversation("one", line(each))), **more))
    check_message(event)
    return event


def test_a_conversation_comes_with_its_words_roles_ids_times_and_title(tmp_path: Path) -> None:
    incoming = only(as_json(tmp_path / "conversations.json", talk()))
    assert incoming.conversation_id == UUID(id_of("greetings"))
    assert began(incoming).title == "Greetings"
    assert said(incoming) == [("user", "Hello?"), ("assistant", "Hello!")]
    assert [each.message_id for each in messages(incoming)] == ["q1", "a1"]
    assert times(incoming) == [START, START + timedelta(seconds=1), START + timedelta(seconds=2.5)]
    assert START.microsecond == 123456
    assert messages(incoming)[1].metadata == {"model": "gpt-4o"}


@pytest.mark.parametrize(
    "names", [["conversations.json"], ["conversations-000.json", "conversations-001.json"]]
)
@pytest.mark.parametrize("prefix", ["", "export/", "../../", "/etc/"])
def test_a_zip_a_folder_and_the_json_alone_say_the_same(
    tmp_path: Path, names: list[str], prefix: str
) -> None:
    talks = [talk("one", BEGAN), talk("two", BEGAN + 50)]
    share = len(talks) // len(names)
    files = {prefix + name: talks[at * share : (at + 1) * share] for at, name in enumerate(names)}
    zipped, _ = read(as_zip(tmp_path / "export.zip", files))
    for name, part in files.items():
        as_json(tmp_path / "folder" / Path(name).name, *part)
    folder, _ = read(tmp_path / "folder")
    alone, _ = read(as_json(tmp_path / "all.json", *talks))
    assert [each.events for each in zipped] == [each.events for each in folder]
    assert [each.events for each in zipped] == [each.events for each in alone]
    assert len(alone) == 2


def test_one_conversation_by_itself_is_taken_too(tmp_path: Path) -> None:
    place = tmp_path / "one.json"
    place.write_text("\ufeff \n" + json.dumps(talk(), indent=2))
    assert said(only(place)) == [("user", "Hello?"), ("assistant", "Hello!")]


def test_the_branch_that_was_shown_last_is_the_conversation_and_the_others_are_counted(
    tmp_path: Path,
) -> None:
    mapping = tree(
        node("root", None),
        node("q", "root", asked("q", "Why?")),
        node("a", "q", answered("a", "No reason.")),
        node("b", "q", answered("b", "Because.")),
        node("q2", "a", asked("q2", "Really?")),
        node("edited", "root", asked("edited", "Why not?")),
    )
    place = as_json(tmp_path / "c.json", conversation("branches", mapping, "b"))
    (incoming,), (skipped,) = read(place)
    assert said(incoming) == [("user", "Why?"), ("assistant", "Because.")]
    assert skipped.what == "3 messages on 2 other branches"
    assert skipped.where == "c.json: conversation 1"
    origin = began(incoming).metadata["chatgpt"]
    assert (origin["other_branches"], origin["messages_elsewhere"]) == (2, 3)


@pytest.mark.parametrize("current", [MISSING, None, "gone"])
def test_without_a_current_node_the_newest_leaf_is_meant(tmp_path: Path, current: Any) -> None:
    mapping = tree(
        node("root", None),
        node("q", "root", asked("q", "Why?", BEGAN + 1)),
        node("b", "q", answered("b", "Because.", BEGAN + 9)),
        node("a", "q", answered("a", "No reason.", BEGAN + 5)),
    )
    place = as_json(tmp_path / "c.json", conversation("branches", mapping, current_node=current))
    (incoming,), _ = read(place)
    assert said(incoming) == [("user", "Why?"), ("assistant", "Because.")]


def test_nodes_that_name_only_their_children_are_a_tree_too() -> None:
    mapping = {"r": Node(children=["a"]), "a": Node(message={}, children=["b"]), "b": Node(message={})}
    assert shown_branch(mapping, "b").nodes == ["r", "a", "b"]


def test_nodes_that_form_a_circle_are_gone_through_once() -> None:
    mapping = {"a": Node(message={}, parent="b"), "b": Node(message={}, parent="a")}
    assert shown_branch(mapping, "b").nodes == ["a", "b"]
    assert shown_branch(mapping, None).nodes == []


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int | None], int, list[int]]:
    """Each node's parent, the current node, and the order in which they are written down."""
    size = draw(st.integers(1, 30))
    parents = [None] + [draw(st.integers(0, at - 1)) for at in range(1, size)]
    return parents, draw(st.integers(0, size - 1)), draw(st.permutations(range(size)))


@given(trees())
def test_of_any_tree_the_shown_branch_comes_out_in_order_and_once(
    drawn: tuple[list[int | None], int, list[int]],
) -> None:
    parents, current, order = drawn
    mapping = {
        str(at): Node(message={}, parent=None if (parent := parents[at]) is None else str(parent))
        for at in order
    }
    expected: list[str] = []
    at: int | None = current
    while at is not None:
        expected.insert(0, str(at))
        at = parents[at]
    branch = shown_branch(mapping, str(current))
    assert branch.nodes == expected
    assert branch.messages_elsewhere == len(parents) - len(expected)
    newest = shown_branch(mapping, None)
    assert all(int(newest.nodes[-1]) != parent for parent in parents)


@pytest.mark.parametrize(
    ("given_time", "meant"),
    [
        (1700000001, "2023-11-14T22:13:21+00:00"),
        (1700000001.654321, "2023-11-14T22:13:21.654321+00:00"),
        ("2023-11-14T22:13:21.654321Z", "2023-11-14T22:13:21.654321+00:00"),
        ("2023-11-14T23:13:21+01:00", "2023-11-14T22:13:21+00:00"),
        ("2023-11-14T22:13:21", "2023-11-14T22:13:21+00:00"),
    ],
)
def test_times_are_kept_however_they_are_written(tmp_path: Path, given_time: Any, meant: str) -> None:
    incoming = only(as_json(tmp_path / "c.json", conversation("one", line(asked("q", "When?", given_time)))))
    assert times(incoming)[1] == datetime.fromisoformat(meant)


@pytest.mark.parametrize("given_time", [None, "soon", True, -5, 1e300, {}, 0])
def test_what_has_no_time_has_that_of_what_stands_before_it(tmp_path: Path, given_time: Any) -> None:
    said = line(asked("q", "When?", BEGAN + 1), answered("a", "Then.", given_time))
    incoming = only(as_json(tmp_path / "c.json", conversation("one", said)))
    assert times(incoming) == [START, START + timedelta(seconds=1), START + timedelta(seconds=1)]


def test_a_conversation_without_times_or_title_begins_with_its_first_message(tmp_path: Path) -> None:
    bare = conversation(
        "one", line(asked("q", "When?", BEGAN)), create_time=None, update_time=None, title=None
    )
    incoming = only(as_json(tmp_path / "c.json", bare))
    assert times(incoming)[0] == START
    assert began(incoming).title is None


def test_the_oldest_shapes_have_less(tmp_path: Path) -> None:
    """No id, no current node, no metadata: as exports were at first."""
    said = {"id": "q", "author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Hi"]}}
    place = as_json(
        tmp_path / "c.json", {"title": "Old", "mapping": {"q": {"id": "q", "message": said, "children": []}}}
    )
    first, again, bobs = only(place), only(place), only(place, user_id="bob")
    assert first == again
    assert first.conversation_id != bobs.conversation_id
    assert began(first).title == "Old"


def test_an_id_is_kept_if_it_is_a_uuid_and_otherwise_made_of_the_user_and_it(tmp_path: Path) -> None:
    kept = UUID(id_of("greetings"))
    assert only(as_json(tmp_path / "id.json", talk(conversation_id=MISSING))).conversation_id == kept
    odd = as_json(tmp_path / "odd.json", talk(conversation_id="WEB:1", id=MISSING))
    made = {only(odd, user_id=user).conversation_id for user in ("ann", "ann", "bob")}
    assert [each.version for each in made] == [5, 5]
    assert began(only(odd)).metadata["chatgpt"]["id"] == "WEB:1"


def test_projects_and_gpts_become_links(tmp_path: Path) -> None:
    projects = as_json(tmp_path / "p.json", talk(gizmo_id="g-p-6789"))
    gpts = as_json(tmp_path / "g.json", talk(conversation_template_id="g-12345"))
    assert began(only(projects)).links == (Link("project", "g-p-6789"),)
    assert began(only(gpts)).links == (Link("gpt", "g-12345"),)


CONTENTS: dict[str, tuple[dict[str, Any], str]] = {
    "code": ({"language": "python", "text": "1 + 1"}, "1 + 1"),
    "execution_output": ({"text": "2"}, "2"),
    "tether_browsing_display": ({"result": "# News", "summary": None}, "# News"),
    "tether_quote": (
        {"title": "A page", "text": "It says", "url": "https://e"},
        "A page\nIt says\nhttps://e",
    ),
    "user_editable_context": (
        {"user_profile": "I am Ann.", "user_instructions": "Be brief."},
        "I am Ann.\nBe brief.",
    ),
    "model_editable_context": ({"model_set_context": "1. Ann is Ann."}, "1. Ann is Ann."),
    "thoughts": ({"thoughts": [{"summary": "Adding", "content": "One and one"}]}, "Adding\nOne and one"),
    "reasoning_recap": ({"content": "Thought for 5 seconds"}, "Thought for 5 seconds"),
    "system_error": ({"name": "Timeout", "text": "It took too long"}, "Timeout\nIt took too long"),
    "something_new": ({"text": "New words"}, "New words"),
    "hologram": ({"data": "…"}, "[hologram]"),
}


@pytest.mark.parametrize("content_type", CONTENTS)
def test_each_kind_of_content_becomes_readable_and_is_kept_whole(tmp_path: Path, content_type: str) -> None:
    content, text = CONTENTS[content_type]
    original = other("m", "assistant", {"content_type": content_type, **content})
    event = one_message(tmp_path, original)
    assert event.content == text
    assert event.payload is not None
    assert event.payload.schema == "chatgpt.message"
    assert event.payload.data == original


IMAGE = {
    "content_type": "image_asset_pointer",
    "asset_pointer": "file-service://file-1",
    "width": 512,
    "metadata": None,
}
DRAWN = IMAGE | {"metadata": {"dalle": {"prompt": "a fox in the snow"}}}
SPOKEN = {"content_type": "audio_transcription", "text": "Good morning"}


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([IMAGE, "What is this?"], "[image]\nWhat is this?"),
        ([DRAWN], "[image: a fox in the snow]"),
        ([SPOKEN, {"content_type": "audio_asset_pointer"}], "Good morning\n[audio]"),
        (["One", "Two"], "One\nTwo"),
        ([{"no": "type"}, None, 5, ["nested"]], "[something else]"),
    ],
)
def test_parts_that_are_no_text_are_shown_and_kept(tmp_path: Path, parts: list[Any], text: str) -> None:
    original = other("m", "user", {"content_type": "multimodal_text", "parts": parts})
    event = one_message(tmp_path, original)
    assert (event.role, event.kind, event.content) == ("user", "message", text)
    assert event.payload is not None
    assert event.payload.data["content"]["parts"] == parts


def test_files_that_were_attached_and_sources_that_were_cited_are_kept(tmp_path: Path) -> None:
    attached = {"attachments": [{"id": "file-1", "name": "plan.pdf"}], "timestamp_": "absolute"}
    event = one_message(tmp_path, asked("q", "Read this", metadata=attached))
    assert event.content == "Read this"
    assert event.payload is not None
    assert event.payload.data["metadata"] == attached
    assert "content" not in event.payload.data


def test_plain_words_are_kept_once(tmp_path: Path) -> None:
    event = one_message(tmp_path, answered("a", "Words", metadata={"model_slug": "gpt-4o", "citations": []}))
    assert event.payload is None


HIDDEN = {"is_visually_hidden_from_conversation": True}


@pytest.mark.parametrize(
    ("original", "kind", "metadata"),
    [
        (message("m", "system", "You are helpful."), "context", {"role": "system"}),
        (message("m", "user", "About me", metadata=HIDDEN), "context", {}),
        (message("m", "assistant", "Old words", weight=0.0), "context", {}),
        (message("m", "critic", "Hm"), "context", {"role": "critic"}),
        (
            message("m", "tool", "4 results", author={"role": "tool", "name": "browser"}),
            "tool_output",
            {"role": "tool", "name": "browser"},
        ),
        (message("m", "assistant", "search(1)", recipient="browser"), "tool_call", {"recipient": "browser"}),
        (
            other("m", "assistant", {"content_type": "thoughts", "thoughts": [{"content": "Hm"}]}),
            "reasoning",
            {},
        ),
        (
            other("m", "tool", {"content_type": "multimodal_text", "parts": [DRAWN]}),
            "message",
            {"role": "tool"},
        ),
    ],
)
def test_what_was_not_shown_is_kept_as_another_kind(
    tmp_path: Path, original: Any, kind: str, metadata: Any
) -> None:
    event = one_message(tmp_path, original)
    assert event.kind == kind
    assert event.metadata == metadata


def test_what_says_nothing_is_no_message(tmp_path: Path) -> None:
    said = line(
        message("s", "system", "", weight=0.0),
        message("n", "assistant", None),
        message("e", "assistant", "", content=None),
        asked("q", "Hello?"),
    )
    incoming = only(as_json(tmp_path / "c.json", conversation("one", said)))
    assert [each.content for each in messages(incoming)] == ["Hello?"]


def test_an_answer_that_was_broken_off_says_so(tmp_path: Path) -> None:
    event = one_message(tmp_path, answered("a", "And th", status="finished_partial_completion"))
    assert event.status == "interrupted"


def test_messages_with_one_id_are_told_apart_by_their_nodes(tmp_path: Path) -> None:
    mapping = tree(node("one", None, asked("same", "1")), node("two", "one", answered("same", "2")))
    incoming = only(as_json(tmp_path / "c.json", conversation("one", mapping, "two")))
    assert [each.message_id for each in messages(incoming)] == ["same", "two"]


def test_a_message_that_is_too_long_is_named_and_the_rest_is_taken(tmp_path: Path) -> None:
    said = line(asked("q", "x" * 101), answered("a", "Too long."))
    place = as_json(tmp_path / "c.json", conversation("one", said))
    (incoming,), (skipped,) = read(place, limits=Limits(message_bytes=100))
    assert [each.content for each in messages(incoming)] == ["Too long."]
    assert (skipped.what, skipped.why) == ("message q", "content is 101 bytes long; the limit is 100.")


def test_words_are_taken_without_an_original_that_is_too_large(tmp_path: Path) -> None:
    original = other("m", "user", {"content_type": "multimodal_text", "parts": [IMAGE, "What is this?"]})
    place = as_json(tmp_path / "c.json", conversation("one", line(original)))
    (incoming,), (skipped,) = read(place, limits=Limits(message_bytes=100))
    (event,) = messages(incoming)
    assert (event.content, event.payload) == ("[image]\nWhat is this?", None)
    assert skipped.what == "the original of message m"
    assert "payload is" in skipped.why


@pytest.mark.parametrize("what", [5, "text", [], {"author": 5}, {"content": 7}, {"metadata": []}])
def test_a_message_that_cannot_be_read_is_named_and_the_rest_is_taken(tmp_path: Path, what: Any) -> None:
    mapping = tree(node("odd", None, what), node("q", "odd", asked("q", "Hello?")))
    (incoming,), (skipped,) = read(as_json(tmp_path / "c.json", conversation("one", mapping, "q")))
    assert said(incoming) == [("user", "Hello?")]
    assert skipped.what == "message odd"


def test_half_of_a_surrogate_pair_costs_one_message(tmp_path: Path) -> None:
    said_ = line(asked("q", "Half \ud83d of it"), answered("a", "Whole."))
    (incoming,), (skipped,) = read(as_json(tmp_path / "c.json", conversation("one", said_)))
    assert said(incoming) == [("assistant", "Whole.")]
    assert "surrogate" in skipped.why


@pytest.mark.parametrize(
    "entry", [None, 5, "folder", [], {}, {"id": "f", "name": "A folder"}, {"mapping": 5}]
)
def test_an_entry_that_is_no_conversation_is_named(tmp_path: Path, entry: Any) -> None:
    (incoming,), (skipped,) = read(as_json(tmp_path / "c.json", talk(), entry))
    assert said(incoming) == [("user", "Hello?"), ("assistant", "Hello!")]
    assert skipped.where == "c.json: conversation 2"
    assert "not a conversation" in skipped.why


@pytest.mark.parametrize("mapping", [{}, tree(node("r", None)), line(message("s", "system", ""))])
def test_a_conversation_in_which_nothing_was_said_is_named(tmp_path: Path, mapping: Any) -> None:
    incoming, (skipped,) = read(as_json(tmp_path / "c.json", conversation("empty", mapping)))
    assert not incoming
    assert skipped.why == "nothing was said in it"


def test_the_longest_titles_are_cut_and_kept(tmp_path: Path) -> None:
    incoming = only(as_json(tmp_path / "c.json", talk(title="word " * 100)))
    title = began(incoming).title
    assert title is not None
    assert len(title) <= Limits().title
    assert began(incoming).metadata["chatgpt"]["title"] == ("word " * 100).strip()


def test_the_least_recently_active_comes_first(tmp_path: Path) -> None:
    place = as_json(tmp_path / "c.json", *[talk(f"t{at}", BEGAN + at) for at in (30, 20, 10, 40)])
    incoming, _ = read(place)
    assert [began(each).title for each in incoming] == ["T10", "T20", "T30", "T40"]


def test_what_is_held_at_a_time_is_bounded(tmp_path: Path) -> None:
    place = as_json(tmp_path / "c.json", *[talk(f"t{at}", BEGAN + at) for at in (30, 20, 10)])
    for at_once in (1, 2_000, 1_000_000):
        found = [each for each in oldest_first(parts_of(place), at_once) if isinstance(each, RawConversation)]
        assert [json.loads(each.raw)["title"] for each in found] == ["T10", "T20", "T30"]


def test_of_a_conversation_in_two_exports_the_later_is_taken(tmp_path: Path) -> None:
    grown = conversation("greetings", line(asked("q1", "Hello?"), answered("a1", "Hi"), asked("q2", "More")))
    as_json(tmp_path / "may" / "conversations.json", talk())
    as_json(tmp_path / "june" / "conversations.json", grown)
    (incoming,), (skipped,) = read(tmp_path)
    assert len(messages(incoming)) == 3
    assert skipped.where == "may/conversations.json: conversation 1"
    assert "june/conversations.json: conversation 1" in skipped.why


def broken(place: Path, content: bytes) -> str:
    place.write_bytes(content)
    with pytest.raises(NotFromChatGPT) as told:
        read(place)
    return str(told.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"<html>", "begins with b'<'"),
        (b'[{"mapping": {}}, {"ma', "it breaks off in element 2"),
        (b"[", "it breaks off in element 1"),
        (b'[{"mapping": "', "it breaks off in element 1"),
        (b'{"mapping": {', "it breaks off in element 1"),
    ],
)
def test_json_that_is_none_is_refused_before_anything_is_given(
    tmp_path: Path, content: bytes, why: str
) -> None:
    assert why in broken(tmp_path / "c.json", content)


def test_one_element_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.transfer.chatgpt.elements.LONGEST", 10_000)
    monkeypatch.setattr("service.transfer.chatgpt.elements.CHUNK", 1_000)
    for filler in (b"[" * 30_000, b'"' + b"x" * 30_000, b" " * 30_000, b'{"a": 1, ' * 9_000):
        assert "longer than 10,000 bytes" in broken(tmp_path / "c.json", b"[" + filler)


@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=20,
        )
    ),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_whatever_an_array_holds_comes_out_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, array: list[Any], indent: int | None, ascii: bool
) -> None:
    place = tmp_path_factory.getbasetemp() / "array.json"
    place.write_text(json.dumps(array, indent=indent, ensure_ascii=ascii), encoding="utf-8", errors="replace")
    with pytest.MonkeyPatch.context() as patched, place.open("rb") as file:
        patched.setattr("service.transfer.chatgpt.elements.CHUNK", 3)
        found = [json.loads(each) for each in elements(file)]
    assert found == json.loads(place.read_bytes())


def test_an_array_may_end_the_file_or_not(tmp_path: Path) -> None:
    place = tmp_path / "c.json"
    place.write_bytes(b'[ 1 , "a,]" ,{"b":[]}] \n')
    with place.open("rb") as file:
        assert list(elements(file)) == [b"1", b'"a,]"', b'{"b":[]}']
    place.write_bytes(b"[1, 2")
    with place.open("rb") as file, pytest.raises(NotAnArray):
        list(elements(file))


def test_a_zip_without_conversations_says_what_would_be_right(tmp_path: Path) -> None:
    place = as_zip(tmp_path / "holiday.zip", {"photos.json": []})
    with pytest.raises(NotFromChatGPT, match=r"holds no conversations\.json .* give the zip that ChatGPT"):
        parts_of(place)


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    place = tmp_path / "bomb.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", b"[" + b" " * 30_000_000 + b"]")
    with pytest.raises(NotFromChatGPT, match="which no export does"):
        parts_of(place)


def test_a_zip_that_was_damaged_is_refused(tmp_path: Path) -> None:
    place = as_zip(tmp_path / "export.zip", {"conversations.json": [talk()]})
    whole = place.read_bytes()
    at = whole.index(b"conversations.json") + 60
    place.write_bytes(whole[:at] + b"\0\1\2\3" + whole[at + 4 :])
    with pytest.raises(NotFromChatGPT, match=r"conversations\.json cannot be read"):
        read(place)


def test_what_macos_adds_to_a_zip_is_left_alone(tmp_path: Path) -> None:
    files: dict[str, list[Any]] = {
        "conversations.json": [talk()],
        "__MACOSX/conversations.json": ["not ours"],
    }
    assert said(only(as_zip(tmp_path / "export.zip", files)))
