"""Jigs: the ways to run a role. One file per jig.

The runner gives orders to a jig after the commit that records them. The jig reports the outcome of each order by one `events.Outcome` to
the callback `submit`. It never raises because of a node, never decides what follows, and keeps nothing that the node's own record of its
attempts does not hold. After a restart the engine orders everything again; the same id is carried out only once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..events import Outcome
from .order import Order

Submit = Callable[[Outcome], bool]
"""Passes an outcome to the engine. False: its lane is full; try again a little later."""


class Jig(Protocol):
    """`start` and `acknowledge` return at once. Any thread may call them."""

    def start(self, order: Order) -> None:
        """Carries out one leg. With `order.start.resume` it only finds out what became of the leg. The same leg again repeats the order."""

    def acknowledge(self, attempt: str, node: str) -> None:
        """The outcome of `ID.LEG` is recorded, so the node may delete it. Best effort."""

    def close(self) -> None:
        """Stops the jig. Tasks on nodes continue."""


__all__ = ["Jig", "Order", "Submit"]
