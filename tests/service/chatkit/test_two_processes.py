"""One thread, two processes of the service: whichever one is asked, it is the same thread."""

from collections.abc import Iterator

import pytest

from tests.listening import eventually
from tests.model import Hold, Model
from tests.service.chatkit.record import Record
from tests.service.chatkit.serving import Standing, served
from tests.service.chatkit.speaking import Widget, adding, creating, request, widget_at


@pytest.fixture(scope="module")
def second(
    plain: Standing, standing_model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    with served(plain.dsn, standing_model, tmp_path_factory.mktemp("second")) as service:
        yield Standing(service.url, plain.dsn)


@pytest.fixture
def there(second: Standing, widget: Widget) -> Iterator[Widget]:
    """Hers, at the other process."""
    with widget_at(second.url, widget.user_id) as there:
        yield there


def test_what_one_process_replies_another_one_shows_renames_and_stops(
    widget: Widget, there: Widget, model: Model, record: Record
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with widget.listen(creating("One?")) as heard:
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
    for each in (widget, there):
        assert each.lines(thread_id) == ["One?", "Once ", "Two?", "Certainly."]
        assert each.thread(thread_id).title == "Stories"


def test_whoever_goes_away_from_one_process_goes_on_at_another(
    widget: Widget, there: Widget, model: Model, record: Record
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with widget.listen(creating("One?")) as heard:
        heard.until("Once ")
    eventually(record.is_quiet)
    question = there.items(heard.thread_id)[0]
    assert there.lines(heard.thread_id) == ["One?", "Once "]
    retry = request("threads.retry_after_item", thread_id=heard.thread_id, item_id=question.id)
    assert there.hear(retry).text == "Certainly."
    assert widget.lines(heard.thread_id) == ["One?", "Certainly."]
    hold.go()


def test_a_stop_by_another_surface_of_another_process_ends_the_stream(
    widget: Widget, there: Widget, model: Model, record: Record
) -> None:
    hold = Hold()
    model.answers("Once ", hold)
    with widget.listen(creating("One?")) as heard:
        heard.until("Once ")
        stopped = there.client.post(f"/api/chat/{heard.thread_id}/stop", headers=there.headers)
        assert stopped.json()["stopped"] is True
        heard.all()
    hold.go()
    assert heard.done[-1].content[0].text == "Once "
    assert [each.get("status") for each in record.events()][-1] == "interrupted"
