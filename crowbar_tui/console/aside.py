"""Steps aside: the shell or a pager has the terminal for a while, and the console comes back on the same screen.

    ctrl+z   the console leaves the screen, then stops all of its job but itself: the shell gets its prompt, and the engine inside goes on
    fg       the shell continues the job (SIGCONT), and the console draws again. After `bg` it stops the job again, as it has no terminal
    pager    a child has the terminal, the engine goes on, and ctrl+z in it stops the job as usual

This process is never stopped, because an engine that machines boot from may be inside. A stopped engine would be one that has hung.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

TURNS = 10
"""How often the console looks whether the shell has given it the terminal back, 50 ms apart."""


def shell_waits() -> bool:
    """True if a shell with job control waits for this job: some process of the job has its parent in another job of the session. Without
    one nobody could continue a stopped job."""
    group, session, process = os.getpgrp(), os.getsid(0), os.getppid()
    for _ in range(16):
        try:
            if os.getsid(process) != session:
                return False
            if os.getpgid(process) != group:
                return True
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
    return False


class Aside:
    """Of one app. Every call is made on the app's thread."""

    def __init__(self, app: App[Any], paint: Callable[[], None]) -> None:
        self._app = app
        self._paint = paint
        self._held: ExitStack | None = None
        """Keeps Textual from writing while somebody else has the terminal."""
        self._child = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def away(self) -> bool:
        return self._held is not None

    def heed_signals(self) -> None:
        """From now on this process is not stopped with its job."""
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError):  # a test's thread, which catches no signals
            signal.signal(signal.SIGTSTP, self._stopped)
            signal.signal(signal.SIGCONT, self._continued)

    def _stopped(self, *_: object) -> None:
        """Somebody stopped the job, with `kill -TSTP` for example. In a pager the pager stops, and the shell has the terminal."""
        if not self.away:
            self._soon(self.suspend)

    def _continued(self, *_: object) -> None:
        if self.away and not self._child:
            self._soon(self._come_back, TURNS)

    def _soon(self, call: Callable[..., object], *values: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(call, *values)

    # -- ctrl+z ----------------------------------------------------------------------------------------------------

    def suspend(self) -> str:
        """Gives the terminal back to the shell. Returns why not, or nothing."""
        if self.away:
            return ""
        if self._app.is_headless or not shell_waits():
            return "no shell waits for this console, so nothing could continue it"
        self._leave()
        print("crowbar: the console waits; the engine goes on. fg comes back", file=sys.__stderr__, flush=True)
        self._stop_job()
        return ""

    def _stop_job(self) -> None:
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.killpg(os.getpgrp(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stopped)

    def _come_back(self, turns: int) -> None:
        """The shell may continue the job a moment before it gives it the terminal. After `bg` it never does."""
        if not self.away or self._child:
            return
        try:
            here = os.tcgetpgrp(0) == os.getpgrp()
        except OSError:  # the terminal is gone: SIGHUP ends the console
            return
        if here:
            self._return()
        elif turns and self._loop is not None:
            self._loop.call_later(0.05, self._come_back, turns - 1)
        else:
            self._stop_job()

    # -- a pager ---------------------------------------------------------------------------------------------------

    def show(self, words: list[str], text: bytes) -> str:
        """Runs a pager on this text. Returns why not, or nothing; what fails later is printed."""
        if self.away:
            return ""
        if self._app.is_headless:
            return "this console has no terminal"
        self._leave()
        self._child = True
        kept = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGQUIT)}
        threading.Thread(target=self._run, args=(words, text, kept), name="console-pager", daemon=True).start()
        return ""

    def _run(self, words: list[str], text: bytes, kept: dict[signal.Signals, Any]) -> None:
        said = ""
        try:
            subprocess.run(words, input=text, check=False)
        except OSError as error:
            said = f"{words[0]} failed: {(error.strerror or str(error)).lower()}"
        self._soon(self._left_pager, kept, said)

    def _left_pager(self, kept: dict[signal.Signals, Any], said: str) -> None:
        self._child = False
        for number, handler in kept.items():
            signal.signal(number, handler)
        if said:
            print(f"crowbar: {said}", file=sys.__stderr__, flush=True)
        self._come_back(TURNS)

    # -- the screen ------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        driver = self._app._driver
        self._held = ExitStack()
        self._held.enter_context(self._app.batch_update())
        if driver is not None:
            self._held.enter_context(driver.no_automatic_restart())
            driver.suspend_application_mode()
            if hasattr(driver, "attrs_before"):
                driver.attrs_before = None  # the terminal's settings are the shell's now, even if the console ends meanwhile
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)

    def _return(self) -> None:
        held, self._held = self._held, None
        if held is None:
            return
        driver = self._app._driver
        if driver is not None:
            driver.resume_application_mode()
        held.close()
        self._app.screen.refresh(layout=True)
        self._paint()
