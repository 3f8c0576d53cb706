"""Checks whether this machine and this user can build an image. If not, one sentence says what to install or set, before any download.

Root installs packages in a chroot. Another user does the same in a user namespace, which needs 65536 further user and group ids
(subuid(5)) and the two programs that map them. Packages of another architecture run their scripts by emulation: the kernel starts QEMU
for them (binfmt_misc), which a container gets from its host.
"""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import subprocess
from pathlib import Path

from .recipe import ARCHITECTURES

TOOLS = {"mmdebstrap": "mmdebstrap", "zstd": "zstd", "mke2fs": "e2fsprogs"}
"""Program -> Debian package."""
FOREIGN_TOOLS = {"arch-test": "arch-test", "qemu-{}-static": "qemu-user-static"}
USER_TOOLS = {"newuidmap": "uidmap", "newgidmap": "uidmap"}
IDS = 65536
PROGRAM_S = 20.0


def search_path() -> str:
    """$PATH, and where Debian has programs for root: a user's $PATH lacks it."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def foreign(arch: str) -> bool:
    """True if that (Debian's name) is another architecture than this machine's."""
    return ARCHITECTURES[arch] != platform.machine()


def why_not(arch: str, etc: Path = Path("/etc")) -> str:
    """Why this machine cannot build for that architecture. Empty: it can."""
    wanted = dict(TOOLS)
    if foreign(arch):
        wanted |= {program.format(ARCHITECTURES[arch]): package for program, package in FOREIGN_TOOLS.items()}
    if os.geteuid() != 0:
        wanted |= USER_TOOLS
    if missing := list(dict.fromkeys(package for program, package in wanted.items() if shutil.which(program, path=search_path()) is None)):
        return f"not installed: {', '.join(missing)} (apt install {' '.join(missing)})"
    if foreign(arch) and not _succeeds("arch-test", arch):
        return f"this machine does not start programs for {arch} (systemctl restart systemd-binfmt; in a container, on its host)"
    return _no_namespace(getpass.getuser(), etc) if os.geteuid() != 0 else ""


def _no_namespace(user: str, etc: Path) -> str:
    """Why a user who is not root has no namespace with all the ids that packages need."""
    lacking = [name for name in ("subuid", "subgid") if not _has_ids(etc / name, user)]
    if lacking:
        files = " and ".join(f"/etc/{name}" for name in lacking)
        return (
            f"{user} has no {IDS} further ids in {files}: run it as root, or once as root "
            f"`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}`"
        )
    if not _succeeds("unshare", "--user", "true"):
        return "this system lets only root make user namespaces (kernel.unprivileged_userns_clone): run the build as root"
    return ""


def _has_ids(file: Path, user: str) -> bool:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    rows = [line.split(":") for line in lines]
    return any(len(row) == 3 and row[0] in (user, str(os.getuid())) and row[2].isdigit() and int(row[2]) >= IDS for row in rows)


def _succeeds(*words: str) -> bool:
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PROGRAM_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
