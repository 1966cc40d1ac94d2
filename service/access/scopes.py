"""What a key may do."""

from collections.abc import Mapping
from typing import Final, Literal

Scope = Literal["read", "write", "audit", "admin"]

GRANTED: Final[Mapping[Scope, frozenset[Scope]]] = {
    "read": frozenset({"read"}),
    "write": frozenset({"read", "write"}),
    "audit": frozenset({"read", "audit"}),
    "admin": frozenset({"read", "write", "audit", "admin"}),
}
"""What a key of each scope may do: who writes reads, who audits reads and writes nothing."""
