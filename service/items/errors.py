"""Why an item is refused; the docstring is the message.

Refusal
└── ContentRefused
    └── ItemUnfit, ItemContradicted
"""

from domain.errors import ContentRefused


class ItemUnfit(ContentRefused):
    """The item cannot be kept: {field} is {what} and must be {expected}."""


class ItemContradicted(ContentRefused):
    """{field} says something else than the item; leave it out, and it is taken from the item."""
