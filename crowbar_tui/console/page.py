"""The kinds of pages: screens that read the session. A page is either text to scroll, or a list of things.

`Listing` keeps the cursor on its thing (by `ident`), filters, sorts, and draws only the visible part. A thing may take several lines.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from .screen import Screen
from .session import Session
from .styled import Line, barred, line


class Page(Screen):
    def __init__(self, session: Session) -> None:
        self.session = session


class Scroll(Page):
    """A screen of lines to read, without a cursor."""

    top = 0
    _room = 1
    _many = 0

    def text(self, columns: int) -> list[Line]:
        raise NotImplementedError

    def body(self, columns: int, rows: int) -> list[Line]:
        lines = self.text(columns)
        self._room, self._many = rows, len(lines)
        self.top = max(min(self.top, len(lines) - rows), 0)
        return lines[self.top : self.top + rows]

    def rule(self) -> str:
        if self._many <= self._room:
            return ""
        return f"{self.top + 1}-{min(self.top + self._room, self._many)} of {self._many}"

    def press(self, key: str) -> bool:
        move = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": 1 - self._room, "pagedown": self._room - 1}.get(key)
        if move is not None:
            self.top = max(min(self.top + move, self._many - self._room), 0)
            return True
        if key in ("home", "g", "end", "G"):
            self.top = 0 if key in ("home", "g") else max(self._many - self._room, 0)
            return True
        return False


class Sort(NamedTuple):
    name: str
    key: Callable[[Any], Any] | None
    """None: the natural order."""


class Listing(Page):
    filters = True
    sorts: Sequence[Sort] = (Sort("", None),)
    empty = "nothing here yet"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.needle = ""
        self.sort = 0
        self.reverse = False
        self.at: Hashable = None
        """Ident of the thing under the cursor."""
        self.index = 0
        self.moved = False
        """True until the user moves the cursor: it stays at the top, whatever comes up there."""
        self.top = 0
        self._seen = 0
        self._room = 10
        self._cache: tuple[Any, list[Any]] | None = None

    # -- for each kind ---------------------------------------------------------------------------------------------

    def things(self) -> Sequence[Any]:
        raise NotImplementedError

    def key_of(self, thing: Any) -> Hashable:
        key: Hashable = thing
        return key

    def nothing(self) -> str:
        """The text for an empty list."""
        return self.empty

    def searched_text(self, thing: Any) -> str:
        """The text that the filter searches."""
        return str(thing)

    def heads(self, columns: int) -> list[Line]:
        return []

    def draw(self, thing: Any, columns: int, chosen: bool) -> list[Line]:
        raise NotImplementedError

    # -- drawing ---------------------------------------------------------------------------------------------------

    def shown(self) -> list[Any]:
        """The things after filter and sort."""
        key = (self.session.version, self.needle, self.sort, self.reverse)
        if self._cache is not None and self._cache[0] == key:
            return self._cache[1]
        out = list(self.things())
        if self.needle:
            needle = self.needle.lower()
            keep, needle = (False, needle[1:]) if needle.startswith("!") else (True, needle)
            parts = needle.split()
            out = [t for t in out if all(p in self.searched_text(t).lower() for p in parts) == keep] if parts else out
        by = self.sorts[self.sort % len(self.sorts)].key
        if by is not None:
            out.sort(key=by)
        if self.reverse:
            out.reverse()
        self._cache = (key, out)
        return out

    def chosen(self) -> Any:
        """The thing under the cursor, or None."""
        things = self.shown()
        if not things:
            return None
        self._find(things)
        return things[self.index]

    def _find(self, things: list[Any]) -> None:
        if not self.moved:
            self.index, self.at = 0, self.key_of(things[0])
            return
        if self.index < len(things) and self.key_of(things[self.index]) == self.at:
            return
        for i, thing in enumerate(things):
            if self.key_of(thing) == self.at:
                self.index = i
                return
        # The thing is gone: the cursor stays on its line.
        self.index = max(min(self.index, len(things) - 1), 0)
        self.at = self.key_of(things[self.index])

    def body(self, columns: int, rows: int) -> list[Line]:
        heads = self.heads(columns)
        room = max(rows - len(heads), 1)
        things = self.shown()
        self._room = room
        if not things:
            said = f"no line contains {self.needle!r}" if self.needle else self.nothing()
            return [*heads, line(), line("  ", (said, "dim"))]
        self._find(things)
        drawn: dict[int, list[Line]] = {}

        def lines(i: int) -> list[Line]:
            if i not in drawn:
                chosen = i == self.index
                some = self.draw(things[i], columns, chosen)
                drawn[i] = [barred(some[0], columns), *some[1:]] if chosen and some else some
            return drawn[i]

        self.top = max(min(self.top, self.index, len(things) - 1), 0)
        need = sum(len(lines(i)) for i in range(self.top, self.index + 1)) if self.index - self.top <= room else room + 1
        if need > room:
            self.top, used = self.index, len(lines(self.index))
            while self.top > 0 and used + len(lines(self.top - 1)) <= room:
                self.top -= 1
                used += len(lines(self.top))
        out: list[Line] = []
        i = self.top
        while i < len(things) and len(out) < room:
            out += lines(i)
            i += 1
        if i >= len(things) and len(out) < room and self.top > 0:  # the end is visible: fill from above
            while self.top > 0 and len(out) + len(lines(self.top - 1)) <= room:
                self.top -= 1
                out = [*lines(self.top), *out]
        self._seen = i - self.top
        return [*heads, *out[:room]]

    def rule(self) -> str:
        things = self.shown()
        parts = []
        if self.needle:
            parts.append(f"/{self.needle}")
        sort = self.sorts[self.sort % len(self.sorts)]
        if sort.name or self.reverse:
            parts.append(f"by {sort.name or 'place'}{', reversed' if self.reverse else ''}")
        if len(things) > self._seen or self.needle:
            parts.append(f"{self.top + 1 if things else 0}-{min(self.top + self._seen, len(things))} of {len(things)}")
        return "  ".join(parts)

    # -- keys ------------------------------------------------------------------------------------------------------

    def move(self, to: int) -> None:
        things = self.shown()
        if things:
            self.moved = True
            self.index = max(min(to, len(things) - 1), 0)
            self.at = self.key_of(things[self.index])

    def press(self, key: str) -> bool:
        steps = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "pageup": -max(self._room - 2, 1),
            "pagedown": max(self._room - 2, 1),
        }
        if key in steps:
            if self.shown():
                self._find(self.shown())
            self.move(self.index + steps[key])
            return True
        if key in ("home", "g"):
            self.move(0)
            return True
        if key in ("end", "G"):
            self.move(len(self.shown()) - 1)
            return True
        if key == "s" and len(self.sorts) > 1:
            self.sort = (self.sort + 1) % len(self.sorts)
            return True
        if key == "S" and len(self.sorts) > 1:
            self.reverse = not self.reverse
            return True
        return False

    def filter(self, needle: str) -> None:
        self.needle = needle
