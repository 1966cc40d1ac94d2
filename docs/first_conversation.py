"""Puts a conversation on the record of a running `make serve`, and reads it back."""

import asyncio
from pathlib import Path
from uuid import uuid4

from domain.events import MessageAdded
from projections import history, search
from service import commands
from service.hansard import running
from service.postgres.opened import opened
from service.settings.settings import Settings
from service.store.repository import Caller

ASKED = "What is the longest word in English?"
ANSWERED = "Pneumonoultramicroscopicsilicovolcanoconiosis, in most dictionaries."


async def main(settings: Settings, dsn: str) -> None:
    ann = Caller(user_id="ann", actor="first_conversation.py")
    question = MessageAdded(message_id=str(uuid4()), role="user", content=ASKED)
    answer = MessageAdded(
        message_id=str(uuid4()), role="assistant", content=ANSWERED, in_reply_to=question.message_id
    )
    async with running(settings, dsn) as hansard:
        started = await commands.start_conversation(
            hansard.repository, ann, first_messages=[question, answer]
        )
        if started.conversation is None:
            raise SystemExit("the conversation was not stored")
        shard = hansard.store.shard_of(ann.user_id)
        page = await history.page(hansard.views["history"], shard, started.conversation.id, limit=50)
        for place, message in enumerate(page, 1):
            print(f"{place}  {message.role:9}  {history.decode_text(message.content)}")
        print(f"stored as version {started.conversation.version} of its conversation")
        (found, *_) = await search.find(
            hansard.views["search"], settings.search_language, shard, ann.user_id, "longest word", limit=1
        )
        print(f"found again: {found.html}")


if __name__ == "__main__":
    given = Settings.load({}, data=str(Path("hansard-data")))
    with opened(given, print) as database:
        asyncio.run(main(given, database.dsn))
