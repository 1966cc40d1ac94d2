"""Why an item is refused; the docstring is the message.

Refusal
└── ContentRefused
    └── ItemUnfit
"""

from domain.errors import ContentRefused


class ItemUnfit(ContentRefused):
    """The item cannot be kept: {field} is {what} and must be {expected}."""
