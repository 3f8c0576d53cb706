"""`:`: everything by name. Commands, the things that a search finds, and the history of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from . import glyphs as g
from .files import complete
from .overlays import Box, edited
from .session import Session
from .styled import Line, clip, fit, flow, line


class Command(NamedTuple):
    name: str
    help: str
    do: Callable[[], None]
    takes: Callable[[str], None] | None = None
    """Does it with the file that is typed after the name. None: it takes none."""


class Finds(Protocol):
    """What the palette finds besides commands."""

    trouble: str

    @property
    def ready(self) -> bool: ...
    def look(self, then: Callable[[], None]) -> None: ...
    def commands(self, text: str) -> list[Command]: ...


class Palette(Box):
    """The palette: everything by name. Letters of the name in their order are enough. After `/` only things, and never commands."""

    title = "go to, find, or do"
    width = 76

    def __init__(self, session: Session, commands: Sequence[Command], finds: Finds) -> None:
        super().__init__(session)
        self._commands = list(commands)
        self._finds = finds
        self.typed = ""
        self.index = 0
        self._past = 0
        """How far back in the history; 0: nothing of it is shown."""
        self._entered = False
        """True: enter came before the search was ready."""
        self._kept: tuple[tuple[str, bool], list[Command]] | None = None
        """What was found last, and for which text."""
        self._fitting: list[str] = []
        """Files that fit what is typed."""
        finds.look(self._ready)

    def found(self) -> list[Command]:
        """Commands with these letters together, things, commands with these letters in their order."""
        key = self.typed, self._finds.ready
        if self._kept is None or self._kept[0] != key:
            self._kept = key, self._find()
        return self._kept[1]

    def _find(self) -> list[Command]:
        if (filed := self._filed()) is not None:
            command, takes, file = filed
            return [Command(f"{command.name} {file}", command.help, lambda: takes(file))]
        if self.typed.startswith("/"):
            return self._finds.commands(self.typed[1:])
        hits = [(score, i, c) for i, c in enumerate(self._commands) if (score := fuzzy(self.typed, c.name)) is not None]
        hits.sort(key=lambda h: h[:2])
        names = {c.name for score, _, c in hits if score < 0}
        things = [c for c in self._finds.commands(self.typed) if c.name not in names or not c.help.startswith("node,")]
        return [*(c for score, _, c in hits if score < 0), *things, *(c for score, _, c in hits if score >= 0)]

    def _filed(self) -> tuple[Command, Callable[[str], None], str] | None:
        """The command that takes a file, and the file that is typed after it."""
        word, blank, file = self.typed.partition(" ")
        found = next((c for c in self._commands if c.name == word and c.takes is not None), None) if blank else None
        return (found, found.takes, file.strip()) if found is not None and found.takes is not None and file.strip() else None

    def _complete(self) -> None:
        filed, before = self._filed(), self.typed
        if filed is not None:
            command, _, file = filed
            self.session.work(lambda: complete(file), lambda found: self._completed(before, command.name, found))

    def _completed(self, before: str, command: str, found: object) -> None:
        if self.session.overlay is self and self.typed == before and isinstance(found, tuple):
            self.typed = f"{command} {found[0]}"
            self._fitting = found[1] if len(found[1]) != 1 else []

    def lines(self, columns: int, rows: int) -> list[Line]:
        hits = self.found()
        room = max(min(rows - 2, 14), 1)
        self.index = max(min(self.index, len(hits) - 1), 0)
        top = max(self.index - room + 1, 0)
        told = f"  {self.index + 1} of {len(hits)}" if len(hits) > room else ""
        if not self._finds.ready:
            told = "  looking at all machines ..."
        asked = line((": ", "key"), self.typed[-max(columns - 4, 1) :], (g.FULL, "dim"))
        out = [line(*fit(asked, max(columns - len(told), 1)), (told, "dim")), line()]
        seen = hits[top : top + room]
        wide = max([30, *(len(c.name) for c in seen)])
        for i, c in enumerate(seen, top):
            bar = "+" if i == self.index else ""
            help_ = clip(c.help, columns - wide - 2) if columns - wide - 2 >= 8 else ""
            out.append(fit(((f" {c.name:<{wide}} ", f"name{bar}"), (help_, f"dim{bar}")), columns, bar))
        if self._fitting:
            out += [line(), *flow([line((name, "name" if name.endswith("/") else "dim")) for name in self._fitting], columns)]
            return out[:rows]
        return out if hits else [*out, line((self._finds.trouble or "nothing has that name", "dim"))]

    def keys(self) -> str:
        if self._filed() is not None:
            return "tab complete   enter do it   esc back"
        return "enter do it   up earlier   esc back" if self.index == 0 else "enter do it   esc back"

    def press(self, key: str) -> None:
        self._entered = False
        if key != "tab":
            self._fitting = []
        if key == "escape":
            self.close()
        elif key in ("up", "ctrl+p"):
            if self.index == 0 or self._past:
                self._history(1)
            else:
                self.index -= 1
        elif key in ("down", "ctrl+n"):
            if self._past:
                self._history(-1)
            else:
                self.index += 1
        elif key == "tab":
            self._complete()
        elif key == "enter":
            self._enter()
        else:
            before = self.typed
            self.typed = edited(self.typed, key)
            if self.typed != before:
                self.index = self._past = 0

    def _history(self, back: int) -> None:
        """An earlier command, or a later one; at last the empty line again."""
        history = self.session.keeping.history
        self._past = max(min(self._past + back, len(history)), 0)
        self.typed = history[-self._past] if self._past else ""
        self.index = 0

    def _enter(self) -> None:
        if not self._finds.ready and self.typed:
            self._entered = True
            return
        hits = self.found()
        self.close()
        if hits:
            chosen = hits[min(self.index, len(hits) - 1)]
            self.session.keeping.run(chosen.name)
            chosen.do()

    def _ready(self) -> None:
        if self._entered and self.session.overlay is self:
            self._enter()


def fuzzy(needle: str, name: str) -> int | None:
    """Distance of a name from the typed letters, less is nearer. None: the name lacks letters in this order."""
    name, needle = name.lower(), needle.lower()
    if needle == name:
        return -2000
    if needle in name:
        return name.index(needle) - (1000 if name.startswith(needle) else 500)
    at = gaps = 0
    for letter in needle:
        if letter == " ":
            continue
        found = name.find(letter, at)
        if found < 0:
            return None
        gaps += found - at
        at = found + 1
    return gaps
