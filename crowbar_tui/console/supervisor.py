"""A process that supervises the console: the shell gets its prompt back when the user leaves, and a clean terminal however the console
ends.

    shell -- supervisor (waits) -- console and engine
                                  leaves the terminal with setsid and continues; or ends

Why: `q` ends the console and leaves the engine running. The engine is threads of the console's process, so that process must stay, and
another process must tell the shell that the command is over. That other process, the supervisor, also notices if the console is killed,
and then resets the terminal.

The fork comes before any thread starts. Both processes are in one foreground group, so a closed terminal (SIGHUP) reaches both. A killed
supervisor is like a closed terminal: the shell takes the terminal back, so the console ends, and may still put the terminal in order.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import curtain
from .defects import words_of

log = logging.getLogger(__name__)

RESET = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1016l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[?25h\x1b[?1049l\x1b[?7h\x1b[0m\r\n"
"""Resets the terminal: mouse, focus and paste reports off, keyboard and cursor normal, main screen, lines that wrap, no colour."""


OWNER_S = 0.5
"""Seconds between two looks whether the supervisor is still there."""


class Away:
    """Lets the console's process leave the terminal."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self.left = threading.Event()

    def leave(self, log: Path, said: str = "") -> None:
        """Leaves the terminal: streams go to `log`, and the shell continues. `said` is printed for it. A second call does nothing."""
        if self._pipe < 0:
            return
        self.left.set()
        sys.stdout.flush()
        pipe, self._pipe = self._pipe, -1
        try:
            os.write(pipe, b"left" + said.encode())
        except OSError:  # the supervisor is gone: killed, or somebody closed the terminal
            with contextlib.suppress(OSError):
                os.write(1, f"{said}\r\n".encode())
        with contextlib.suppress(OSError):
            os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            out = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(pipe)  # only now does the supervisor end

    def then(self, command: list[str]) -> None:
        """Has the supervisor run this command in the terminal when this process has ended."""
        if self._pipe >= 0:
            with contextlib.suppress(OSError):
                os.write(self._pipe, b"then" + json.dumps(command).encode())


def guarded(body: Callable[[Away], int], then: Callable[[list[str]], int] | None = None) -> int:
    """Runs `body` in a child process under a supervisor. Returns its exit code, or 0 once it left the terminal. `then` runs the
    command that the user chose in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    here, there = os.pipe()
    kept = _settings()
    owner = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(here)
        code = 1
        away = Away(there)
        _end_with(owner, away)
        try:
            code = body(away)
        except BaseException as error:
            if isinstance(error, SystemExit):
                code = error.code if isinstance(error.code, int) else 1
            elif not isinstance(error, KeyboardInterrupt):
                _report(error)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    os.close(there)
    curtain.gone()
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the console handles keys; in raw mode the terminal sends no such signal anyway
    signal.signal(signal.SIGTERM, lambda *_: _end(pid, here))
    said = b""
    while chunk := os.read(here, 4096):
        said += chunk
    os.close(here)
    if said.startswith(b"left"):
        if len(said) > 4:
            print(said[4:].decode(), flush=True)
        return 0
    _, status = os.waitpid(pid, 0)
    if said.startswith(b"then") and then is not None and status == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.environ[curtain.UP] = "1"  # the console left it so
        return then([str(word) for word in json.loads(said[4:])])
    if os.WIFSIGNALED(status):
        _restore(kept)
        ended = os.WTERMSIG(status)
        print(f"crowbar: {signal.Signals(ended).name} ended the console; crowbar opens it again", file=sys.stderr)
        return 128 + ended
    return os.waitstatus_to_exitcode(status)


def _end_with(owner: int, away: Away) -> None:
    """The end of the supervisor hangs up, as long as the console has not left."""

    def watch() -> None:
        while not away.left.wait(OWNER_S):
            if os.getppid() != owner:
                os.kill(os.getpid(), signal.SIGHUP)
                return

    threading.Thread(target=watch, name="console-owner", daemon=True).start()


def _end(console: int, pipe: int) -> None:
    """Ends the console too, unless it has left the terminal: then its second SIGTERM would end the engine. A shell sends SIGTERM to both,
    and a supervisor that was stopped gets it when it is continued."""
    with contextlib.suppress(OSError):  # the pipe is closed: the console ends anyway
        if not select.select([pipe], [], [], 0)[0]:
            os.kill(console, signal.SIGTERM)


def _report(error: BaseException) -> None:
    """One line if a log keeps the traceback, otherwise the traceback."""
    files = [handler.baseFilename for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)]
    if not files:
        sys.excepthook(type(error), error, error.__traceback__)
        return
    log.error("the console failed", exc_info=error)
    print(f"crowbar: the console failed: {words_of(error)}; a defect of Crowbar: report it with {files[0]}", file=sys.stderr)


def _settings() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def _restore(kept: list[Any] | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, RESET.encode())
    if kept is not None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, kept)
