"""Why a ChatKit request is refused; the docstring is the message. ChatKit's package is not needed to say so.

Where that package says with a ValueError that a request cannot be carried out, the refusal is one, too.

Refusal
├── NotAChatKitRequest, OpportunityNotNamed
├── ThreadIsLocked, DoesNotFit
├── NoSuchAction, NoSpeech
├── AttachmentNotFound, AttachmentTooLarge, AttachmentTypeRefused
└── ContentRefused
    └── MetadataKeyTaken
"""

from domain.errors import ContentRefused, Refusal


class NotAChatKitRequest(Refusal, ValueError):
    """This is no request of ChatKit's: {what}."""


class OpportunityNotNamed(Refusal):
    """metadata.opportunity_id must be text: the opportunity's id."""


class ThreadIsLocked(Refusal):
    """The thread is locked, and takes nothing now{why}"""


class RequestDoesNotFit(Refusal, ValueError):
    """The request does not fit the thread as it stands: {what}."""


class NoSuchAction(Refusal):
    """Nothing here carries out the action {action!r}; HANSARD_CHATKIT_SERVER names the server that would."""


class NoSpeech(Refusal):
    """Speech is not taken down here; send text."""


class AttachmentNotFound(Refusal):
    """There is no attachment {attachment_id}."""


class AttachmentTooLarge(Refusal):
    """The attachment is {size} bytes long; the limit is {limit}."""


class AttachmentTypeRefused(Refusal):
    """An attachment of the type {mime_type!r} is not taken; these are: {allowed}."""


class MetadataKeyTaken(ContentRefused):
    """A thread's metadata must not hold the key {key!r}, under which the store keeps what is its own."""
