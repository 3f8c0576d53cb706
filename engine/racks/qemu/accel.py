"""KVM or TCG: decided by booting a kernel, because on some machines /dev/kvm opens and guests die at once.

The kernel starts without an initramfs and must panic because it has no root file system, which proves that it came up. The result is
kept in the rack's folder.
"""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

from .command import QEMU, accelerated
from .spec import QemuRackSpec

log = logging.getLogger("rack")
DEVICE = "/dev/kvm"
TRY_S = 20.0
UP = b"Kernel panic - not syncing: VFS"


def choose(spec: QemuRackSpec, folder: Path) -> str:
    """`kvm` or `tcg`. Blocks for up to TRY_S seconds, once per rack. Raises OSError."""
    if spec.accel != "auto":
        return spec.accel
    kept = folder / "accel"
    if kept.exists():
        return "kvm" if kept.read_text(encoding="ascii").strip() == "kvm" else "tcg"
    found = "kvm" if os.access(DEVICE, os.R_OK | os.W_OK) and spec.kernel and boots(spec.kernel, "kvm") else "tcg"
    kept.write_text(f"{found}\n", encoding="ascii")
    log.info("machines run with %s", found)
    return found


def boots(kernel: str, accel: str) -> bool:
    """True if this kernel comes up."""
    words = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35", *accelerated(accel), "-m", "512"]
    words += ["-kernel", kernel, "-append", "console=ttyS0 panic=-1", "-serial", "stdio"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TRY_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as wrong:
        log.info("no %s: %s", accel, wrong)
        return False
    return UP in done.stdout
