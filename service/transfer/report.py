"""What an import came to."""

from collections.abc import Iterator
from typing import Final

from service.transfer.incoming import Skipped

MOST_LISTED: Final = 1_000


class TransferReport:
    """Counts everything, and keeps the first of what was skipped: a file that is wrong throughout must not
    fill the memory."""

    def __init__(self) -> None:
        self.conversations = 0
        """That were not here, or not to their end."""
        self.messages = 0
        self.events = 0
        self.there_already = 0
        """Conversations of which everything was here."""
        self.skipped: list[Skipped] = []
        self.skipped_total = 0

    def skip(self, skipped: Skipped) -> None:
        self.skipped_total += 1
        if len(self.skipped) < MOST_LISTED:
            self.skipped.append(skipped)

    def told(self) -> Iterator[str]:
        yield (
            f"Imported {self.conversations:,} conversations: {self.messages:,} messages, "
            f"{self.events:,} events"
        )
        if self.there_already:
            yield f"{self.there_already:,} conversations were here already"
        if self.skipped_total:
            yield f"{self.skipped_total:,} skipped:"
        for each in self.skipped:
            where = f"{each.where}: " if each.where else ""
            yield f"  {where}{each.what}: {each.why}"
        if self.skipped_total > len(self.skipped):
            yield f"  and {self.skipped_total - len(self.skipped):,} more"
