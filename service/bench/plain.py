"""The other side: chat history as it is written most often, with FastAPI, SQLModel and one table of messages.

It is not slowed down: there is an index for each query, a connection for each client, and no log of requests.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

import psycopg
import uvicorn
from fastapi import Depends, FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, desc, func, select

DSN: Final = "PLAIN_DSN"
CONNECTIONS: Final = 32

engine: Final = create_engine(
    "postgresql+psycopg://", creator=lambda: psycopg.connect(os.environ[DSN]), pool_size=CONNECTIONS
)
app: Final = FastAPI()


class NewPlainMessage(SQLModel):
    user_id: str
    role: str
    content: str


class PlainMessageRow(SQLModel, table=True):
    __tablename__ = "message"

    id: int | None = Field(default=None, primary_key=True)
    conversation_id: str = Field(index=True)
    user_id: str = Field(index=True)
    role: str
    content: str
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class PlainConversation(SQLModel):
    conversation_id: str
    created_at: datetime
    updated_at: datetime
    messages: int


def session() -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


Opened = Annotated[Session, Depends(session)]


@app.post("/conversations/{conversation_id}/messages", status_code=201)
def add(conversation_id: str, new: NewPlainMessage, session: Opened) -> PlainMessageRow:
    message = PlainMessageRow(conversation_id=conversation_id, **new.model_dump())
    session.add(message)
    session.commit()
    session.refresh(message)
    return message


@app.get("/conversations/{conversation_id}/messages")
def newest(conversation_id: str, session: Opened, limit: int = 50) -> list[PlainMessageRow]:
    wanted = select(PlainMessageRow).where(PlainMessageRow.conversation_id == conversation_id)
    found = session.exec(wanted.order_by(desc(PlainMessageRow.id)).limit(limit)).all()
    return list(reversed(found))


@app.get("/conversations")
def listed(user_id: str, session: Opened, limit: int = 20) -> list[PlainConversation]:
    wanted = (
        select(
            PlainMessageRow.conversation_id,
            func.min(PlainMessageRow.created_at),
            func.max(PlainMessageRow.created_at),
            func.count(),
        )
        .where(PlainMessageRow.user_id == user_id)
        .group_by(PlainMessageRow.conversation_id)
        .order_by(desc(func.max(PlainMessageRow.created_at)))
        .limit(limit)
    )
    return [
        PlainConversation(conversation_id=one, created_at=first, updated_at=last, messages=count)
        for one, first, last, count in session.exec(wanted)
    ]


def main() -> None:
    SQLModel.metadata.create_all(engine)
    uvicorn.run(app, port=0, access_log=False)


if __name__ == "__main__":
    main()
