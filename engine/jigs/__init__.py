"""Jigs: the ways to carry out a role. One file per jig.

A jig is given orders by the runner after the commit that records them, and tells what became of each by one
`events.Outcome`, given to the callback `submit`. It never raises for what a node does, never decides what follows,
and keeps nothing that the node's own record of its attempts does not hold: after a restart the engine orders
everything again, and the same id given twice is carried out once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..events import Outcome
from .order import Order

Submit = Callable[[Outcome], bool]
"""Give an outcome to the engine. False: its lane is full; offer it again a little later."""


class Jig(Protocol):
    """`start` and `acknowledge` return at once and may be called from any thread."""

    def start(self, order: Order) -> None:
        """Carry out one leg; with `order.start.resume` only learn what became of it. The same leg again re-orders
        it."""

    def acknowledge(self, attempt: str, node: str) -> None:
        """The outcome of `ID.LEG` is recorded: the node need not keep it. Best effort."""

    def close(self) -> None:
        """Stop working; what runs on nodes goes on there."""


__all__ = ["Jig", "Order", "Submit"]
