"""The rim: a Textual app with one sheet. Keys go to the desk, snapshots come from a watching thread, the sheet repaints what changed.

    watch threads  source.wait -> source.snapshot -> one message, and no further one before it was taken in: at most 5 a second, and never
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
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.message import Message
from textual.screen import Screen

from .desk import Desk, Order
from .frame import draw
from .glyphs import ascii_only
from .past import PastSource, of_store
from .sheet import Sheet
from .source import Said, Setting, Snapshot, Source
from .theme import fitting

log = logging.getLogger(__name__)

PACE_S = 0.2
"""Least time between two snapshots."""
KIND_S = 0.002
"""Between pieces of a journal that is read through: the engine may be in this process."""
READING = "reading the journal ..."
TICK_S = 1.0
"""Ages and the clock."""


class Took(Message):
    """A new snapshot, for this desk; the thread that made it waits until it was taken in."""

    def __init__(self, snapshot: Snapshot, desk: Desk, taken: threading.Event) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.desk = desk
        self.taken = taken


class Answered(Message):
    def __init__(self, order: Order, said: Said) -> None:
        super().__init__()
        self.order = order
        self.said = said


class Done(Message):
    """A job of the desk is done; with what it returned, or the exception."""

    def __init__(self, done: Callable[[Any], None], value: Any) -> None:
        super().__init__()
        self.done = done
        self.value = value


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
        self.desk.leave = self._leave
        self.desk.begin = self._begin
        self.desk.work = self._work
        self.desk.source = source
        self.desk.rehearsal = source.where.with_name(source.where.name + ".rack").is_dir()
        self.desk.redye = lambda: self.sheet.dye(self.desk.theme)
        self.desk.look_back = self._look_back
        self.live = self.desk
        """The desk of the source; `desk` is another one while we look back."""
        if isinstance(source, PastSource):
            self.desk.past = source
            self.desk.real = wall
            self.desk.wall = lambda: self.live.snapshot.at
        self._opening = False
        self.sheet = Sheet(self.desk.theme, ascii_only())
        self._watch = watch
        self._over = threading.Event()
        self._taken: list[threading.Event] = []
        self.hung_up = False
        self.words: list[str] = []
        """The command to carry out after this console."""

    def get_default_screen(self) -> Screen[None]:
        return Table(id="_default")

    def compose(self) -> ComposeResult:
        yield self.sheet

    def on_mount(self) -> None:
        self.sheet.focus()
        self.set_interval(TICK_S, self._tick)
        for number in (signal.SIGHUP, signal.SIGTERM):
            # Under a test's event loop, or beside another one, there is no main thread to catch signals in.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(number, self._hang_up)
        if self._watch:
            self._watch_over(self.source, self.live)

    def on_unmount(self) -> None:
        self._over.set()
        if self.desk.past is not None:
            self.desk.past.close()
        for taken in list(self._taken):
            taken.set()

    def _hang_up(self) -> None:
        self.hung_up = True
        self.exit("leave")

    def _leave(self, stop: bool) -> None:
        self.exit("stop" if stop else "leave")

    def _begin(self, words: list[str]) -> None:
        self.words = words
        self.exit("stop")

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.desk.page.tick()
        self.paint()

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
        if isinstance(event, events.Resize):
            # Textual hands a new size on by a timer of 8 ms, and its timers skip what they are late for: a process that does not get the
            # processor in these 8 ms keeps its old size, and every later one waits for that timer.
            self._check_resize()

    # -- threads ---------------------------------------------------------------------------------------------------

    def _watch_over(self, source: Source | PastSource, desk: Desk) -> None:
        threading.Thread(target=self._follow, args=(source, desk), name="console-watch", daemon=True).start()

    def _follow(self, source: Source | PastSource, desk: Desk) -> None:
        past = source if isinstance(source, PastSource) else None
        pace = past.pace if past is not None else PACE_S
        taken = threading.Event()
        self._taken.append(taken)
        try:
            while not self._over.is_set() and not (past is not None and past.over):
                begun = time.monotonic()
                snapshot = source.snapshot()
                taken.clear()
                self.post_message(Took(snapshot, desk, taken))
                if self._over.is_set():
                    return
                taken.wait()
                cost = time.monotonic() - begun
                if self._over.wait(max(pace - cost, min(cost, 1.0) if past is None else 0.0)):
                    return
                source.wait(TICK_S)
        except Exception as error:
            if not self._over.is_set():
                log.exception("the console's watching thread")
                self.post_message(Broke(error))
        finally:
            self._taken.remove(taken)
            if past is not None:
                past.end()

    def on_took(self, message: Took) -> None:
        try:
            message.desk.take(message.snapshot)
            if message.desk is self.desk:
                self.paint()
        finally:
            message.taken.set()

    # -- looking back ----------------------------------------------------------------------------------------------

    def _look_back(self) -> None:
        """From now to the past, or back. The live desk goes on taking snapshots, so it is there as it is now."""
        if self.desk is not self.live:
            if self.desk.past is not None:
                self.desk.past.close()
            self.desk = self.live
            return
        if self.live.past is not None:
            self.live.note(Said(False, "there is no present beside this look back", "q leaves; crowbar shows what is now"))
        elif not self._opening:
            self._opening = True
            self.live.note(Said(True, READING))
            self._work(self.open_past, self._opened)

    def open_past(self) -> PastSource:
        """The journal of the store, read through. Raises StoreError."""
        past = of_store(self.source.where)
        while not past.read() and not self._over.is_set():
            time.sleep(KIND_S)
        return past

    def _opened(self, past: PastSource | Exception) -> None:
        self._opening = False
        if isinstance(past, Exception):
            self.live.note(Said(False, str(past)))
            return
        if self.live.notes and self.live.notes[-1].text == READING:
            self.live.notes.pop()
        desk = Desk(past.snapshot(), self.live.theme, self.live.real, self.source.where)
        desk.past, desk.beside, desk.real = past, self.live, self.live.real
        desk.wall = lambda: desk.snapshot.at
        desk.leave, desk.redye, desk.look_back, desk.work = self._leave, self.live.redye, self._look_back, self._work
        desk.go_where(self.live)
        self.desk = desk
        self._watch_over(past, desk)

    def _work(self, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        threading.Thread(target=self._carry_out, args=(job, done), name="console-job", daemon=True).start()

    def _carry_out(self, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        try:
            value: Any = job()
        except Exception as error:
            log.exception("a job of the console")
            value = error
        if not self._over.is_set():
            self.post_message(Done(done, value))

    def on_done(self, message: Done) -> None:
        message.done(message.value)
        self.paint()

    def _send(self, orders: list[Order]) -> None:
        threading.Thread(target=self._give, args=(list(orders),), name="console-order", daemon=True).start()

    def _give(self, orders: list[Order]) -> None:
        for order in orders:
            try:
                if isinstance(order.value, Setting):
                    said = self.source.set_attribute(order.node, order.value)
                else:
                    said = self.source.ask(order.verb, order.node, order.role, order.value)
            except Exception as error:
                log.exception("an order of the console: %s", order)
                said = Said(False, f"the console failed over it: {error}")
            if not self._over.is_set():
                self.post_message(Answered(order, said))

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
