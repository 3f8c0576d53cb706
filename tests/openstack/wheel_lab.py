"""Nodes with the real Swift from PyPI and the real rsync and memcached of this machine, without an image of Debian 13.

A node has this machine's /usr and a root file system of its own, in PID and mount namespaces of its own. `systemctl_stand_in.py` stands for
systemd; the roles' scripts are the barclamps' own. Needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloud_lab import BOOT_S, CloudLab, CloudNode

SWIFT = "swift==2.35.0"
"""That of OpenStack 2025.1, which Debian 13 has."""
CACHE = Path(os.environ.get("CROWBAR_SWIFT_WHEELS", "/var/tmp/crowbar-swift-wheels"))
"""The tree with Swift's programs. It is made once."""
PACKAGES = {"rsync": "rsync", "memcached": "memcached", "unshare": "util-linux", "ip": "iproute2"}
STAND_IN = Path(__file__).with_name("systemctl_stand_in.py")
PYTHON = "/usr/bin/python3"


def why_not() -> str:
    """Why there can be no such lab here, in one sentence; empty: it can."""
    if os.geteuid() != 0:
        return "nodes in namespaces need root"
    missing = sorted({package for name, package in PACKAGES.items() if shutil.which(name) is None})
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if (CACHE / "complete").exists() or _made() else f"{SWIFT} cannot be installed from PyPI"


def _made() -> bool:
    shutil.rmtree(CACHE, ignore_errors=True)
    place = CACHE / "opt/swift"
    place.mkdir(parents=True)
    if subprocess.run([PYTHON, "-m", "venv", str(place)], check=False).returncode:
        return False
    if subprocess.run([str(place / "bin/pip"), "-q", "install", SWIFT], check=False).returncode:
        return False
    shutil.copytree("/etc", CACHE / "etc", symlinks=True)
    for name, line in (("passwd", "swift:x:989:989::/var/lib/swift:/bin/false\n"), ("group", "swift:x:989:\n")):
        with (CACHE / "etc" / name).open("a") as out:
            out.write(line)
    programs = CACHE / "opt/bin"
    programs.mkdir()
    shutil.copy(STAND_IN, programs / "systemctl")
    for program in (place / "bin").glob("swift-*"):
        # The venv stands at another path on a node.
        (programs / program.name).write_text(f"#!{PYTHON}\n{program.read_text().partition(chr(10))[2]}")
    for program in programs.iterdir():
        program.chmod(0o755)
    for name in ("bin", "sbin", "lib", "lib64"):
        (CACHE / name).symlink_to(f"usr/{name}")
    for name in (
        "usr",
        "proc",
        "dev",
        "tmp",
        "run/systemd/system",
        "run/lock",
        "var/log",
        "var/cache/swift",
        "var/lib",
        "srv",
        "etc/swift",
    ):
        (CACHE / name).mkdir(parents=True, exist_ok=True)
    shutil.chown(CACHE / "var/cache/swift", 989, 989)
    (CACHE / "tmp").chmod(0o1777)
    (CACHE / "complete").touch()
    return True


class WheelLab(CloudLab):
    def __init__(self, folder: Path, values: Mapping[str, Any]) -> None:
        super().__init__(folder, values, tree=CACHE)

    def node(self, name: str, address: str, *roles: str) -> CloudNode:
        return self.keep(WheelNode(self, name, address), *roles)


class WheelNode(CloudNode):
    @property
    def environment(self) -> dict[str, str]:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        known = super().environment
        return {**known, "PATH": f"/opt/bin:{known['PATH']}", "PYTHONPATH": f"/opt/swift/lib/{version}/site-packages"}

    def _boot(self) -> None:
        (self.root / "etc/machine-id").unlink()
        (self.root / "etc/machine-id").write_text(f"{self.name.encode().hex():0>32.32}\n")
        mounts = ["mount -t proc proc proc", "mount --rbind /dev dev", "mount --bind /usr usr", f"hostname {self.name}"]
        # Debian's modules do not go with those of PyPI.
        mounts.append("mount -t tmpfs none usr/lib/python3/dist-packages")
        inside = " && ".join([f"cd {self.root}", *mounts, f"exec chroot . {PYTHON} /opt/bin/systemctl init"])
        # Processes of the node end with it, and the node with this process.
        argv = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.lab.net]
        argv += ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c", inside]
        self.console = (self.folder / "console").open("wb")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console, start_new_session=True)
        end = time.monotonic() + BOOT_S
        while self.call("systemctl", "is-system-running").stdout.strip() != "running":
            assert self.process.poll() is None, (self.folder / "console").read_text(errors="replace")[-2000:]
            assert time.monotonic() < end, (self.folder / "console").read_text(errors="replace")[-2000:]
            time.sleep(0.1)
        self.instead["disks"] = "echo '{\"disks\":[]}'\n"
