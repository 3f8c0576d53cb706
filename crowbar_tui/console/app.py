"""The rim: a Textual app with one sheet. Keys go to the session, snapshots come from a watching thread, and the sheet repaints what
changed.

    watch threads  source.wait -> source.snapshot -> one message, and the next one only after it was taken in: at most 5 a second, and at
                   most half of the time
    order threads  one command each, answered by a message

Rules
* No animation, no mouse, no palette or bindings of Textual's own: every key belongs to the session.
* SIGHUP, SIGTERM and a closed terminal end the app cleanly. Textual restores the terminal, and the engine continues (`lifecycle`).
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

from .frame import draw
from .glyphs import ascii_only
from .lines_widget import LinesWidget
from .past import PastSource, of_store
from .screens import go_where, new_session
from .session import Order, Session
from .snapshot import Said, Setting, Snapshot, Source
from .theme import fitting

log = logging.getLogger(__name__)

PACE_S = 0.2
"""Shortest time between two snapshots, in seconds."""
KIND_S = 0.002
"""Pause between pieces of a journal while it is read, in seconds: the engine may be in this process."""
READING = "reading the journal ..."
TICK_S = 1.0
"""Interval at which ages and the clock are repainted, in seconds."""


class Took(Message):
    """A new snapshot for this session. The thread that made it waits until the app has taken it in."""

    def __init__(self, snapshot: Snapshot, session: Session, taken: threading.Event) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.session = session
        self.taken = taken


class Answered(Message):
    def __init__(self, order: Order, said: Said) -> None:
        super().__init__()
        self.order = order
        self.said = said


class Done(Message):
    """A job of the session is done, with its result or its exception."""

    def __init__(self, done: Callable[[Any], None], value: Any) -> None:
        super().__init__()
        self.done = done
        self.value = value


class Broke(Message):
    """A thread of the console failed: a defect, or a store that can no longer be read."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Table(Screen[None], inherit_bindings=False):
    BINDINGS: ClassVar[Any] = []
    DEFAULT_CSS = "Table { background: ansi_default; color: ansi_default; }"


