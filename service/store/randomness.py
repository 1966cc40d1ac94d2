"""Random bytes, from the system in blocks: each call for some lets every other thread go first."""

import os
from collections import deque
from typing import Final

SIZE: Final = 16
AT_ONCE: Final = 256

_pieces: Final[deque[bytes]] = deque()


def sixteen_bytes() -> bytes:
    """Nobody else gets the same: no thread, and no process that is forked from this one."""
    try:
        return _pieces.popleft()
    except IndexError:
        block = os.urandom(SIZE * AT_ONCE)
        _pieces.extend(block[at : at + SIZE] for at in range(SIZE, len(block), SIZE))
        return block[:SIZE]


os.register_at_fork(after_in_child=_pieces.clear)
