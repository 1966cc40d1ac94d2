"""The three layouts in which applications kept their conversations, as their own migrations made them."""

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

CHAT_MESSAGES = """
CREATE TABLE chat_messages (
    id serial PRIMARY KEY,
    user_id varchar(255) NOT NULL,
    session_id uuid,
    role varchar(20) NOT NULL,
    content text NOT NULL,
    is_fortune boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now())"""
PER_USER = """
CREATE TABLE chat_messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id text,
    role text,
    content text,
    created_at timestamp)"""
CHAT_MESSAGE = (
    """
CREATE TABLE conversation (
    id serial PRIMARY KEY, user_id text NOT NULL, title text, created_at timestamp NOT NULL,
    updated_at timestamp)""",
    "CREATE TYPE message_role AS ENUM ('USER', 'ASSISTANT', 'SYSTEM')",
    """
CREATE TABLE chat_message (
    id serial PRIMARY KEY, conversation_id integer, role message_role NOT NULL, content text,
    created_at timestamp)""",
)
CHATKIT = (
    """
CREATE TABLE chatkit_threads (
    id text PRIMARY KEY, user_id text NOT NULL, payload jsonb NOT NULL, opportunity_id text,
    created_at timestamptz NOT NULL)""",
    """
CREATE TABLE chatkit_thread_items (
    id text PRIMARY KEY, thread_id text NOT NULL, user_id text NOT NULL, payload jsonb NOT NULL,
    created_at timestamptz NOT NULL)""",
)


def made(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def put(dsn: str, table: str, *rows: dict[str, Any]) -> None:
    with psycopg.connect(dsn) as connection:
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join(f"%({name})s" for name in row)
            given = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in row.items()}
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(), given)  # noqa: S608


def user_item(id: str, thread: str, text: str, at: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return item(id, thread, at, type="user_message", content=content, attachments=[], inference_options={})


def assistant_item(id: str, thread: str, text: str, at: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return item(id, thread, at, type="assistant_message", content=content)


def item(id: str, thread: str, at: str, **fields: Any) -> dict[str, Any]:
    payload = {"id": id, "thread_id": thread, "created_at": at, **fields}
    return {"id": id, "thread_id": thread, "user_id": "ann", "payload": payload, "created_at": at + "Z"}


def thread(id: str, user: str, title: str | None, at: str, **more: Any) -> dict[str, Any]:
    status = more.pop("status", {"type": "active"})
    payload = {"id": id, "title": title, "created_at": at, "status": status, "metadata": {}}
    return {"id": id, "user_id": user, "payload": payload, "created_at": at + "Z", **more}
