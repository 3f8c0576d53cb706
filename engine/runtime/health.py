"""The loop's own figures for the console."""

from __future__ import annotations

from msgspec import Struct

from ..events import Event


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event that could not be processed: a defect of this program. `what` is the class of the event, or `effects`."""

    at: float
    now: float
    what: str
    event: Event | None
    error: str
    traceback: str


class Health(Struct, frozen=True, kw_only=True):
    """The loop's own figures, for the console. Times in seconds."""

    now: float
    seq: int
    events: int
    batches: int
    refused: int
    waiting: dict[str, int]
    turned_away: dict[str, int]
    wakes: int
    slowest_s: float
    slowest: str
    """The longest step since the start, and the class of its event."""
    letters: tuple[DeadLetter, ...]
    failure: str
