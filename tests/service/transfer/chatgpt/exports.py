"""Writes data exports as ChatGPT does: trees of messages, as JSON, in a folder or in a zip."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

BEGAN = 1_700_000_000.123456
IDS = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")

Json = dict[str, Any]


def id_of(name: str) -> str:
    return str(uuid5(IDS, name))


def message(id: str, role: str, text: str | None = None, at: Any = None, **more: Any) -> Json:
    parts = None if text is None else [text]
    return {
        "id": id,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at,
        "update_time": None,
        "content": {"content_type": "text", "parts": parts},
        "status": "finished_successfully",
        "end_turn": True,
        "weight": 1.0,
        "metadata": {},
        "recipient": "all",
        **more,
    }


def asked(id: str, text: str, at: Any = None, **more: Any) -> Json:
    return message(id, "user", text, at, **more)


def answered(id: str, text: str, at: Any = None, **more: Any) -> Json:
    return message(id, "assistant", text, at, **{"metadata": {"model_slug": "gpt-4o"}, **more})


def other(id: str, role: str, content: Json, **more: Any) -> Json:
    return message(id, role, **{"content": content, **more})


def node(name: str, parent: str | None, message: Json | None = None) -> Json:
    return {"id": name, "parent": parent, "children": [], "message": message}


def tree(*nodes: Json) -> Json:
    mapping = {each["id"]: each for each in nodes}
    for each in nodes:
        if each["parent"] in mapping:
            mapping[each["parent"]]["children"].append(each["id"])
    return mapping


def line(*messages: Json) -> Json:
    """A tree without branches: under an empty root, as in every export."""
    names = ["client-created-root", *(each["id"] for each in messages)]
    nodes = [node(each["id"], parent, each) for parent, each in zip(names, messages, strict=False)]
    return tree(node(names[0], None), *nodes)


def conversation(name: str, mapping: Json, current: str | None = None, **more: Any) -> Json:
    given = {
        "title": name.title(),
        "create_time": BEGAN,
        "update_time": BEGAN + 100,
        "mapping": mapping,
        "moderation_results": [],
        "current_node": current or next(reversed(mapping), None),
        "plugin_ids": None,
        "conversation_id": id_of(name),
        "conversation_template_id": None,
        "gizmo_id": None,
        "is_archived": False,
        "safe_urls": [],
        "default_model_slug": "gpt-4o",
        "id": id_of(name),
        **more,
    }
    return {key: value for key, value in given.items() if value is not MISSING}


MISSING: Any = object()
"""A field that the export does not have."""


def talk(name: str = "greetings", at: float = BEGAN, **more: Any) -> Json:
    said = line(asked("q1", "Hello?", at + 1), answered("a1", "Hello!", at + 2.5))
    return conversation(name, said, create_time=at, update_time=at + 3, **more)


def as_json(place: Path, *conversations: Any) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(conversations))
    return place


def as_zip(place: Path, files: Mapping[str, Sequence[Any]]) -> Path:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", '{"id": "user-1", "email": "ann@example.org"}')
        archive.writestr("chat.html", "<html></html>")
        archive.writestr("dalle-generations/", "")
        for name, conversations in files.items():
            archive.writestr(name, json.dumps(conversations))
    return place
