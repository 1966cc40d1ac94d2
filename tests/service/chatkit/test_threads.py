"""What a request has changed of a thread, told apart from what others have."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.conversation import Conversation
from domain.events import MetadataChanged
from service.chatkit.threads import CHATKITS, changes, fits, merged, own_in

ID = "01890a5d-ac96-774b-bcce-b302099a8057"

values: st.SearchStrategy[Any] = st.sampled_from([None, 0, 1, True, False, 1.0, "", [], {}, [1]])
objects = st.dictionaries(st.sampled_from("abc"), values)


def kinds(value: Any) -> str:
    """1, 1.0 and True are three things."""
    return repr(value)


def sorted_in(data: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((key, kinds(value)) for key, value in data.items())


@given(objects, objects)
def test_who_changes_nothing_leaves_everything_to_the_others(
    now: dict[str, Any], seen: dict[str, Any]
) -> None:
    assert sorted_in(merged(now, seen, dict(seen))) == sorted_in(now)


@given(objects, objects)
def test_where_nobody_else_has_changed_anything_it_is_as_wished(
    seen: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert sorted_in(merged(dict(seen), seen, wanted)) == sorted_in(wanted)


@given(objects, objects, objects)
def test_each_key_is_changed_for_itself(
    seen: dict[str, Any], theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    result = merged(theirs, seen, ours)
    nothing = object()
    for key in "abc":
        mine, before = ours.get(key, nothing), seen.get(key, nothing)
        wanted = theirs.get(key, nothing) if kinds(mine) == kinds(before) else mine
        assert kinds(result.get(key, nothing)) == kinds(wanted)


def test_a_save_that_changes_nothing_is_no_event() -> None:
    fields = {"id": ID, "title": "Shown", "status": {"type": "active"}, "metadata": {"a": 1}}
    fields["created_at"] = "2026-01-01T00:00:00"
    for metadata in ({"a": 1}, {"a": 1, CHATKITS: {"created_at": "2026-01-01T00:00:00"}}, {"b": 2}):
        known = Conversation(UUID(ID), "ann", 5, metadata=metadata, ended=True)
        assert changes(known, fields, dict(fields)) == []


def test_what_is_not_chatkits_under_its_key_is_taken_for_nothing() -> None:
    odd: Any
    for odd in (None, 7, "x", []):
        assert own_in({CHATKITS: odd}) == {}
    for name, odd in {"created_at": [], "status": {"type": "odd"}, "title": "x", "id": "y"}.items():
        assert not fits(name, odd)
    for name, value in {"created_at": "2026-01-01T00:00:00", "status": {"type": "locked"}, "new": 1}.items():
        assert fits(name, value)


def test_what_a_later_release_keeps_of_a_thread_stays_when_this_one_saves_it() -> None:
    later = {"created_at": "2026-01-01T00:00:00", "status": {"type": "paused"}, "mood": "merry"}
    before = {"id": ID, "title": None, "status": {"type": "active"}, "metadata": {}}
    before["created_at"] = "2026-01-01T00:00:00"
    known = Conversation(UUID(ID), "ann", 5, metadata={CHATKITS: later})
    assert changes(known, before, before | {"metadata": {"a": 1}}) == [
        MetadataChanged({"a": 1, CHATKITS: later})
    ]
