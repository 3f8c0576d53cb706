"""The rim: a Textual app with one sheet. Keys go to the session, snapshots come from a watching thread, and the sheet repaints what
changed.

    watch threads  source.wait -> source.snapshot -> one message, and the next one only after it was taken in: at most 5 a second, and at
                   most half of the time
    order threads  one command each, answered by a message

Rules
* No animation, no palette or bindings of Textual's own: every key belongs to the session.
* SIGHUP, SIGTERM and a closed terminal end the app cleanly. Textual restores the terminal, and the engine continues (`lifecycle`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.message import Message
from textual.screen import Screen

from .alerts import sequence, way
from .aside import Aside
from .frame import draw
from .glyphs import ascii_only
from .kept_file import KeptFile
from .lines_widget import LinesWidget
from .manner import Manner
from .mouse import MouseDriver, has_mouse
from .orders import Order
from .past import PastSource, of_store
from .pointer import click, wheel
from .screens import go_where, new_session
from .session import Session
from .set_up import prepare
from .snapshot import Said, Setting, Snapshot, Source
from .theme import fitting

log = logging.getLogger(__name__)

PACE_S = 0.2
"""Shortest time between two snapshots, in seconds; CROWBAR_PACE may make it longer."""
SLOWEST_S = 60.0
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
        self,
        source: Source,
        theme: str = "",
        wall: Callable[[], float] = time.time,
        first: Snapshot | None = None,
        watch: bool = True,
        manner: Manner | None = None,
    ) -> None:
        super().__init__(MouseDriver, ansi_color=True)
        self.animation_level = "none"
        self.source = source
        manner = manner or Manner()
        theme = theme or fitting(asked=manner.taken.preferences.theme)
        self.session = new_session(first or source.snapshot(), theme, wall, source.where)
        self.session.send = self._send
        self.session.leave = self._leave
        self.session.begin = self._begin
        self.session.work = self._work
        self.session.source = source
        self.session.rehearsal = source.where.with_name(source.where.name + ".rack").is_dir()
        self.session.apply_theme = lambda: self.lines_widget.set_theme(self.session.theme)
        self.session.look_back = self._look_back
        self.session.ring = self._ring
        self.aside = Aside(self, self.paint)
        terminal = self.session.terminal
        terminal.write, terminal.suspend, terminal.pager = self._write, self.aside.suspend, self.aside.show
        prepare(self.session, manner)
        manner.switch_mouse = self._switch_mouse
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
        self._kept: KeptFile | None = None
        self._pressed_at: tuple[int, int] | None = None
        """Cell in which the mouse button went down."""
        self._runs_in: asyncio.AbstractEventLoop | None = None
        self.next_command: list[str] = []
        """The command to run after this console."""
        self.ended_by = ""
        """The defect that ended the console, as a sentence. Empty: none."""

    def get_default_screen(self) -> Screen[None]:
        return Table(id="_default")

    def compose(self) -> ComposeResult:
        yield self.lines_widget

    def on_mount(self) -> None:
        self.lines_widget.focus()
        self.set_interval(TICK_S, self._tick)
        self._runs_in = asyncio.get_running_loop()
        self.heed_signals()
        self.aside.heed_signals()
        if self.hung_up:
            self.exit("leave")
        if self._watch:
            self._watch_over(self.source, self.present)

    def on_unmount(self) -> None:
        self._over.set()
        self._do("keeping filters and commands", lambda: self._keep_changes(now=True))
        if self.session.past is not None:
            self.session.past.close()
        for taken in list(self._taken):
            taken.set()

    def keep(self, file: KeptFile) -> None:
        """Shows what the user left at the last start, and keeps what changes."""
        self._kept = file
        self.session.keeping.take(file.kept, file.store, self.session.screens)
        if file.trouble:
            self.session.refuse(file.trouble)
        elif self.session.page.needle:
            self.session.say_so(f"the filter {self.session.page.needle} of the last start still counts: esc shows all")

    def _keep_changes(self, now: bool = False) -> None:
        """`now`: at the end, without a job."""
        file, session = self._kept, self.present
        if file is None or session.past is not None:
            return
        pages = session.keeping.note((*session.screens, *session.stack))
        ran = list(session.keeping.ran)
        if file.changed(pages, ran):
            session.work(lambda: file.write(pages, ran), lambda _: None) if not now else file.write(pages, ran)

    def heed_signals(self) -> None:
        """A closed terminal ends the console from now on, also while it is not drawn yet or no longer: a shell sends SIGHUP after the
        kernel did, and a handler of the event loop goes with the loop."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # a test's thread, which catches no signals
                signal.signal(number, self._hang_up)

    def _hang_up(self, *_: object) -> None:
        self.hung_up = True
        for number in (signal.SIGTTOU, signal.SIGTTIN):  # the shell may have the terminal back; it is still ours to put in order
            signal.signal(number, signal.SIG_IGN)
        if self._runs_in is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._runs_in.call_soon_threadsafe(self.exit, "leave")

    def _leave(self, stop: bool) -> None:
        self.exit("stop" if stop else "leave")

    def _begin(self, command: list[str]) -> None:
        self.next_command = command
        self.exit("stop")

    def run_console(self) -> str | None:
        """Runs until the user leaves, with the mouse where the terminal has one."""
        MouseDriver.wanted = self.session.manner.mouse
        return self.run(mouse=has_mouse(os.environ.get("TERM", "")))

    def _switch_mouse(self, on: bool) -> bool:
        return isinstance(self._driver, MouseDriver) and self._driver.switch(on)

    def _ring(self, text: str) -> None:
        """The bell, and a notification where the terminal has them."""
        self._write(sequence(text, way(os.environ)))

    def _write(self, sequence: str) -> None:
        if sequence and self._driver is not None and not self.aside.away:
            self._driver.write(sequence)

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._do(f"the screen {self.session.page.name}", self.session.page.tick)
        self._do("keeping filters and commands", self._keep_changes)
        self.paint()

    def paint(self) -> None:
        if self.aside.away:
            return
        columns, rows = self.size
        self.lines_widget.set_lines(draw(self.session, columns, rows))

    def on_resize(self, event: events.Resize) -> None:
        self.lines_widget.set_lines(draw(self.session, event.size.width, event.size.height))

    def _do(self, what: str, call: Callable[[], object]) -> bool:
        """True if it succeeded. If it raises, the user gets a note, and the console goes on."""
        return self.session.defects.guarded(what, lambda: (call(), True)[1], lambda _said: False)

    def _press(self, key: str) -> None:
        over = self.session.overlay
        if not self._do(f"the key {key}", lambda: self.session.press(key)) and over is not None:
            self.session.overlay = None  # otherwise it would take the next key too

    def _handle_exception(self, error: Exception) -> None:
        """A defect outside of all parts ends the console. Textual would print the local variables of every frame."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self.ended_by = str(self.session.defects.record("the console", error))
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Textual's end when its input thread dies; what it would print goes to the log."""
        stacks = [stack for one in renderables for stack in getattr(getattr(one, "trace", None), "stacks", ())]
        self._handle_exception(RuntimeError("; ".join(f"{stack.exc_type}: {stack.exc_value}" for stack in stacks) or "the terminal broke"))

    async def on_event(self, event: events.Event) -> None:
        """Gives keys to the session before Textual sees them. Pasted text counts as typed."""
        if isinstance(event, events.Key):
            event.stop()
            self._press(name_of(event))
            self.session.hurried = True
            self.paint()
            self.session.hurried = False
            return
        if isinstance(event, events.MouseEvent):
            event.stop()
            self._point(event)
            return
        if isinstance(event, events.Paste):
            event.stop()
            if self.session.overlay is not None:
                for letter in event.text.splitlines()[0][:200] if event.text.strip() else "":
                    self._press("space" if letter == " " else letter)
                self.paint()
            return
        await super().on_event(event)
        if isinstance(event, events.Resize):
            # Textual passes a new size on by a timer of 8 ms, and its timers skip a late turn. A process without the processor in
            # these 8 ms keeps its old size, and later sizes wait for the same timer.
            self._check_resize()

    def _point(self, event: events.MouseEvent) -> None:
        """A click is a press and a release in the same cell: dragging does nothing."""
        at = int(event.x), int(event.y)
        if isinstance(event, events.MouseScrollDown | events.MouseScrollUp):
            direction = 1 if isinstance(event, events.MouseScrollDown) else -1
            self._do("the wheel", lambda: wheel(self.session, direction))
        elif isinstance(event, events.MouseDown):
            self._pressed_at = at if event.button == 1 else None
            return
        elif isinstance(event, events.MouseUp):
            before, self._pressed_at = self._pressed_at, None
            if before != at:
                return
            self._do("a click", lambda: click(self.session, self.lines_widget.lines, *at))
        else:
            return
        self.paint()

    # -- threads ---------------------------------------------------------------------------------------------------

    def _watch_over(self, source: Source | PastSource, session: Session) -> None:
        threading.Thread(target=self._follow, args=(source, session), name="console-watch", daemon=True).start()

    def _follow(self, source: Source | PastSource, session: Session) -> None:
        past = source if isinstance(source, PastSource) else None
        pace = past.pace if past is not None else pace_of(os.environ)
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
            self._do("taking in news", lambda: message.session.take(message.snapshot))
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
        session.manner = self.present.manner
        session.past, session.beside, session.real, session.terminal = past, self.present, self.present.real, self.present.terminal
        session.defects.log = self.present.defects.log
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
        self._do("the answer of a job", lambda: message.done(message.value))
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
        self._do("the answer to an order", lambda: self.session.answered(message.order, message.said))
        self.paint()

    def on_broke(self, message: Broke) -> None:
        self.session.note(Said(False, f"the screen no longer changes: {message.error}", "press q, then open the console again"))
        self.paint()


def pace_of(environment: Mapping[str, str]) -> float:
    """Seconds between two snapshots: CROWBAR_PACE, from PACE_S to SLOWEST_S. What is no number counts as PACE_S."""
    try:
        asked = float(environment.get("CROWBAR_PACE", ""))
    except ValueError:
        return PACE_S
    return min(max(asked, PACE_S), SLOWEST_S) if math.isfinite(asked) else PACE_S


def name_of(event: events.Key) -> str:
    """The key's name: a printable character as itself, `space` by name, others by Textual's name."""
    if event.character is not None and event.is_printable and event.character != " ":
        return event.character
    return event.key
