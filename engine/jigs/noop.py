"""Jig `noop`: milestones. There is nothing to do, so it is done at once; being able to start was the point."""

from __future__ import annotations

from ..events import Outcome
from . import Submit
from .order import Order


class NoopJig:
    """Ends each order at once, with nothing given."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit

    def start(self, order: Order) -> None:
        # An outcome that finds its lane full is ordered again by the attempt's deadline.
        self._submit(Outcome(attempt=order.attempt, node=order.node.id, what="done"))

    def acknowledge(self, attempt: str, node: str) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing runs."""
