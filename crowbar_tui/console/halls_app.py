"""The rim of `crowbar halls`: a Textual app that looks at all halls every LOOK_EVERY_S, in one thread, and shows a `HallList`.

Its result is the command that shall run now; an empty one: the user left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.message import Message

from engine.api.halls import Hall, HallSeen, look_at

from .glyphs import ascii_only
from .halls import LOOK_EVERY_S, HallList
from .lines_widget import LinesWidget
from .theme import fitting


class Looked(Message):
    def __init__(self, looks: list[HallSeen]) -> None:
        super().__init__()
        self.looks = looks


class HallsApp(App[list[str]], inherit_bindings=False):
    """The app. Its result is a command to run, or an empty list."""

    BINDINGS: ClassVar[Any] = []
    ENABLE_COMMAND_PALETTE = False
    CSS = "LinesWidget { background: ansi_default; color: ansi_default; }"

    def __init__(
        self,
        shown: HallList,
        look: Callable[[tuple[Hall, ...]], list[HallSeen]] = look_at,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(ansi_color=True)
        self.animation_level = "none"
        self.shown = shown
        self._look, self._wall = look, wall
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._looks, name="halls", daemon=True)
        self.sheet = LinesWidget(fitting(), ascii_only())

    def compose(self) -> ComposeResult:
        yield self.sheet

    def on_mount(self) -> None:
        self.sheet.focus()
        self.set_interval(1.0, self.paint)
        self._thread.start()
        self.paint()

    def on_unmount(self) -> None:
        self._ended.set()

    def on_resize(self) -> None:
        self.paint()

    def on_looked(self, message: Looked) -> None:
        self.shown.take(message.looks)
        self.paint()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        command = self.shown.press(event.character if event.is_printable and event.character else event.key)
        if command is not None:
            self.exit(command)
        self.paint()

    def paint(self) -> None:
        self.sheet.set_lines(self.shown.lines(self.size.width, self.size.height, self._wall()))

    def _looks(self) -> None:
        while not self._ended.is_set():
            looks = self._look(self.shown.halls)
            if not self._ended.is_set():
                self.post_message(Looked(looks))
            self._ended.wait(LOOK_EVERY_S)
