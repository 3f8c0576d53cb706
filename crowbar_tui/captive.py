"""A captive process: it serves somebody who must get no shell on this machine (`crowbar shell`).

    environment   only what a terminal needs is kept: no PAGER, no EDITOR, no search path of the caller's, nothing that loads a module
    wall          the interpreter itself refuses to start programs, to write outside the store, and to stop for a shell's job control
    words         the command that the SSH client asked for is compared with a table, never given to a shell

The console and the commands ask before they act. The wall stands behind them: whatever a page forgets, it refuses. It lasts as long as the
process, and its children have it too.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEPT = frozenset(
    "TERM LANG LANGUAGE TZ COLORTERM COLORFGBG NO_COLOR HOME USER LOGNAME SSH_CONNECTION SSH_ORIGINAL_COMMAND "
    "TERM_PROGRAM CROWBAR_THEME CROWBAR_ASCII CROWBAR_NOTIFY".split()
)
KEPT_BEGINNING = "LC_"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST = 1024
"""Most characters of a value of the environment."""
STARTS = frozenset(("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty.spawn"))
"""Audit events of a program that is about to start (docs.python.org/3/library/audit_events.html)."""
STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES: dict[str, tuple[tuple[int, int], ...]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((0, 2), (1, 3)),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, -1),),
    "os.utime": ((0, 3),),
    "shutil.move": ((0, -1), (1, -1)),
    "shutil.rmtree": ((0, 1),),
}
"""Audit event -> its arguments that are paths which change, each with the argument that is the descriptor of its folder (-1: none)."""


def kept(environment: Mapping[str, str]) -> dict[str, str]:
    """What is kept of the environment that an SSH client may have sent."""
    out = {
        name: value
        for name, value in environment.items()
        if (name in KEPT or name.startswith(KEPT_BEGINNING)) and (len(value) <= LONGEST or name == "SSH_ORIGINAL_COMMAND")
    }
    return {**out, "PATH": PATH}


def scrub() -> None:
    """Leaves only that in this process's environment."""
    left = kept(os.environ)
    os.environ.clear()
    os.environ.update(left)


def refusal(event: str, arguments: tuple[Any, ...], store: str, programs: tuple[tuple[str, ...], ...]) -> str:
    """Why an audited action of the interpreter is not allowed. Empty: it is. `store`: the folder that may change, as a real path.
    `programs`: command lines that may start."""
    if event in STARTS:
        command = arguments[1] if event == "subprocess.Popen" and len(arguments) > 1 else None
        if isinstance(command, list | tuple) and tuple(map(str, command)) in programs:
            return ""
        return "a captive process starts no program"
    if event in ("os.kill", "os.killpg") and len(arguments) > 1 and arguments[1] in STOPS:
        return "a captive process does not stop"
    if event == "open" and len(arguments) > 2 and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        return _outside(arguments[0], store)
    for path, folder in _CHANGES.get(event, ()):
        at = arguments[folder] if 0 <= folder < len(arguments) else None
        if why := _outside(arguments[path], store, at if isinstance(at, int) else -1):
            return why
    return ""


def _outside(path: object, store: str, folder: int = -1) -> str:
    """`folder`: the descriptor from which a relative path counts; negative: the working directory."""
    if isinstance(path, int) or path is None:  # a descriptor was judged when it was opened
        return ""
    try:
        given = os.fsdecode(path)  # type: ignore[arg-type]
        base = os.readlink(f"/proc/self/fd/{folder}") if folder >= 0 else ""
        name = os.path.realpath(os.path.join(base, given))
    except (TypeError, ValueError, OSError):
        return "a captive process writes to no such path"
    if name in (store, "/dev/null", "/dev/tty") or name.startswith((f"{store}/", "/dev/pts/")):
        return ""
    return f"a captive process writes nothing outside {store}"


def wall(store: Path, programs: tuple[tuple[str, ...], ...] = ()) -> None:
    """From now on the interpreter refuses what `refusal` names, with PermissionError. It cannot be undone."""
    inside = os.path.realpath(store)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if why := refusal(event, arguments, inside, programs):
            raise PermissionError(why)

    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.dont_write_bytecode = True
    sys.addaudithook(hook)
