"""The kinds of pages: screens that read the session. A page is either text to scroll, or a list of things.

`Listing` keeps the cursor on its thing (by `ident`), filters, sorts, and draws only the visible part. A thing may take several lines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from .kept import PageKept
from .needle import Needle, WrongNeedle, needle
from .screen import Screen
from .session import Session
from .styled import Line, barred, clip, line, wrap


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
        half = max(self._room // 2, 1)
        moves = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "pageup": 1 - self._room,
            "pagedown": self._room - 1,
            "ctrl+u": -half,
            "ctrl+d": half,
        }
        move = moves.get(key)
        if move is not None:
            self.top = max(min(self.top + move, self._many - self._room), 0)
            return True
        if key in ("home", "g", "end", "G"):
            self.top = 0 if key in ("home", "g") else max(self._many - self._room, 0)
            return True
        return False


SLOW_S = 1.0
"""Seconds after which a filter stops looking."""


class Sort(NamedTuple):
    name: str
    key: Callable[[Any], Any] | None
    """None: the natural order."""


class Listing(Page):
    filters = True
    sorts: Sequence[Sort] = (Sort("", None),)
    empty = "nothing here yet"
    heads_of_table: Sequence[str] = ()
    """Names of what `records` gives, for files and the clipboard."""
    keeps = True
    """Filter and sort are kept until the next start. False for a page about one thing."""
    above = 0
    """Lines of the body above the list."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.needle = ""
        self.wrong = ""
        """Why the filter that is being typed does not count; the one before counts on."""
        self._finds = Needle()
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
        self._at_line: list[int] = []
        """For each line of the body as it was drawn last: the index of its thing, or -1."""
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

    def records(self, thing: Any) -> list[Sequence[str]]:
        """The values of a thing, whole: one row, or several if it stands for several things."""
        return []

    # -- drawing ---------------------------------------------------------------------------------------------------

    def shown(self) -> list[Any]:
        """The things after filter and sort."""
        key = (self.session.seen(), self.needle, self.sort, self.reverse)
        if self._cache is not None and self._cache[0] == key:
            return self._cache[1]
        out = list(self.things())
        key = (self.session.seen(), *key[1:])
        if self._finds.words:
            out = self._filtered(out)
        by = self.sorts[self.sort % len(self.sorts)].key
        if by is not None:
            out.sort(key=by)
        if self.reverse:
            out.reverse()
        self._cache = (key, out)
        return out

    def _filtered(self, things: list[Any]) -> list[Any]:
        out, begun = [], time.monotonic()
        for i, thing in enumerate(things):
            if self._finds.finds(self.searched_text(thing)):
                out.append(thing)
            if time.monotonic() - begun > SLOW_S:
                self.wrong = f"too slow: it looked at {i + 1} of {len(things)} lines"
                break
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
            said = f"no line fits the filter {self.needle}: esc shows all" if self.needle else self.nothing()
            return [*heads, line(), *(line("  ", (text, "dim")) for text in wrap(said, columns - 2))]
        self._find(things)
        drawn: dict[int, list[Line]] = {}

        def lines(i: int) -> list[Line]:
            if i not in drawn:
                chosen = i == self.index
                some = self.session.defects.guarded(
                    f"a line of {self.name}",
                    lambda: self.draw(things[i], columns, chosen),
                    lambda said: [line((f" ! {clip(said, columns - 4)}", "bad"))],
                )
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
        self._at_line = [-1] * (self.above + len(heads)) + [n for n in range(self.top, i) for _ in lines(n)][:room]
        return [*heads, *out[:room]]

    def point(self, x: int, y: int, text: str) -> str:
        at = self._at_line[y] if y < len(self._at_line) and x < self.list_cells else -1
        things = self.shown()
        if not 0 <= at < len(things):
            return ""
        there = self.chosen() is not None and self.index == at
        self.move(at)
        return "there" if there else "moved"

    def rule(self) -> str:
        things = self.shown()
        parts = []
        if self.needle:
            parts.append(f"/{self.needle}")
        sort = self.sorts[self.sort % len(self.sorts)]
        if sort.name or self.reverse:
            parts.append(f"by {sort.name or 'place'}{', reversed' if self.reverse else ''}")
        all_ = len(self.things()) if self.needle else len(things)
        if len(things) > self._seen:
            of = f" ({len(things)} of {all_})" if self.needle else ""
            parts.append(f"{self.top + 1}-{min(self.top + self._seen, len(things))} of {len(things)}{of}")
        elif self.needle:
            parts.append(f"{len(things)} of {all_}")
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
            "ctrl+u": -max(self._room // 2, 1),
            "ctrl+d": max(self._room // 2, 1),
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

    def filter(self, text: str) -> None:
        """The cursor stays on its thing. If that is filtered out, the cursor goes to another one, and stays on that one later too."""
        self.wrong = ""
        try:
            found = needle(text)
        except WrongNeedle as error:
            self.wrong = str(error)
            return
        before = self.shown()
        if before:
            self._find(before)
            self.moved = True
        self.needle, self._finds = text, found
        if after := self.shown():
            self._find(after)

    def table(self) -> list[Sequence[str]]:
        rows = [row for thing in self.shown() for row in self.records(thing)]
        return [self.heads_of_table, *rows] if self.heads_of_table else []

    def fields(self) -> list[tuple[str, str]]:
        thing = self.chosen()
        rows = self.records(thing) if thing is not None else []
        return [(name, value) for name, value in zip(self.heads_of_table, rows[0], strict=True) if value] if rows else []

    # -- kept until the next start ---------------------------------------------------------------------------------

    def kept(self) -> PageKept:
        return PageKept(self.needle, self.sorts[self.sort % len(self.sorts)].name, self.reverse)

    def restore(self, kept: PageKept) -> None:
        """A filter or sort that this page does not know is left out."""
        self.sort = next((i for i, one in enumerate(self.sorts) if one.name == kept.sort), 0)
        self.reverse = kept.reverse and len(self.sorts) > 1
        self.filter(kept.filter)
        self.wrong, self.moved = "", False
