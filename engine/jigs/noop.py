"""Jig `noop`: milestones. They have no work of their own, so each is done as soon as it may start."""

from __future__ import annotations

from ..events import Outcome
from . import Submit
from .order import Order


class NoopJig:
    """Ends each order at once, without gives."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit

    def start(self, order: Order) -> None:
        # If the engine's lane is full, the engine orders it again at the attempt's deadline.
        self._submit(Outcome(attempt=order.attempt, node=order.node.id, what="done"))

    def acknowledge(self, attempt: str, node: str) -> None:
        """Keeps nothing."""

    def close(self) -> None:
        """Runs nothing."""
