"""What a session knows of screens and overlays: lines to draw, keys that they take, and what commands on them act on.

Nothing here knows the session. Pages and boxes derive from these classes (`page`, `overlays`), and the app passes them to the session
(`screens`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple, Protocol

from engine.api.views import Step

from .kept import PageKept
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

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """The detail of the thing under the cursor, for a wide terminal (`panes`). None: the screen has none, or no room for it."""
        return None

    def listing(self, columns: int, rows: int) -> list[Line]:
        """The body beside its detail."""
        return self.body(columns, rows)

    def list_width(self, columns: int) -> int:
        """Cells that the list takes of a wide terminal; the detail gets the others."""
        return columns // 2

    def hints(self) -> list[Hint]:
        return []

    def press(self, key: str) -> bool:
        """Handles a key. False: the key is not for this screen."""
        return False

    def point(self, x: int, y: int, text: str) -> str:
        """A click in a line of the body with this text. Puts the cursor on the thing there: `moved`, or `there` if it was there before.
        Empty: nothing is there."""
        return ""

    def subject(self) -> Subject:
        return Subject()

    def machine(self) -> str:
        """Node id or MAC of the machine on the screen, even if it is not a node yet. Empty: none."""
        subject = self.subject()
        return subject.nodes[0] if subject.nodes else ""

    def filter(self, text: str) -> None:
        """Shows only lines that fit (`needle`)."""

    def table(self) -> list[Sequence[str]]:
        """What the screen lists, each thing whole: a row of names, then the values. Empty: it is text and no list."""
        return []

    def fields(self) -> list[tuple[str, str]]:
        """Names and values of the thing under the cursor."""
        return []

    keeps = False
    """True: filter and sort are kept until the next start."""

    def kept(self) -> PageKept:
        return PageKept()

    def restore(self, kept: PageKept) -> None:
        """Takes filter and sort of an earlier start."""

    def tick(self) -> None:
        """Called once a second while this screen is visible."""

    needle = ""
    wrong = ""
    """Why the filter that is typed now does not count."""
    filters = False
    list_cells = 0
    """Cells of the list as it was drawn last. What is right of them is its detail."""
    typing = False
    """True if keys are letters of a text here: the user's keymap does not count."""


class Overlay(Protocol):
    """An overlay takes all keys until it closes."""

    commands: bool
    """True if its keys are those of commands, which the user's keymap moves. Otherwise they are letters of a text or of an answer."""

    def box(self, columns: int, rows: int) -> list[Line]:
        """The box with its frame, at most as large as the body."""
        ...

    def press(self, key: str) -> None: ...
