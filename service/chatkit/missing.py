"""What is not there, as a refusal of Hansard's and as ChatKit's own error: a server of the application's own
catches that one."""

from collections.abc import Iterator
from contextlib import contextmanager

from chatkit.store import NotFoundError

from domain.errors import ConversationIsErased, ConversationNotFound, MessageNotFound
from service.chatkit import errors


class ThreadNotFound(ConversationNotFound, NotFoundError):
    """Thread {thread_id} not found."""


class ItemNotFound(MessageNotFound, NotFoundError):
    """Item {message_id} not found."""


class NoSuchAttachment(errors.AttachmentNotFound, NotFoundError):
    """Attachment {attachment_id} not found."""


@contextmanager
def as_not_found(thread_id: str) -> Iterator[None]:
    """What is somebody else's, and what was erased, is not there."""
    try:
        yield
    except (ConversationNotFound, ConversationIsErased):
        raise ThreadNotFound(thread_id=thread_id) from None
    except MessageNotFound as missing:
        raise ItemNotFound(**missing.facts) from None
