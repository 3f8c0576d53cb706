"""What the system needs for a rack of QEMU machines, and what it lacks, in one sentence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .. import namespace
from .command import CODE, QEMU, ROM, VARS

PROGRAMS = {
    QEMU: "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ip": "iproute2",
    "nft": "nftables",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
"""Program -> Debian package."""
FILES = {CODE: "ovmf", VARS: "ovmf"}
ROMS = ("/usr/share/qemu", "/usr/lib/ipxe/qemu", "/usr/share/qemu-efi")
TUN = "/dev/net/tun"


def packages() -> list[str]:
    """Debian packages that are missing, in order."""
    found = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    found += [package for file, package in FILES.items() if not Path(file).is_file()]
    if not any((Path(folder) / ROM).is_file() for folder in ROMS):
        found.append("ipxe-qemu")
    return list(dict.fromkeys(found))


def missing() -> str:
    """Why such a rack is not possible here. Empty: it is."""
    if lacking := packages():
        return f"a rack of QEMU machines needs Debian's packages {', '.join(lacking)}: apt install {' '.join(lacking)}"
    if why := namespace.why_not():
        return f"a rack of QEMU machines needs network namespaces, and {why}"
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"a rack of QEMU machines needs {TUN}, which this user may not open"
    return ""


def room(machines_mb: int) -> str:
    """Why so much memory is not available. Empty: it is."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            free = int(value.split()[0]) // 1024
            if machines_mb > free:
                return f"the machines want {machines_mb} MB of memory and {free} MB are free: take fewer, or smaller ones"
    return ""
