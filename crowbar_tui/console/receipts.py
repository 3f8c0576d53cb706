"""The answers to one command for several nodes: refusals first, then receipts. Any key that does not scroll closes the box and counts."""

from __future__ import annotations

from collections.abc import Sequence

from . import glyphs as g
from .orders import Note
from .overlays import Box
from .session import Session
from .styled import Line, line, wrap


class Receipts(Box):
    width = 74

    def __init__(self, session: Session, answers: Sequence[Note]) -> None:
        super().__init__(session)
        refused = [one for one in answers if not one.ok]
        done = [one for one in answers if one.ok]
        self.answers = [*refused, *done]
        self.title = ", ".join(part for part in (f"{len(refused)} refused" if refused else "", f"{len(done)} done" if done else "") if part)
        self._top = 0
        self._room = 1

    def lines(self, columns: int, rows: int) -> list[Line]:
        out: list[Line] = []
        for one in self.answers:
            mark, style = (g.TICK, "good") if one.ok else ("!", "bad")
            texts = wrap(one.text if one.ok or not one.advice else f"{one.text}: {one.advice}", columns - 2, 3)
            out += [line((f"{mark if not i else ' '} ", style), text) for i, text in enumerate(texts)]
        self._room = rows
        self._top = max(min(self._top, len(out) - rows), 0)
        return out[self._top : self._top + rows]

    def press(self, key: str) -> None:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pagedown": 10, "pageup": -10}
        if key in moves:
            self._top = max(self._top + moves[key], 0)
            return
        self.close()
        if key not in ("escape", "enter"):
            self.session.press(key)


def show(session: Session, answers: Sequence[Note]) -> None:
    """Opens the box, unless the user has another one open: then the notes have the answers."""
    if session.overlay is None and len(answers) > 1:
        session.overlay = Receipts(session, answers)
