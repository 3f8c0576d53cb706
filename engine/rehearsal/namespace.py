"""A rack with network namespaces of its own: real addresses and ports, without privilege where the system lets users make namespaces.

    outer namespace: the engine, admin address on `crowbar0`   <-- veth -->   inner namespace: the rack's process, `rack0`

A *keeper* (`keeper.py`) makes both and stays while the rack runs, since a namespace lives as long as a process in it; so an engine that was
killed finds the same rack again. Whatever shall see the rack, the engine first of all, is run in the outer namespace: `command(folder,
[...])` gives the command line that does so.

Subnets of the plan are reached through one gateway address on the rack's side, so that the kernel's table of neighbours (1,024 entries,
for all namespaces together) holds one entry and not one per machine.

Trap: in a user namespace the caller is root (uid 0) of nothing but these namespaces; files belong to the user outside as before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

OUTER, INNER = "crowbar0", "rack0"
GATEWAY = "169.254.67.1"  # link-local (RFC 3927), seen by nobody but these two ends


class NoNamespace(Exception):
    """Network namespaces cannot be made here; the text says why. Use a lane."""


def privileged() -> bool:
    return os.geteuid() == 0


def why_not() -> str:
    """Why namespaces cannot be had here, in one sentence; empty: they can."""
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"the program {program!r} is not installed"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode:
        return f"this system does not let us make a network namespace: {tried.stderr.strip()[:200]}"
    return ""


def _unshare() -> list[str]:
    return ["unshare", "--net"] if privileged() else ["unshare", "--user", "--map-root-user", "--net"]


def keeper_command(folder: Path) -> list[str]:
    """What starts the keeper of a rack, and with it the rack. Raises NoNamespace."""
    if why := why_not():
        raise NoNamespace(why)
    return [shutil.which("unshare") or "unshare", *_unshare()[1:], sys.executable, "-m", "engine.rehearsal.keeper", str(folder)]


def command(folder: Path, words: Sequence[str]) -> list[str]:
    """`words` as a command line that runs in the outer namespace of a running rack. Raises NoNamespace."""
    try:
        keeper = int((folder / "keeper.pid").read_text(encoding="ascii"))
        os.kill(keeper, 0)
    except (OSError, ValueError) as wrong:
        raise NoNamespace(f"no rack with a namespace runs in {folder}") from wrong
    user = [] if os.readlink(f"/proc/{keeper}/ns/user") == os.readlink("/proc/self/ns/user") else ["--user"]
    keep = ["--preserve-credentials"] if user else []
    return [shutil.which("nsenter") or "nsenter", f"--target={keeper}", *user, *keep, "--net", "--", *words]


def inside(folder: Path) -> bool:
    """Is this process in the outer namespace of the rack in `folder`?"""
    try:
        keeper = int((folder / "keeper.pid").read_text(encoding="ascii"))
        return os.readlink(f"/proc/{keeper}/ns/net") == os.readlink("/proc/self/ns/net")
    except (OSError, ValueError):
        return False
