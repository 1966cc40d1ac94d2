"""As whom the service works on its database, where such roles could be made."""

from typing import Final

RUNTIME_ROLE: Final = "hansard_runtime"
"""Can add to the log and read it; makes, changes and drops the projections' tables."""
ERASER_ROLE: Final = "hansard_eraser"
"""Can empty what was said in events, and nothing else."""
