"""What is known of attached files: kept for one user, and forgotten with her conversations."""

from typing import Any, Literal
from uuid import UUID

import pytest
from chatkit.store import NotFoundError
from chatkit.types import AttachmentBase

from domain.errors import ContentRefused
from service.chatkit.context import ChatContext
from service.privacy import forget
from service.store.repository import Caller
from tests.contracts.items import ANYTHING, attachment
from tests.contracts.store import whole
from tests.service.chatkit.test_store import NEIGHBOUR, ann, storing, thread_with


class Recording(AttachmentBase):
    """A type that a later release may have."""

    type: Literal["recording"] = "recording"
    seconds: dict[str, Any]


async def left(store: Any, context: ChatContext, *attachment_ids: str) -> list[str]:
    found = []
    for attachment_id in attachment_ids:
        try:
            found.append((await store.load_attachment(attachment_id, context=context)).id)
        except NotFoundError:
            continue
    return found


async def test_an_attachment_of_a_later_release_comes_back_exactly(dsn: str) -> None:
    recording: Any = Recording(id="a", name="\0", mime_type="audio/x", seconds=ANYTHING, metadata=ANYTHING)
    async with storing(dsn) as store:
        await store.save_attachment(recording, context=ann())
        assert whole(await store.load_attachment("a", context=ann())) == whole(recording)


@pytest.mark.parametrize("attachment_id", ["", "\0", "x" * 256, "\ud800"])
async def test_an_id_that_cannot_be_kept_is_refused(dsn: str, attachment_id: str) -> None:
    async with storing(dsn) as store:
        with pytest.raises(ContentRefused):
            await store.save_attachment(attachment(attachment_id), context=ann())


async def test_what_is_known_of_a_file_has_the_limits_of_a_message(dsn: str) -> None:
    async with storing(dsn) as store:
        with pytest.raises(ContentRefused, match="payload is"):
            await store.save_attachment(attachment(name="x" * 1_000_000), context=ann())


async def test_attachments_are_erased_with_their_conversation_and_with_their_user(dsn: str) -> None:
    """Each user's own, whatever she says of a thread that is not hers."""
    async with storing(dsn) as store:
        thread, other = await thread_with(store), await thread_with(store)
        bob = ChatContext.of(NEIGHBOUR)
        for context in (ann(), bob):
            await store.save_attachment(attachment("a", thread_id=thread.id), context=context)
            await store.save_attachment(attachment("b", thread_id=other.id), context=context)
            await store.save_attachment(attachment("c"), context=context)
            await store.save_attachment(attachment("d", thread_id="thr_odd"), context=context)
        await forget.erase(store.hansard, Caller("ann"), UUID(thread.id))
        assert await left(store, ann(), *"abcd") == ["b", "c", "d"]
        await forget.erase_all(store.hansard, Caller("ann"))
        assert await left(store, ann(), *"abcd") == []
        assert await left(store, bob, *"abcd") == ["a", "b", "c", "d"]
