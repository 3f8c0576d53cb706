"""One value that the wizard asks for. Typing replaces the proposal; left and right change a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..overlays import edited


class Option(NamedTuple):
    value: str
    word: str
    help: str = ""


class Field:
    """One value. `typed` is None while the proposal stands."""

    def __init__(
        self,
        key: str,
        label: str,
        help: str,
        propose: Callable[[], str] = str,
        options: Callable[[], Sequence[Option]] | None = None,
        note: Callable[[str], str] = lambda _value: "",
        shown: Callable[[], bool] = lambda: True,
        hidden: bool = False,
    ) -> None:
        self.key = key
        self.label = label
        self.help = help
        self.propose = propose
        self.options = options
        self.note = note
        self.shown = shown
        self.hidden = hidden
        """True for a password: shown as asterisks."""
        self.typed: str | None = None

    @property
    def value(self) -> str:
        return self.propose() if self.typed is None else self.typed

    def option(self) -> Option | None:
        if self.options is None:
            return None
        some = self.options()
        return next((o for o in some if o.value == self.value), some[0] if some else None)

    def press(self, key: str) -> bool:
        if self.options is not None:
            some = [o.value for o in self.options()]
            if key in ("left", "right", "space") and some:
                at = some.index(self.value) if self.value in some else 0
                self.typed = some[(at + (-1 if key == "left" else 1)) % len(some)]
                return True
            return False
        if key in ("backspace", "ctrl+u", "ctrl+w"):
            self.typed = edited(self.value, key)
            return True
        if key == "space" or (len(key) == 1 and key.isprintable()):
            self.typed = edited("" if self.typed is None else self.typed, key)
            return True
        return False
