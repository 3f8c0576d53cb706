"""Commands to the engine, and the answers to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Note(NamedTuple):
    at: float
    ok: bool
    text: str
    advice: str


class Order(NamedTuple):
    """A command to the engine."""

    verb: str
    node: str
    role: str = ""
    value: Any = None


class Batch:
    """The commands that were given together, and their answers."""

    def __init__(self, orders: list[Order], done: Callable[[list[Note]], None]) -> None:
        self.left = len(orders)
        self._orders = orders
        self._answers: list[Note | None] = [None] * len(orders)
        self._done = done

    def took(self, order: Order, answer: Note) -> bool:
        """False: the command is not one of these."""
        at = next((i for i, one in enumerate(self._orders) if one == order and self._answers[i] is None), -1)
        if at < 0:
            return False
        self._answers[at] = answer
        self.left -= 1
        if not self.left:
            self._done([one for one in self._answers if one is not None])
        return True
