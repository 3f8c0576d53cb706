"""A rack with its own network namespaces: real addresses and ports, without root if the system lets users make namespaces.

    outer namespace: the engine, admin address on `crowbar0`   <-- veth -->   inner namespace: the rack's process, `rack0`

An *owner* (`namespace_owner.py`) makes both and stays while the rack runs, because a namespace lives as long as a process in it. So after
a kill the engine finds the same rack again. Every program that must see the rack, the engine first of all, runs in the outer namespace:
`command(folder, [...])` gives the command line for that.

Subnets of the plan are reached through one gateway address on the rack's side, so that the kernel's neighbour table (1,024 entries, for
all namespaces together) holds one entry and not one per machine.

Trap: in a user namespace the caller is root (uid 0) only for these namespaces; files belong to the outer user as before.
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
    """Network namespaces are not possible here; the text says why. Use a lane."""


def privileged() -> bool:
    return os.geteuid() == 0


def why_not() -> str:
    """Why namespaces are not possible here, in one sentence. Empty: they are."""
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"the program {program!r} is not installed"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode:
        return f"this system does not let us make a network namespace: {tried.stderr.strip()[:200]}"
    return ""


def _unshare() -> list[str]:
    return ["unshare", "--net"] if privileged() else ["unshare", "--user", "--map-root-user", "--net"]


def owner_command(folder: Path) -> list[str]:
    """The command that starts the owner of a rack, and with it the rack. Raises NoNamespace."""
    if why := why_not():
        raise NoNamespace(why)
    return [shutil.which("unshare") or "unshare", *_unshare()[1:], sys.executable, "-m", "engine.racks.namespace_owner", str(folder)]


def command(folder: Path, words: Sequence[str]) -> list[str]:
    """`words` as a command line that runs in the outer namespace of a running rack. Raises NoNamespace."""
    try:
        owner = int((folder / "owner.pid").read_text(encoding="ascii"))
        os.kill(owner, 0)
    except (OSError, ValueError) as wrong:
        raise NoNamespace(f"no rack with a namespace runs in {folder}") from wrong
    user = [] if os.readlink(f"/proc/{owner}/ns/user") == os.readlink("/proc/self/ns/user") else ["--user"]
    keep = ["--preserve-credentials"] if user else []
    return [shutil.which("nsenter") or "nsenter", f"--target={owner}", *user, *keep, "--net", "--", *words]


def inside(folder: Path) -> bool:
    """True if this process is in the outer namespace of the rack in `folder`."""
    try:
        owner = int((folder / "owner.pid").read_text(encoding="ascii"))
        return os.readlink(f"/proc/{owner}/ns/net") == os.readlink("/proc/self/ns/net")
    except (OSError, ValueError):
        return False
