"""What can stand in the way of a session on the record."""


class Refused(Exception):
    """Hansard refused a request. The problem's type is one of those in the README."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(f"{problem}: {detail}")
        self.problem = problem


class NoConversation(Refused):
    """There is no such conversation, or none any more."""


class NameInUse(Refused):
    """A conversation has this name already."""


class Moved(Exception):
    """Something was added that the writer has not read."""
