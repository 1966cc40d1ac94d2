"""How the conversations of an application of ADK's are called on the record."""

from typing import Final
from urllib.parse import unquote

from service.agents.adk.record import AppLink

ESCAPED: Final = str.maketrans({"%": "%25", "/": "%2F", ":": "%3A"})
"""No path holds a slash, and the colon stands between an application and its session."""


def session_name(app_name: str, session_id: str) -> str:
    return f"adk:{escaped(app_name)}:{escaped(session_id)}"


def session_in(app_name: str, name: str | None) -> str | None:
    """None for a conversation that is no session, or has no name any more."""
    start = session_name(app_name, "")
    return unquote(name.removeprefix(start)) if name and name.startswith(start) else None


def app_link(app_name: str) -> AppLink:
    """What every session of an application is linked to."""
    return AppLink("adk", escaped(app_name))


def user_state(app_name: str) -> str:
    """Of each user's own: what the application remembers of her."""
    return f"adk-user:{escaped(app_name)}"


def app_state(app_name: str) -> str:
    """What all share; and the user whose conversation that is."""
    return f"adk-app:{escaped(app_name)}"


def escaped(text: str) -> str:
    return text.translate(ESCAPED)
