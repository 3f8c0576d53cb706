"""The console's only widget. It gets all lines of the screen, and repaints only the changed cells.

Textual sends every dirty region as a whole and compares nothing, so the widget compares. Of each changed line it refreshes the stretch
from the first to the last different span. So a ticking clock costs only its eight cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from .glyphs import to_ascii
from .styled import Line
from .theme import styles


class LinesWidget(Widget, can_focus=True):
    DEFAULT_CSS = "LinesWidget { width: 100%; height: 100%; }"

    def __init__(self, theme: str, ascii_only: bool = False) -> None:
        super().__init__()
        self._styles = styles(theme)
        self._ascii = ascii_only
        self._lines: list[Line] = []
        self._strips: dict[int, Strip] = {}
        self.repainted = 0
        """Cells repainted since the start, for measurements."""

    @property
    def lines(self) -> list[Line]:
        return self._lines

    def set_theme(self, theme: str) -> None:
        """Sets another theme."""
        self._styles = styles(theme)
        self._strips.clear()
        self.refresh()

    def set_lines(self, lines: Sequence[Line]) -> None:
        old, new = self._lines, list(lines)
        self._lines = new
        regions = []
        for y in range(max(len(old), len(new))):
            before = old[y] if y < len(old) else ()
            now = new[y] if y < len(new) else ()
            if before == now:
                continue
            self._strips.pop(y, None)
            start, end = changed(before, now)
            if end > start:
                regions.append(Region(start, y, end - start, 1))
                self.repainted += end - start
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        strip = self._strips.get(y)
        columns = self.size.width
        if strip is None or strip.cell_length != columns:
            strip = self._paint(y).adjust_cell_length(columns, Style.null())
            self._strips[y] = strip
        return strip

    def _paint(self, y: int) -> Strip:
        if y >= len(self._lines):
            return Strip([])
        out = []
        total = 0
        for text, style in self._lines[y]:
            rich_style = self._styles.get(style) or self._styles[""]
            out.append(Segment(to_ascii(text) if self._ascii else text, rich_style))
            total += len(text)
        return Strip(out, total)


def changed(old: Line, new: Line) -> tuple[int, int]:
    """The first different cell, and the cell after the last."""
    start = 0
    i = 0
    for i, (a, b) in enumerate(zip(old, new, strict=False)):  # noqa: B007
        if a != b:
            break
        start += len(a[0])
    else:
        i = min(len(old), len(new))
    if i < len(old) and i < len(new) and old[i][1] == new[i][1]:
        a_text, b_text = old[i][0], new[i][0]
        same = 0
        for x, y in zip(a_text, b_text, strict=False):
            if x != y:
                break
            same += 1
        start += same
    old_end, new_end = sum(len(t) for t, _ in old), sum(len(t) for t, _ in new)
    if old_end != new_end:
        return start, max(old_end, new_end)
    end = new_end
    a_left, b_left = len(old) - i, len(new) - i
    for k in range(1, min(a_left, b_left) + 1):
        a, b = old[-k], new[-k]
        if a == b:
            end -= len(a[0])
            continue
        if a[1] == b[1]:
            same = 0
            for x, y in zip(reversed(a[0]), reversed(b[0]), strict=False):
                if x != y:
                    break
                same += 1
            end -= same
        break
    return start, max(end, start)
