"""What is stored of one user: the log, and the reply that is running."""

from dataclasses import dataclass
from typing import Any

from tests.listening import draft, events


@dataclass(frozen=True)
class Record:
    dsn: str
    user_id: str = "ann"

    def events(self) -> list[dict[str, Any]]:
        return events(self.dsn, self.user_id)

    def draft(self) -> str | None:
        return draft(self.dsn, self.user_id)

    def stored(self) -> list[tuple[str, str]]:
        """What the log says of messages and of replies that there are not."""
        found = []
        for each in self.events():
            if each["topic"] == "message_added":
                found.append((each["content"], each.get("status", "complete")))
            elif each["topic"] == "reply_failed":
                found.append(("", each["reason"]))
        return found

    def is_quiet(self) -> bool:
        return self.draft() is None

    def is_over(self) -> bool:
        """The question is stored, and what was replied to it too, or that nothing was."""
        return self.is_quiet() and len(self.stored()) > 1
