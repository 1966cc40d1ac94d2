"""One thread, two processes of the service: whichever one is asked, it is the same thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.listening import draft, events, eventually
from tests.model import Hold, Model
from tests.service.chatkit.serving import served
from tests.service.chatkit.speaking import Widget, adding, creating, request, widget_at


@contextmanager
def two(dsn: str, model: Model, place: Path) -> Iterator[tuple[Widget, Widget]]:
    for name in ("one", "other"):
        (place / name).mkdir()
    with (
        served(dsn, model, place / "one") as one,
        served(dsn, model, place / "other") as other,
        widget_at(one.url) as here,
        widget_at(other.url) as there,
    ):
        yield here, there


def test_what_one_process_replies_another_one_shows_renames_and_stops(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with two(dsn, model, tmp_path) as (here, there):
        with here.listen(creating("One?")) as heard:
            heard.until("Once ")
            thread_id = heard.thread_id
            assert there.lines(thread_id) == ["One?"]
            assert [each.title for each in there.threads()] == ["One?"]
            there.ask("threads.update", thread_id=thread_id, title="Stories")
            again = there.hear(adding(thread_id, "Two?"))
            assert (again.text, again.errors) == ("Certainly.", [])
            heard.all()
        hold.go()
        assert heard.errors == []
        assert [each.thread.title for each in heard.events if each.type == "thread.updated"][-1] == "Stories"
        assert model.heard()[1:] == [("user", "One?"), ("assistant", "Once "), ("user", "Two?")]
        for widget in (here, there):
            assert widget.lines(thread_id) == ["One?", "Once ", "Two?", "Certainly."]
            assert widget.thread(thread_id).title == "Stories"


def test_whoever_goes_away_from_one_process_goes_on_at_another(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with two(dsn, model, tmp_path) as (here, there):
        with here.listen(creating("One?")) as heard:
            heard.until("Once ")
        eventually(lambda: draft(dsn) is None)
        question = there.items(heard.thread_id)[0]
        assert there.lines(heard.thread_id) == ["One?", "Once "]
        retry = request("threads.retry_after_item", thread_id=heard.thread_id, item_id=question.id)
        assert there.hear(retry).text == "Certainly."
        assert here.lines(heard.thread_id) == ["One?", "Certainly."]
        hold.go()


def test_a_stop_by_another_surface_of_another_process_ends_the_stream(
    dsn: str, model: Model, tmp_path: Path
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with two(dsn, model, tmp_path) as (here, there):
        with here.listen(creating("One?")) as heard:
            heard.until("Once ")
            stopped = there.client.post(f"/api/chat/{heard.thread_id}/stop", headers=there.headers)
            assert stopped.json()["stopped"] is True
            heard.all()
        hold.go()
        assert heard.done[-1].content[0].text == "Once "
        assert [each.get("status") for each in events(dsn)][-1] == "interrupted"
