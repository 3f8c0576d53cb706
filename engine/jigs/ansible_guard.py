"""`python ansible_guard.py PROGRAM WORDS...`: runs ansible-playbook, and ends it with all its workers if our parent ends.

Ansible's workers lead sessions of their own, and each waits for its task on a node. Neither the end of their parent nor a signal to its
process group reaches them. The kernel sends SIGTERM when our parent ends (PR_SET_PDEATHSIG, prctl(2)); we then kill all descendants.

This file is a program and imports nothing of the engine, because it starts with each run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def descendants(pid: int) -> list[int]:
    """Processes below `pid`, the nearest first (proc(5), /proc/PID/stat)."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it ended
        children.setdefault(parent, []).append(int(name))
    found = list(children.get(pid, ()))
    for one in found:
        found += children.get(one, ())
    return found


def _end(*_signal: object) -> None:
    """Kills parents before their children, and looks again for what these started meanwhile."""
    for _ in range(3):
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    os._exit(128 + signal.SIGTERM)


def main() -> int:
    signal.signal(signal.SIGTERM, _end)
    parent = os.getppid()
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 128 + signal.SIGTERM  # it ended before the kernel knew
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.execv(sys.argv[1], sys.argv[1:])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255


if __name__ == "__main__":
    sys.exit(main())
