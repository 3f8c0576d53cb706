"""CSV from people to cells that know their line and column (RFC 4180). Bounded, and stricter than most readers: what is unclear is refused.

Lines end with CRLF or LF. The separator is a comma, or a semicolon if the first line has semicolons and no comma: some spreadsheets write
it so.
"""

from __future__ import annotations

import re

from msgspec import Struct

from .mistakes import Mistakes, PlanMistake

MAX_CELLS = 64
"""Most cells of a row."""
_PLAIN = {separator: re.compile(f'[^{separator}\r\n"]*') for separator in ",;"}


class Cell(Struct, frozen=True):
    """A text, and where it begins. Lines and columns count from 1."""

    text: str
    line: int
    column: int


class _BadCellError(Exception):
    def __init__(self, line: int, column: int, why: str) -> None:
        super().__init__(why)
        self.line, self.column = line, column


def parse(text: str, name: str, rows: int, mistakes: Mistakes) -> list[list[Cell]] | None:
    """The rows that are not blank: the first, and at most `rows` below it. None: the text is not usable, and `mistakes` says why."""
    try:
        return _parse(text, rows)
    except _BadCellError as bad:
        mistakes.add(PlanMistake(file=name, line=bad.line, column=bad.column, path="", expected=str(bad)))
        return None


def _parse(text: str, most: int) -> list[list[Cell]]:
    first = text.partition("\n")[0]
    separator = ";" if ";" in first and "," not in first else ","
    found: list[list[Cell]] = []
    row: list[Cell] = []
    position, line, start = 0, 1, 0
    while position < len(text):
        column = position - start + 1
        cell, end = _cell(text, position, separator, line, column)
        row.append(Cell(cell, line, column))
        if len(row) > MAX_CELLS:
            raise _BadCellError(line, column, f"expected at most {MAX_CELLS} cells in a row")
        line, start = _moved(text, position, end, line, start)
        if end < len(text) and text[end] == separator:
            position = end + 1
            if position < len(text):
                continue
            row.append(Cell("", line, position - start + 1))
        position = end + (2 if text.startswith("\r\n", end) else 1)
        if len(row) > 1 or row[0].text.strip():
            found.append(row)
        if len(found) > most + 1:
            raise _BadCellError(row[0].line, 1, f"expected at most {most} rows below the first")
        row, line, start = [], line + 1, position
    return found


def _cell(text: str, position: int, separator: str, line: int, column: int) -> tuple[str, int]:
    """The cell that begins there, and where it ends."""
    if text[position] != '"':
        found = _PLAIN[separator].match(text, position)
        assert found is not None
        end = found.end()
        if text.startswith('"', end):
            raise _BadCellError(line, column, "expected quotes around the whole cell, or none in it")
        cell = found[0]
    else:
        end = _closing(text, position + 1)
        if end < 0:
            raise _BadCellError(line, column, "the quotes of this cell are not closed")
        cell, end = text[position + 1 : end].replace('""', '"'), end + 1
    if end < len(text) and text[end] not in (separator, "\n") and not text.startswith("\r\n", end):
        raise _BadCellError(line, column, f"expected {separator!r} or the end of the line after this cell")
    return cell, end


def _closing(text: str, position: int) -> int:
    """Where the quotes close: the first `"` that is not doubled. -1: nowhere."""
    found = text.find('"', position)
    while found >= 0 and text.startswith('""', found):
        found = text.find('"', found + 2)
    return found


def _moved(text: str, position: int, end: int, line: int, start: int) -> tuple[int, int]:
    """Line and its start, behind a cell that may have new lines in its quotes."""
    new = text.count("\n", position, end)
    return (line + new, text.rindex("\n", position, end) + 1) if new else (line, start)
