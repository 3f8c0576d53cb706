"""A process that watches over the console's: the shell gets its prompt back when the console is left, and a clean terminal however it ends.

    shell -- guardian (waits) -- console and engine
                                  leaves the terminal with setsid, and goes on; or ends

Why: `q` shall end the console and leave the engine at work. The engine is threads of the console's process, so that process stays, and
the shell must be told by another one that the command is over. That other one also sees when the console is killed, and then puts the
terminal right.

The fork comes before any thread is started. Both are in one foreground group: a closed terminal (SIGHUP) reaches both.
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

RESET = "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[?25h\x1b[?1049l\x1b[0m\r\n"
"""Mouse, focus and paste reports off, keyboard as it was, cursor on, main screen, no colour."""


class Away:
    """The way of the console's process out of the terminal."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def leave(self, log: Path, said: str = "") -> None:
        """From here on no terminal: streams go to `log`, and the shell goes on; `said` is printed for it. Twice is as good as once."""
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
        with contextlib.suppress(OSError):  # the guardian is gone: the terminal was closed
            os.write(pipe, b"left" + said.encode())
        os.close(pipe)


    def then(self, words: list[str]) -> None:
        """When this process has ended, the guardian carries out this command in the terminal."""
        if self._pipe >= 0:
            with contextlib.suppress(OSError):
                os.write(self._pipe, b"then" + json.dumps(words).encode())


def guarded(body: Callable[[Away], int], then: Callable[[list[str]], int] | None = None) -> int:
    """Run `body` in a process of its own under a guardian; its exit code, 0 once it left. `then` carries out the command that was chosen
    in it."""
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
        signal.signal(number, signal.SIG_IGN)  # keys are the console's; in raw mode they do not come anyway
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
        print(f"crowbar: the console was ended by {signal.Signals(ended).name}; open it again with crowbar", file=sys.stderr)
        return 128 + ended
    return os.waitstatus_to_exitcode(status)


def _settings() -> list[object] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def _restore(kept: list[object] | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, RESET.encode())
    if kept is not None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, kept)  # type: ignore[arg-type]
