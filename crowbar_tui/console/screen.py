"""What a session knows of screens and overlays: lines to draw, keys that they take, and what commands on them act on.

Nothing here knows the session. Pages and boxes derive from these classes (`page`, `overlays`), and the app passes them to the session
(`screens`).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple, Protocol

from engine.api.views import Step

from .styled import Line


class Subject(NamedTuple):
    nodes: tuple[str, ...] = ()
    """Ids."""
    role: str = ""


class Hint(NamedTuple):
    """A key in the key line and in the help: its name, a word, and a sentence."""

    key: str
    word: str
    help: str = ""


class Screen:
    """One screen. By default it takes no key and shows nothing in the title."""

    name = ""

    def ident(self) -> Hashable:
        return self.name

    def crumb(self) -> str:
        return self.name

    def middle(self) -> Line | None:
        """Shown in the title line instead of the state of the rack."""
        return None

    def corner(self) -> Line | None:
        """Shown in the title line instead of clock and estimate."""
        return None

    def rule(self) -> str:
        """Shown in the rule under the title: position, filter, sort."""
        return ""

    def step(self) -> Step | None:
        """The next step, if the screen shows a single thing."""
        return None

    def body(self, columns: int, rows: int) -> list[Line]:
        raise NotImplementedError

    def hints(self) -> list[Hint]:
        return []

    def press(self, key: str) -> bool:
        """Handles a key. False: the key is not for this screen."""
        return False

    def subject(self) -> Subject:
        return Subject()

    def machine(self) -> str:
        """Node id or MAC of the machine on the screen, even if it is not a node yet. Empty: none."""
        subject = self.subject()
        return subject.nodes[0] if subject.nodes else ""

    def filter(self, needle: str) -> None:
        """Shows only lines with these words."""

    def tick(self) -> None:
        """Called once a second while this screen is visible."""

    needle = ""
    filters = False


class Overlay(Protocol):
    """An overlay takes all keys until it closes."""

    def box(self, columns: int, rows: int) -> list[Line]:
        """The box with its frame, at most as large as the body."""
        ...

    def press(self, key: str) -> None: ...
