"""What can be measured: one module a subject, found by its name."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

from service.bench.figures import Row

Run = Callable[[Any, int], Sequence[Row]]
"""Takes the Place to measure in, and how many rounds."""

SUBJECTS: Final = {
    "appends": "Messages appended one by one, each acknowledged once it is on the disk.",
    "batches": "Messages appended by the thousand, as an import does it.",
    "follow": "Projections that follow behind the log, and when another process can read what was appended.",
    "replay": "Projections built anew from the whole log, idle and under load.",
    "conversation": "One very long conversation beside short ones.",
    "reads": "The newest messages of a conversation, and the newest conversations of a user.",
    "http": "Messages over HTTP, beside the usual way to write such a service and the bare framework.",
    "crowd": "Many clients at once who write to one conversation, beside as many with a conversation each.",
    "listeners": "The same work with thousands of idle listeners of `/api/changes`, and with none.",
    "beside": "Reads, while others export everything, search for a common word, and replay.",
    "search": "One user's words among those of all users.",
    "transfer": "The whole record written to a file, and taken in by an empty database.",
    "growth": "The same work on a large log and on a small one.",
    "memory": "What a serving process takes: memory, and time to start.",
    "scale": "What many more messages would need, calculated from what a few cost here.",
}
"""In the order in which they are measured: names, and one sentence each."""
ONCE: Final = frozenset({"scale"})
"""What is measured once, however many rounds there are."""


def subject(name: str) -> Run:
    """Loaded only when it is measured, so that the other commands of `hansard` do not wait for it."""
    run: Run = import_module(f"service.bench.subjects.{name}").run
    return run
