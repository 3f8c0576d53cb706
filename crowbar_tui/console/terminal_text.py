"""Turns the characters that a program sends to a terminal into readable lines. Pure.

Firmware, GRUB and iPXE draw on the screen: they go back and overwrite text (`67%` becomes `ok`), move to a row, clear the screen and
colour it. This keeps the last state of each line, and starts a line when a program moves to another row, so that a menu reads row by
row.

A machine's output is a stranger's text. What a terminal would obey or hide (C1 controls, marks that turn the direction of writing round,
characters without a width) is shown as `?`, so that no line says something else than it seems to.

It knows the escape sequences of ECMA-48 section 8.3 (CUP, ED, EL, CUF) and `ESC c`, and drops others. Several empty lines in a row
become one, and a row that is drawn again unchanged is dropped.
"""

from __future__ import annotations

import re

WIDEST = 1000
"""Columns of the screen. A move beyond stops there."""
_PIECE = re.compile(r"\x1b\[([0-9;?=]*)[ -/]*([@-~]|$)|\x1b([()].|[^\[]|$)|([\x00-\x1f\x7f])|([^\x00-\x1f\x7f]+)|(\x1b)")


def lines(text: str) -> list[str]:
    """The lines of a stream, including the unfinished last one."""
    paper = _Paper()
    for piece in _PIECE.finditer(text):
        parameters, final, escape, control, words, _ = piece.groups()
        if words is not None:
            paper.write(words)
        elif control is not None:
            paper.control(control)
        elif final is not None:
            paper.sequence(parameters, final)
        elif escape == "c":
            paper.away()
    paper.end()
    return paper.done


class _Paper:
    def __init__(self) -> None:
        self.done: list[str] = []
        self._line = ""
        self._at = 0
        self._row: int | None = None
        """Row of the screen. None: unknown."""

    def write(self, words: str) -> None:
        words = "".join(c if c.isprintable() else "?" for c in words)
        at = min(self._at, WIDEST)
        self._line = self._line[:at].ljust(at) + words + self._line[at + len(words) :]
        self._at = at + len(words)

    def control(self, one: str) -> None:
        match one:
            case "\n":
                self._feed()
                self._row = None if self._row is None else self._row + 1
            case "\r":
                self._at = 0
            case "\b":
                self._at = max(self._at - 1, 0)
            case "\t":
                self._at = self._at // 8 * 8 + 8

    def sequence(self, parameters: str, final: str) -> None:
        numbers = [int(n) if n.isdigit() else 0 for n in parameters[:20].split(";")]
        match final:
            case "H" | "f":
                row, column = max(numbers[0], 1), max(numbers[1] if len(numbers) > 1 else 1, 1)
                if row != self._row:
                    self.away()
                    self._row = row
                self._at = column - 1
            case "J":
                self.away()
            case "K" if numbers[0] == 0:
                self._line = self._line[: self._at]
            case "C":
                self._at += max(numbers[0], 1)

    def away(self) -> None:
        """Ends the line: the next text goes elsewhere."""
        if self._line.strip():
            self._feed()
        self._line, self._at, self._row = "", 0, None

    def end(self) -> None:
        if self._line.strip():
            self._feed()
        while self.done and not self.done[-1]:
            self.done.pop()

    def _feed(self) -> None:
        line = self._line.rstrip()
        before = self.done[-1] if self.done else ""
        if line != before or (line and self._row is None):
            self.done.append(line)
        self._line, self._at = "", 0
