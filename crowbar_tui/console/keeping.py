"""What a session knows of the user's habits: filter and sort of its pages, and the commands that were run by name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .kept import HISTORY, Kept, PageKept, remembered
from .screen import Screen


class Keeping:
    def __init__(self) -> None:
        self._pages: dict[str, PageKept] = {}
        self.history: tuple[str, ...] = ()
        """Commands of the palette of this start and earlier ones, the newest last."""
        self.ran: list[str] = []
        """Those of this start."""

    def take(self, kept: Kept, store: str, screens: Iterable[Screen]) -> None:
        """What the user left at an earlier start."""
        self._pages, self.history = dict(kept.pages(store)), kept.history[-HISTORY:]
        for page in screens:
            self.restore(page)

    def restore(self, page: Screen) -> None:
        """Filter and sort of a page that opens, as they were left."""
        if page.keeps and page.name in self._pages:
            page.restore(self._pages[page.name])

    def note(self, pages: Iterable[Screen]) -> Mapping[str, PageKept]:
        """Takes filter and sort from these pages. Returns those of all pages."""
        for page in pages:
            if page.keeps:
                self._pages[page.name] = page.kept()
        return dict(self._pages)

    def run(self, command: str) -> None:
        self.ran.append(command)
        self.history = remembered(self.history, command)
