"""Attachments: Hansard keeps what there is to know of them; the files themselves are the host application's.

Where the host takes files is a setting: the client is told to PUT each there, under the attachment's id.
"""

from fnmatch import fnmatchcase
from typing import Any

from chatkit.store import AttachmentStore
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    ImageAttachment,
)
from pydantic import AnyUrl

from domain.content import LIMITS, check_name
from service.chatkit.context import ChatContext
from service.chatkit.errors import AttachmentTooLarge, AttachmentTypeRefused
from service.settings.settings import Settings
from service.store.ids import new_id


class Uploads(AttachmentStore[ChatContext]):
    def __init__(self, settings: Settings) -> None:
        self._place = settings.chatkit_upload_url
        self._limit = settings.chatkit_upload_limit
        self._types = settings.chatkit_upload_types.lower().split()

    def generate_attachment_id(self, mime_type: str, context: ChatContext) -> str:
        return str(new_id())

    async def create_attachment(self, input: AttachmentCreateParams, context: ChatContext) -> Attachment:
        self._check(input)
        attachment_id = self.generate_attachment_id(input.mime_type, context)
        known: dict[str, Any] = {
            "id": attachment_id,
            "name": input.name,
            "mime_type": input.mime_type,
            "metadata": {"size": input.size},
        }
        if self._place is None:
            return FileAttachment(**known)
        url = AnyUrl(self._place.replace("{id}", attachment_id))
        known["upload_descriptor"] = AttachmentUploadDescriptor(url=url, method="PUT")
        if input.mime_type.lower().startswith("image/"):
            return ImageAttachment(**known, preview_url=url)
        return FileAttachment(**known)

    async def delete_attachment(self, attachment_id: str, context: ChatContext) -> None:
        """The Store forgets it. The file is the host's, who knows its id."""

    def _check(self, wish: AttachmentCreateParams) -> None:
        check_name("name", wish.name, LIMITS.title)
        check_name("mime_type", wish.mime_type, LIMITS.title)
        if not 0 <= wish.size <= self._limit:
            raise AttachmentTooLarge(size=wish.size, limit=self._limit)
        kind = wish.mime_type.partition(";")[0].strip().lower()
        if not any(fnmatchcase(kind, each) for each in self._types):
            raise AttachmentTypeRefused(mime_type=wish.mime_type, allowed=", ".join(self._types))
