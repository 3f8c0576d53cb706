"""The share of the journal that strangers may fill, however many packets they send. Pure.

The journal keeps a bounded number of rows (`loop.KEEP`), so whoever writes many pushes out what people look for. Strangers may write
ROWS at once, which is enough for the first boot of a thousand machines, and after that one row in EVERY_S. Beyond that, their records
change without the journal (`model.Journalled`). A machine that becomes a node is in the journal at once, with all that is known of it.

The share is memory, as the list of full pools is: a restart, which no stranger can cause, gives a new one.
"""

from __future__ import annotations

from typing import NamedTuple

ROWS = 8192
EVERY_S = 10.0


class Share(NamedTuple):
    left: float = ROWS
    at: float = 0.0
    """Engine time at which so much was left."""
    hushed: int = 0
    """Events of strangers that had no row since the start."""


def spent(share: Share, now: float) -> tuple[Share, bool]:
    """The share after one more event of a stranger, and whether that event has no row."""
    left = min(ROWS, share.left + max(now - share.at, 0.0) / EVERY_S)
    if left < 1:
        return Share(left, now, share.hushed + 1), True
    return Share(left - 1, now, share.hushed), False
