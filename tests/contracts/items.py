"""Items of every kind that ChatKit has, and of kinds that it will have."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from warnings import catch_warnings

from chatkit.actions import Action
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    CustomSummary,
    CustomTask,
    DurationSummary,
    EndOfTurnItem,
    EntitySource,
    FileAttachment,
    GeneratedImage,
    GeneratedImageItem,
    HiddenContextItem,
    ImageAttachment,
    InferenceOptions,
    SDKHiddenContextItem,
    SearchTask,
    StructuredInputAnswer,
    StructuredInputFreeform,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    TaskItem,
    ThoughtTask,
    ThreadItem,
    ThreadItemBase,
    ToolChoice,
    URLSource,
    UserMessageItem,
    UserMessageTagContent,
    UserMessageTextContent,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import DynamicWidgetRoot, StrictWidgetRoot, WidgetRoot
from pydantic import AnyUrl, Field, TypeAdapter

WHEN = datetime(2026, 3, 29, 2, 30, 0, 123)  # noqa: DTZ001 - ChatKit's times are naive
"""An hour that some places do not have."""
ANYTHING: dict[str, Any] = {"a": [1, 2.5, None, True, "é\0", {"b": {}}], "": 2**64 - 1}


def user_said(item_id: str, text: str = "Hello", **more: Any) -> UserMessageItem:
    given = {"content": [UserMessageTextContent(text=text)], "inference_options": InferenceOptions(), **more}
    return UserMessageItem(**base(item_id) | given)


def replied(item_id: str, text: str = "Hi", **more: Any) -> AssistantMessageItem:
    return AssistantMessageItem(**base(item_id) | {"content": [AssistantMessageContent(text=text)], **more})


def hidden(item_id: str, content: Any = "secret") -> HiddenContextItem:
    return HiddenContextItem(**base(item_id), content=content)


def working(item_id: str, *titles: str) -> WorkflowItem:
    """An open workflow."""
    tasks: list[Any] = [CustomTask(title=title, status_indicator="loading") for title in titles]
    return WorkflowItem(**base(item_id), workflow=Workflow(type="custom", tasks=tasks, expanded=True))


def worked(open_one: WorkflowItem) -> WorkflowItem:
    """The same, closed."""
    done = open_one.model_copy(deep=True)
    done.workflow.summary = DurationSummary(duration=3)
    done.workflow.expanded = False
    return done


def base(item_id: str) -> dict[str, Any]:
    return {"id": item_id, "thread_id": "somewhere", "created_at": WHEN}


def attachment(attachment_id: str = "a1", **more: Any) -> FileAttachment:
    given = {"id": attachment_id, "name": "plan.pdf", "mime_type": "application/pdf", **more}
    return FileAttachment(**given)


def older_widget(data: dict[str, Any]) -> WidgetRoot:
    """Of one of ChatKit's own classes, which are deprecated."""
    with catch_warnings(action="ignore", category=DeprecationWarning):
        return TypeAdapter[WidgetRoot](StrictWidgetRoot).validate_python(data)


PICTURE = ImageAttachment(
    id="a2",
    name="me.png",
    mime_type="image/png",
    preview_url=AnyUrl("https://example.org/me.png?small=1"),
    thread_id="somewhere",
    metadata={"key": ANYTHING},
)

EVERY_KIND: list[ThreadItem] = [
    user_said("u1"),
    user_said(
        "u2",
        content=[
            UserMessageTextContent(text="Ask "),
            UserMessageTagContent(id="t", text="ann", data=ANYTHING, group="people", interactive=True),
            UserMessageTextContent(text=" about \0 and 🌍"),
        ],
        attachments=[PICTURE],
        quoted_text="as she said",
        inference_options=InferenceOptions(tool_choice=ToolChoice(id="search"), model="m"),
    ),
    user_said("u3", content=[]),
    replied("r1"),
    replied(
        "r2",
        content=[
            AssistantMessageContent(
                text="See there",
                annotations=[
                    Annotation(source=URLSource(title="t", url="https://example.org"), index=3),
                    Annotation(source=EntitySource(id="e", title="t", data=ANYTHING)),
                ],
            ),
            AssistantMessageContent(text="and there"),
        ],
    ),
    ClientToolCallItem(**base("c1"), call_id="call", name="look", arguments=ANYTHING),
    ClientToolCallItem(
        **base("c2"), call_id="call", name="look", arguments={}, output=ANYTHING, status="completed"
    ),
    WidgetItem(
        **base("w1"),
        widget=older_widget({"type": "ListView", "children": [{"type": "ListViewItem", "children": []}]}),
        copy_text="Copied",
    ),
    WidgetItem(
        **base("w2"),
        widget=DynamicWidgetRoot.model_validate(
            {"type": "Card", "shade": {"deep": 1}, "children": [{"type": "Dial", "needle": [1, 2]}]}
        ),
    ),
    GeneratedImageItem(**base("i1")),
    GeneratedImageItem(**base("i2"), image=GeneratedImage(id="i", url="https://example.org/i.png")),
    StructuredInputItem(
        **base("s1"),
        inputs=[
            StructuredInputFreeform(id="q1", question="Why?", description="In short"),
            StructuredInputMultipleChoice(
                id="q2",
                question="Which?",
                options=[StructuredInputMultipleChoiceOption(value="this")],
                multiple=True,
                answer=StructuredInputAnswer(values=["this", "that"]),
            ),
        ],
        status="answered",
    ),
    working("f1", "Look", "Think"),
    WorkflowItem(
        **base("f2"),
        workflow=Workflow(
            type="reasoning", tasks=[ThoughtTask(content="Hm")], summary=CustomSummary(title="Thought")
        ),
    ),
    TaskItem(**base("t1"), task=SearchTask(title="Search", queries=["q"], sources=[])),
    HiddenContextItem(**base("h1"), content="secret"),
    HiddenContextItem(**base("h2"), content=ANYTHING),
    SDKHiddenContextItem(**base("h3"), content="secret"),
    EndOfTurnItem(**base("e1")),
]


class LaterItem(ThreadItemBase):
    """As a later release of ChatKit may have one."""

    type: Literal["hologram"] = "hologram"
    depth: dict[str, Any] = Field(default_factory=lambda: {"metres": 3})
    action: Action[Literal["turn"], dict[str, int]] = Action(type="turn", payload={"degrees": 90})


class LaterReply(AssistantMessageItem):
    """A type that there is, with a field that there is not."""

    mood: dict[str, str] = Field(default_factory=lambda: {"tone": "merry"})


LATER: list[Any] = [LaterItem(**base("l1")), LaterReply(**base("l2"), content=[])]


def later(seconds: int) -> datetime:
    return WHEN + timedelta(seconds=seconds)


AWARE = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
