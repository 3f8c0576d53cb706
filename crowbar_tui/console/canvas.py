"""A drawing of cells, for pictures whose lines cross. What has the higher rank stands in front. Pure."""

from __future__ import annotations

from .styled import Line, Span


class Canvas:
    """Cells of one character. Everything outside is left out."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self._cells: dict[tuple[int, int], tuple[str, str, int]] = {}

    def put(self, x: int, y: int, sign: str, style: str, rank: int = 0) -> None:
        """A sign, unless something of a higher rank stands there."""
        there = self._cells.get((x, y))
        if 0 <= x < self.columns and 0 <= y < self.rows and (there is None or there[2] <= rank):
            self._cells[x, y] = (sign, style, rank)

    def at(self, x: int, y: int) -> str:
        """The sign there. Blank: none."""
        return self._cells.get((x, y), (" ", "", 0))[0]

    def text(self, x: int, y: int, text: str, style: str, rank: int = 0) -> None:
        for i, letter in enumerate(text):
            self.put(x + i, y, letter, style, rank)

    def lines(self) -> list[Line]:
        out: list[Line] = []
        for y in range(self.rows):
            spans: list[Span] = []
            for x in range(self.columns):
                sign, style, _ = self._cells.get((x, y), (" ", "", 0))
                if spans and spans[-1][1] == style:
                    spans[-1] = (spans[-1][0] + sign, style)
                else:
                    spans.append((sign, style))
            out.append(tuple(spans))
        return out