class Console(App[str], inherit_bindings=False):
    """The app. Its result is `leave`, or `stop` to stop the engine too."""

    BINDINGS: ClassVar[Any] = []
    ENABLE_COMMAND_PALETTE = False
    CSS = "LinesWidget { background: ansi_default; color: ansi_default; }"

    def __init__(
        self, source: Source, theme: str = "", wall: Callable[[], float] = time.time, first: Snapshot | None = None, watch: bool = True
    ) -> None:
        super().__init__(ansi_color=True)
        self.animation_level = "none"
        self.source = source
        self.session = new_session(first or source.snapshot(), theme or fitting(), wall, source.where)
        self.session.send = self._send
        self.session.leave = self._leave
        self.session.begin = self._begin
        self.session.work = self._work
        self.session.source = source
        self.session.rehearsal = source.where.with_name(source.where.name + ".rack").is_dir()
        self.session.apply_theme = lambda: self.lines_widget.set_theme(self.session.theme)
        self.session.look_back = self._look_back
        self.present = self.session
        """The session of the source. While we look back, `session` is another one."""
        if isinstance(source, PastSource):
            self.session.past = source
            self.session.real = wall
            self.session.wall = lambda: self.present.snapshot.at
        self._opening = False
        self.lines_widget = LinesWidget(self.session.theme, ascii_only())
        self._watch = watch
        self._over = threading.Event()
        self._taken: list[threading.Event] = []
        self.hung_up = False
        self._runs_in: asyncio.AbstractEventLoop | None = None
        self.next_command: list[str] = []
        """The command to run after this console."""

    def get_default_screen(self) -> Screen[None]:
        return Table(id="_default")

    def compose(self) -> ComposeResult:
        yield self.lines_widget

    def on_mount(self) -> None:
        self.lines_widget.focus()
        self.set_interval(TICK_S, self._tick)
        self._runs_in = asyncio.get_running_loop()
        self.heed_signals()
        if self.hung_up:
            self.exit("leave")
        if self._watch:
            self._watch_over(self.source, self.present)

    def on_unmount(self) -> None:
        self._over.set()
        if self.session.past is not None:
            self.session.past.close()
        for taken in list(self._taken):
            taken.set()

    def heed_signals(self) -> None:
        """A closed terminal ends the console from now on, also while it is not drawn yet or no longer: a shell sends SIGHUP after the
        kernel did, and a handler of the event loop goes with the loop."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # a test's thread, which catches no signals
                signal.signal(number, self._hang_up)

    def _hang_up(self, *_: object) -> None:
        self.hung_up = True
        if self._runs_in is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._runs_in.call_soon_threadsafe(self.exit, "leave")

    def _leave(self, stop: bool) -> None:
        self.exit("stop" if stop else "leave")

    def _begin(self, command: list[str]) -> None:
        self.next_command = command
        self.exit("stop")

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.session.page.tick()
        self.paint()

    def paint(self) -> None:
        columns, rows = self.size
        self.lines_widget.set_lines(draw(self.session, columns, rows))

    def on_resize(self, event: events.Resize) -> None:
        self.lines_widget.set_lines(draw(self.session, event.size.width, event.size.height))

    async def on_event(self, event: events.Event) -> None:
        """Gives keys to the session before Textual sees them. Pasted text counts as typed."""
        if isinstance(event, events.Key):
            event.stop()
            self.session.press(name_of(event))
            self.paint()
            return
        if isinstance(event, events.Paste):
            event.stop()
            if self.session.overlay is not None:
                for letter in event.text.splitlines()[0][:200] if event.text.strip() else "":
                    self.session.press("space" if letter == " " else letter)
                self.paint()
            return
        await super().on_event(event)
        if isinstance(event, events.Resize):
            # Textual passes a new size on by a timer of 8 ms, and its timers skip a late turn. A process without the processor in
            # these 8 ms keeps its old size, and later sizes wait for the same timer.
            self._check_resize()

    # -- threads ---------------------------------------------------------------------------------------------------

    def _watch_over(self, source: Source | PastSource, session: Session) -> None:
        threading.Thread(target=self._follow, args=(source, session), name="console-watch", daemon=True).start()

    def _follow(self, source: Source | PastSource, session: Session) -> None:
        past = source if isinstance(source, PastSource) else None
        pace = past.pace if past is not None else PACE_S
        taken = threading.Event()
        self._taken.append(taken)
        try:
            while not self._over.is_set() and not (past is not None and past.over):
                begun = time.monotonic()
                snapshot = source.snapshot()
                taken.clear()
                self.post_message(Took(snapshot, session, taken))
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
            message.session.take(message.snapshot)
            if message.session is self.session:
                self.paint()
        finally:
            message.taken.set()

    # -- looking back ----------------------------------------------------------------------------------------------

    def _look_back(self) -> None:
        """Switches between now and the past. The live session keeps taking snapshots, so it is current on return."""
        if self.session is not self.present:
            if self.session.past is not None:
                self.session.past.close()
            self.session = self.present
            return
        if self.present.past is not None:
            self.present.note(Said(False, "this is only a look back, without the present", "q leaves; run crowbar to see the present"))
        elif not self._opening:
            self._opening = True
            self.present.note(Said(True, READING))
            self._work(self.open_past, self._opened)

    def open_past(self) -> PastSource:
        """Reads the whole journal of the store. Raises StoreError."""
        past = of_store(self.source.where)
        while not past.read() and not self._over.is_set():
            time.sleep(KIND_S)
        return past

    def _opened(self, past: PastSource | Exception) -> None:
        self._opening = False
        if isinstance(past, Exception):
            self.present.note(Said(False, str(past)))
            return
        if self.present.notes and self.present.notes[-1].text == READING:
            self.present.notes.pop()
        session = new_session(past.snapshot(), self.present.theme, self.present.real, self.source.where)
        session.past, session.beside, session.real = past, self.present, self.present.real
        session.wall = lambda: session.snapshot.at
        session.leave, session.apply_theme, session.look_back, session.work = (
            self._leave,
            self.present.apply_theme,
            self._look_back,
            self._work,
        )
        go_where(session, self.present)
        self.session = session
        self._watch_over(past, session)

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
                said = Said(False, f"the console failed: {error}")
            if not self._over.is_set():
                self.post_message(Answered(order, said))

    def on_answered(self, message: Answered) -> None:
        self.session.answered(message.order, message.said)
        self.paint()

    def on_broke(self, message: Broke) -> None:
        self.session.note(Said(False, f"the screen no longer changes: {message.error}", "press q, then open the console again"))
        self.paint()


def name_of(event: events.Key) -> str:
    """The key's name: a printable character as itself, `space` by name, others by Textual's name."""
    if event.character is not None and event.is_printable and event.character != " ":
        return event.character
    return event.key
