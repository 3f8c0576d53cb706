"""The logs of a node: attempts of its roles, and its serial console if one is kept. Follows the end until the user scrolls up."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

from .. import glyphs as g
from ..formats import ago, size
from ..logs import Attempted, LogFile, Tail, of_node, tail
from ..needle import Needle, WrongNeedle, needle
from ..page import Page
from ..pager import prepared
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, clean, line

CONSOLES = ("console", "serial")
FIRST = ("transition", "error")
"""States of roles whose log is shown first."""


class LogScreen(Page):
    name = "log"
    filters = True

    def __init__(self, session: Session, node: str, role: str = "") -> None:
        super().__init__(session)
        self.id = node
        self.role = role
        self.files: list[LogFile] = []
        self.index = 0
        self.shown: Tail | None = None
        self.failed = ""
        self.top: int | None = None
        """First visible line. None: the view follows the end."""
        self.needle = ""
        self.wrong = ""
        self._finds = Needle()
        self._matches: list[int] = []
        """Numbers of the lines that fit the search, of those drawn last."""
        self._match: int | None = None
        """The one that `n` and `N` went to last."""
        self._path: Path | None = None
        self._busy = False
        self._room = 1
        self._many = 0
        self.tick()

    def ident(self) -> Hashable:
        return ("log", self.id)

    def crumb(self) -> str:
        return "log"

    # -- reading, in threads -----------------------------------------------------------------------------------------

    def tick(self) -> None:
        node = self.session.node(self.id)
        if self._busy or node is None:
            return
        self._busy = True
        world, store = self.session.world, Path(self.session.snapshot_where)
        mine = [world.node_roles[key] for key in world.roles_of.get(node.id, ())]
        mine.sort(key=lambda r: (r.role != self.role, r.state.value not in FIRST))
        attempted = [Attempted(r.role, r.attempt, r.state.value) for r in mine]
        identity = [node.uuid, node.serial, *node.macs]
        path, name = self._path, node.name

        def job() -> tuple[list[LogFile], Tail | str | None]:
            files = of_node(store, attempted, identity, name, node.id)
            chosen = path if any(f.path == path for f in files) else self._first(files, attempted)
            try:
                return files, tail(chosen) if chosen is not None else None
            except OSError as error:
                return files, f"{chosen}: {(error.strerror or str(error)).lower()}"

        self.session.work(job, self._took)

    def _first(self, files: list[LogFile], attempted: list[Attempted]) -> Path | None:
        """The log to open first: of the chosen role, of a role that runs or failed, or the newest."""
        wanted = [a.role for a in attempted if a.role == self.role or a.state in FIRST]
        return next((f.path for role in wanted for f in files if f.role == role), files[0].path if files else None)

    def _took(self, found: Any) -> None:
        self._busy = False
        if isinstance(found, Exception):
            self.failed = str(found)
            return
        self.files, told = found
        self.failed = told if isinstance(told, str) else ""
        if isinstance(told, Tail) or told is None:
            self.shown = told
        paths = [f.path for f in self.files]
        if self._path not in paths:
            node = self.session.node(self.id)
            world = self.session.world
            mine = [world.node_roles[key] for key in world.roles_of.get(node.id, ())] if node is not None else []
            self._path = self._first(self.files, [Attempted(r.role, r.attempt, r.state.value) for r in mine])
        self.index = paths.index(self._path) if self._path in paths else 0

    # -- drawing -----------------------------------------------------------------------------------------------------

    def middle(self) -> Line | None:
        return line((self.files[self.index].label, "")) if self.files else line()

    def corner(self) -> Line | None:
        if not self.files or self.shown is None:
            return None
        at = self.files[self.index].at
        return line((f"{size(self.shown.size)}B, {ago(self.session.wall(), at)}", "dim"))

    def rule(self) -> str:
        if not self.files:
            return ""
        where = "following" if self.top is None else f"{self.top + 1}-{min(self.top + self._room, self._many)} of {self._many}"
        found = f"/{self.needle}  {len(self._matches)} found  " if self.needle else ""
        return f"{found}{self.index + 1} of {len(self.files)} logs  {where}"

    def body(self, columns: int, rows: int) -> list[Line]:
        if self.failed:
            return [line(), line("  ", (self.failed, "bad"))]
        if self.shown is None:
            return [line(), line("  ", ("reading ..." if self._busy else "no role of this node has written a log yet", "dim"))]
        lines = [piece for text in self.shown.lines for piece in _pieces(clean(text), columns - 1)]
        if self.shown.cut:
            lines = ["(the beginning is not shown)", *lines]
        self._room, self._many = rows, len(lines)
        self._matches = [i for i, text in enumerate(lines) if self._finds.finds(text)] if self._finds.words else []
        last = max(len(lines) - rows, 0)
        if self.top is not None and self.top >= last:
            self.top = None
        start = last if self.top is None else self.top
        seen = lines[start : start + rows] or ["(the log is still empty)"]
        signs = {**dict.fromkeys(self._matches, (g.NEXT, "dim")), **({self._match: (g.NEXT, "ask")} if self._match is not None else {})}
        return [line(signs.get(start + i, " "), (text, _ink(text))) for i, text in enumerate(seen)]

    # -- keys --------------------------------------------------------------------------------------------------------

    def hints(self) -> list[Hint]:
        another = Hint("tab", "next log", "the log of another role, the system log, or the serial console")
        out = [
            another,
            Hint("f", "follow", "follow new lines"),
            Hint("/", "search", "marks lines that fit; n the next one, N the one before"),
            Hint("o", "pager", "the whole log in $PAGER"),
            Hint("up", "scroll"),
        ]
        if any(one.kind in CONSOLES for one in self.files):
            out.insert(1, Hint("s", "serial console", "the newest start through firmware; again: the start before"))
        return out

    def press(self, key: str) -> bool:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": 1 - self._room, "pagedown": self._room - 1}
        if key in moves:
            start = max(self._many - self._room, 0) if self.top is None else self.top
            self.top = max(start + moves[key], 0)
        elif key in ("home", "g"):
            self.top = 0
        elif key in ("end", "G", "f"):
            self.top = None
        elif key in ("tab", "shift+tab") and self.files:
            self._choose((self.index + (1 if key == "tab" else -1)) % len(self.files))
        elif key in ("n", "N") and self.needle:
            self._next(1 if key == "n" else -1)
        elif key == "o" and self._path is not None:
            self._page(self._path)
        elif key == "s" and (consoles := [i for i, one in enumerate(self.files) if one.kind in CONSOLES]):
            self._choose(next((i for i in consoles if i > self.index), consoles[0]))
        else:
            return False
        return True

    def filter(self, text: str) -> None:
        """Marks the lines that fit; `n` and `N` go to them."""
        self.wrong = ""
        try:
            self._finds = needle(text)
        except WrongNeedle as error:
            self.wrong = str(error)
            return
        self.needle, self._match = text, None

    def _next(self, way: int) -> None:
        """To the next line that fits, or to the one before; around the ends."""
        at = self._match if self._match is not None else self._many if way < 0 else -1
        some = [i for i in self._matches if (i > at if way > 0 else i < at)] or self._matches
        if some:
            self._match = some[0 if way > 0 else -1]
            self.top = max(self._match - self._room // 3, 0)

    def _page(self, path: Path) -> None:
        """The whole log in $PAGER."""
        session = self.session
        if not session.may_use_machine():
            return

        def done(found: Any) -> None:
            if isinstance(found, OSError):
                session.refuse(f"cannot read {path}: {(found.strerror or str(found)).lower()}")
            elif isinstance(found, Exception):
                session.refuse(str(found))
            elif why := session.terminal.pager(*found):
                session.refuse(why)

        session.work(lambda: prepared(path), done)

    def _choose(self, index: int) -> None:
        self.index = index
        self._path, self.shown, self.top, self._match = self.files[index].path, None, None, None
        self._busy = False
        self.tick()

    def subject(self) -> Subject:
        role = self.files[self.index].role if self.files else ""
        return Subject((self.id,), role)


def _pieces(text: str, columns: int) -> list[str]:
    return [text[i : i + columns] for i in range(0, len(text), columns)] or [""]


def _ink(text: str) -> str:
    head = text[:60].lower()
    return "bad" if any(word in head for word in ("error", "failed", "fatal", "traceback")) else ""
