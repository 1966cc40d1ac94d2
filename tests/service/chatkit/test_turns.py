"""A turn in ChatKit's protocol: the question stored, the reply heard and stored, all of it everybody's."""

from tests.model import Model
from tests.service.chatkit.speaking import Widget, adding, creating


def test_a_new_thread_is_told_as_the_protocol_tells_it(widget: Widget, model: Model) -> None:
    model.answers("330 ", "metres.")
    heard = widget.hear(creating("How tall is it?"))
    assert heard.types[:3] == ["thread.created", "thread.item.done", "stream_options"]
    assert heard.types[-1] == "thread.item.done"
    assert heard.text == "330 metres."
    question, reply = heard.done
    assert heard.added[0].id == reply.id
    assert widget.items(heard.thread_id) == [question, reply]
    assert model.heard()[1:] == [("user", "How tall is it?")]
    again = widget.hear(adding(heard.thread_id, "And in feet?"))
    assert widget.items(heard.thread_id) == [question, reply, *again.done]
    assert model.heard()[1:] == [
        ("user", "How tall is it?"),
        ("assistant", "330 metres."),
        ("user", "And in feet?"),
    ]
