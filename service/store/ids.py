"""New ids: UUIDv7, so that what is made later sorts later and indexes fill at one end."""

import time
from typing import Final
from uuid import UUID

from service.store.randomness import sixteen_bytes

TWELVE_BITS: Final = (1 << 12) - 1
SIXTY_TWO_BITS: Final = (1 << 62) - 1


def new_id() -> UUID:
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(sixteen_bytes())
    high = milliseconds << 16 | 0x7 << 12 | random >> 62 & TWELVE_BITS
    return UUID(int=high << 64 | 0x2 << 62 | random & SIXTY_TWO_BITS)
