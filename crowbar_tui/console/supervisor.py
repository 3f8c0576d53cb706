"""A process that supervises the console: the shell gets its prompt back when the user leaves, and a clean terminal however the console
ends.

    shell -- supervisor (waits) -- console and engine
                                  leaves the terminal with setsid and continues; or ends

Why: `q` ends the console and leaves the engine running. The engine is threads of the console's process, so that process must stay, and
another process must tell the shell that the command is over. That other process, the supervisor, also notices if the console is killed,
and then resets the terminal.

The fork comes before any thread starts. Both processes are in one foreground group, so a closed terminal (SIGHUP) reaches both.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESET = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[?25h\x1b[?1049l\x1b[0m\r\n"
"""Resets the terminal: mouse, focus and paste reports off, keyboard and cursor normal, main screen, no colour."""


class Away:
    """Lets the console's process leave the terminal."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def leave(self, log: Path, said: str = "") -> None:
        """Leaves the terminal: streams go to `log`, and the shell continues. `said` is printed for it. A second call does nothing."""
        if self._pipe < 0:
            return
        sys.stdout.flush()
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
        pipe, self._pipe = self._pipe, -1
        with contextlib.suppress(OSError):  # the supervisor is gone: somebody closed the terminal
            os.write(pipe, b"left" + said.encode())
        os.close(pipe)

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
    pid = os.fork()
    if pid == 0:
        os.close(here)
        code = 1
        try:
            code = body(Away(there))
        except BaseException as error:
            if isinstance(error, SystemExit):
                code = error.code if isinstance(error.code, int) else 1
            elif not isinstance(error, KeyboardInterrupt):
                sys.excepthook(type(error), error, error.__traceback__)
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    os.close(there)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)  # the console handles keys; in raw mode the terminal sends no such signal anyway
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
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
        return then([str(word) for word in json.loads(said[4:])])
    if os.WIFSIGNALED(status):
        _restore(kept)
        ended = os.WTERMSIG(status)
        print(f"crowbar: {signal.Signals(ended).name} ended the console; open it again with crowbar", file=sys.stderr)
        return 128 + ended
    return os.waitstatus_to_exitcode(status)


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
