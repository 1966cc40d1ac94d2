"""What hypothesis draws: few users, ids and words, so that they meet often."""

from typing import Any

from hypothesis import strategies as st

from domain.events import Link
from projections.rebuilding.loading import LoadLimits
from tests.machine.moods import MARKER, NAMES
from tests.machine.wishes import ANN, USERS, Add, Change, Rate, Remove, Revise, Said, Start, Wish

users = st.sampled_from([ANN, ANN, *USERS])
slots = st.sampled_from([0, 0, 0, 1, 2])
message_ids = st.sampled_from(["m1", "m2", "m3"])
texts = st.sampled_from(["yes", "no", "Will I be lucky?", "nul\0 Grüße 🌍", "  \n", MARKER, f"some {MARKER}"])
metadata: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, {"a": 1}, {"b": [None, "ü\0"]}])
links = st.sampled_from([Link("opportunity", "1"), Link("opportunity", "2"), Link("ticket", "1")])
titles = st.sampled_from(["One", "Another"])
versions = st.sampled_from([None, None, None, 0, 0, -1, 1])
commands = st.sampled_from([None, None, 0, 1, 2])

common: dict[str, Any] = {"who": users, "slot": slots}
guarded: dict[str, Any] = {**common, "expects": versions, "command": commands}

new_messages = st.builds(
    Said,
    content=texts,
    role=st.sampled_from(["user", "assistant"]),
    kind=st.sampled_from(["message", "message", "widget"]),
    tokens=st.none() | st.integers(0, 9),
    metadata=metadata,
)
new_items = st.builds(
    lambda said, content, item: Said(role=said[0], kind=said[1], content=content, item=item),
    st.sampled_from([("assistant", "tool_call"), ("tool", "tool_output"), ("system", "instructions")]),
    texts,
    metadata,
)
chosen = st.builds(
    Said, content=texts, id=message_ids, kind=st.sampled_from(["message", "workflow"])
) | st.builds(Said, content=st.just("yes"), id=message_ids)

starts = st.builds(
    Start,
    **common,
    command=commands,
    title=st.none() | titles,
    links=st.sets(links).map(lambda found: tuple(sorted(found, key=repr))),
    metadata=metadata,
    first=st.lists(new_messages | chosen, max_size=2).map(tuple),
    anew=st.sampled_from([False, False, True]),
    name=st.sampled_from([None, None, "thr_1", "thr_2"]),
)
additions = st.builds(
    Add, **guarded, messages=st.lists(new_messages | new_items, min_size=1, max_size=3).map(tuple)
)
chosen_additions = st.builds(Add, **guarded, messages=st.lists(chosen, min_size=1, max_size=3).map(tuple))
revisions = st.builds(
    Revise, **guarded, message_id=message_ids, content=texts, kind=st.sampled_from(["message", "widget"])
)
removals = st.builds(Remove, **common, expects=versions, message_id=message_ids)
ratings = st.builds(
    Rate, **common, message_id=message_ids, rating=st.sampled_from(["up", "down"]), comment=st.none() | texts
)


def change(decision: str, *given: st.SearchStrategy[Any]) -> st.SearchStrategy[Wish]:
    return st.builds(Change, **guarded, decision=st.just(decision), given=st.tuples(*given))


changes = st.one_of(
    change("rename", titles),
    change("change_metadata", metadata),
    change("link", links),
    change("unlink", links),
    change("fail_reply", message_ids, st.just("none came")),
)
ends = change("end") | change("reopen")
erasures = st.builds(
    Change,
    **{**guarded, "slot": st.sampled_from([0, 1, 1, 2, 2])},
    decision=st.just("erase"),
    given=st.just(("ada", "asked")),
)

wishes: st.SearchStrategy[tuple[int, Wish]] = st.tuples(
    st.integers(0, 2),
    st.one_of(
        additions, chosen_additions, chosen_additions, revisions, removals, ratings, changes, ends, starts
    ),
)
talks = st.lists(wishes, min_size=1, max_size=8)
bursts = st.lists(wishes, min_size=2, max_size=6)
names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
limits = st.sampled_from(
    [
        LoadLimits(),
        LoadLimits(3, 7, 5),
        LoadLimits(1, 1, 1),
        LoadLimits(chunk_events=2, segment_events=100, segment_rows=4),
    ]
)
chores = st.lists(st.sampled_from(["follow", "replay", "check", "retry"]), max_size=2, unique=True)
