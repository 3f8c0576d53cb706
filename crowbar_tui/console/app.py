"""The rim: a Textual app with one sheet. Keys go to the desk, snapshots come from a watching thread, the sheet repaints what changed.

    watch thread   source.wait -> source.snapshot -> one message, and no further one before it was taken in: at most 5 a second, and never
                   more than half of the time
    order threads  one command each, answered by a message

Rules
* No animation, no mouse, no palette or bindings of Textual's own: every key is the desk's.
* SIGHUP, SIGTERM and a closed terminal end the app cleanly; Textual restores the terminal, and the engine goes on (`lifecycle`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.message import Message
from textual.screen import Screen

from .desk import Desk, Order
from .frame import draw
from .glyphs import ascii_only
from .sheet import Sheet
from .source import Said, Snapshot, Source
from .theme import fitting

log = logging.getLogger(__name__)

PACE_S = 0.2
"""Least time between two snapshots."""
PLAN_MAX = 1_000_000
"""Octets of a plan file."""
TICK_S = 1.0
"""Ages and the clock."""


class Took(Message):
    """A new snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot


class Answered(Message):
    def __init__(self, order: Order, said: Said) -> None:
        super().__init__()
        self.order = order
        self.said = said


class Broke(Message):
    """A thread of the console failed: a defect, or a store that cannot be read any more."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Table(Screen[None], inherit_bindings=False):
    BINDINGS: ClassVar[Any] = []
    DEFAULT_CSS = "Table { background: ansi_default; color: ansi_default; }"


class Console(App[str], inherit_bindings=False):
    """Ends with `leave` or `stop` (the engine as well)."""

    BINDINGS: ClassVar[Any] = []
    ENABLE_COMMAND_PALETTE = False
    CSS = "Sheet { background: ansi_default; color: ansi_default; }"

    def __init__(
        self, source: Source, theme: str = "", wall: Callable[[], float] = time.time, first: Snapshot | None = None, watch: bool = True
    ) -> None:
        super().__init__(ansi_color=True)
        self.animation_level = "none"
        self.source = source
        self.desk = Desk(first or source.snapshot(), theme or fitting(), wall, source.where)
        self.desk.send = self._send
        self.desk.send_plan = self._send_plan
        self.desk.leave = self._leave
        self.desk.redye = lambda: self.sheet.dye(self.desk.theme)
        self.sheet = Sheet(self.desk.theme, ascii_only())
        self._watch = watch
        self._over = threading.Event()
        self._taken = threading.Event()
        self._watcher: threading.Thread | None = None
        self.hung_up = False

    def get_default_screen(self) -> Screen[None]:
        return Table(id="_default")

    def compose(self) -> ComposeResult:
        yield self.sheet

    def on_mount(self) -> None:
        self.sheet.focus()
        self.set_interval(TICK_S, self.paint)
        for number in (signal.SIGHUP, signal.SIGTERM):
            # Under a test's event loop, or beside another one, there is no main thread to catch signals in.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(number, self._hang_up)
        if self._watch:
            self._watcher = threading.Thread(target=self._follow, name="console-watch", daemon=True)
            self._watcher.start()

    def on_unmount(self) -> None:
        self._over.set()
        self._taken.set()

    def _hang_up(self) -> None:
        self.hung_up = True
        self.exit("leave")

    def _leave(self, stop: bool) -> None:
        self.exit("stop" if stop else "leave")

    # -- drawing ---------------------------------------------------------------------------------------------------

    def paint(self) -> None:
        columns, rows = self.size
        self.sheet.show(draw(self.desk, columns, rows))

    def on_resize(self, event: events.Resize) -> None:
        self.sheet.show(draw(self.desk, event.size.width, event.size.height))

    async def on_event(self, event: events.Event) -> None:
        """Keys are the desk's before anybody else looks at them; pasted text is typed."""
        if isinstance(event, events.Key):
            event.stop()
            self.desk.press(name_of(event))
            self.paint()
            return
        if isinstance(event, events.Paste):
            event.stop()
            if self.desk.overlay is not None:
                for letter in event.text.splitlines()[0][:200] if event.text.strip() else "":
                    self.desk.press("space" if letter == " " else letter)
                self.paint()
            return
        await super().on_event(event)

    # -- threads ---------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        try:
            while not self._over.is_set():
                begun = time.monotonic()
                snapshot = self.source.snapshot()
                self._taken.clear()
                self.post_message(Took(snapshot))
                self._taken.wait()
                cost = time.monotonic() - begun
                if self._over.wait(max(PACE_S - cost, min(cost, 1.0))):
                    return
                self.source.wait(TICK_S)
        except Exception as error:
            if not self._over.is_set():
                log.exception("the console's watching thread")
                self.post_message(Broke(error))

    def on_took(self, message: Took) -> None:
        try:
            self.desk.take(message.snapshot)
            self.paint()
        finally:
            self._taken.set()

    def _send(self, orders: list[Order]) -> None:
        threading.Thread(target=self._give, args=(list(orders),), name="console-order", daemon=True).start()

    def _give(self, orders: list[Order]) -> None:
        for order in orders:
            try:
                said = self.source.ask(order.verb, order.node, order.role, order.value)
            except Exception as error:
                log.exception("an order of the console: %s", order)
                said = Said(False, f"the console failed over it: {error}")
            if not self._over.is_set():
                self.post_message(Answered(order, said))

    def _send_plan(self, path: str) -> None:
        self.desk.waiting += 1
        threading.Thread(target=self._commit, args=(path,), name="console-commit", daemon=True).start()

    def _commit(self, path: str) -> None:
        file = Path(path).expanduser()
        try:
            with file.open("rb") as opened:
                body = opened.read(PLAN_MAX + 1)
            text = body.decode("utf-8")
            said = self.source.commit(text, file.name) if len(body) <= PLAN_MAX else Said(False, f"{file.name} is too large for a plan")
        except (OSError, UnicodeDecodeError) as error:
            said = Said(False, f"{path} cannot be read: {error}")
        except Exception as error:
            log.exception("a commit of the console")
            said = Said(False, f"the console failed over it: {error}")
        if not self._over.is_set():
            self.post_message(Answered(Order("commit", ""), said))

    def on_answered(self, message: Answered) -> None:
        self.desk.answered(message.order, message.said)
        self.paint()

    def on_broke(self, message: Broke) -> None:
        self.desk.note(Said(False, f"the picture stands still: {message.error}", "leave with q and open the console again"))
        self.paint()


def name_of(event: events.Key) -> str:
    """A printable character as itself, `space` by name, others by Textual's name."""
    if event.character is not None and event.is_printable and event.character != " ":
        return event.character
    return event.key
