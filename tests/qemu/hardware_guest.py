"""A machine with sledgehammer's own kernel and tools, disks in slots, and a monitor: what roles of the stage hardware find on real devices.

The image starts without firmware and network: a small program in place of its first one starts udev and gives a shell on the serial line. The
kernel's messages go to a second line.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from small_guest import READY, Guest

from engine.files.catalog import shipped
from engine.files.paths import images_folder, shipped_folder
from engine.racks.qemu import command, live
from engine.racks.qemu.qmp import Event, Qmp
from engine.racks.qemu.spec import Faults, QemuRackSpec, guests

INIT = """#!/bin/busybox sh
export PATH=/work/tools:/usr/lib/crowbar:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LC_ALL=C
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm /run /tmp; mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/crowbar /var/lib/crowbar
/usr/lib/systemd/systemd-udevd --daemon; udevadm trigger --type=all --action=add; udevadm settle --timeout=300
ip link set lo up
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo
export PS1= PS2=
echo READY
exec /bin/busybox setsid -c sh
"""
IMAGE = "sledgehammer"


class HardwareGuest(Guest):
    """`disks_mb`: sizes of its disks in MiB. Its files are in `folder`."""

    def __init__(self, folder: Path, disks_mb: tuple[int, ...], system: tuple[Path, Path, str], memory_mb: int) -> None:
        """`system`: kernel, initramfs, and the kernel's arguments."""
        (self.spec,) = guests(QemuRackSpec(disks_mb=disks_mb))
        self.faults = Faults()
        self._monitor = folder / "monitor"
        for disk in self.spec.disks:
            for name in (disk.file, f"new-{disk.file}"):
                subprocess.run(command.disk_command(str(folder / name), disk.size_mb), check=True)
        more = ("-machine", "q35", "-qmp", f"unix:{self._monitor},server=on,wait=off", *command.disks(self.spec))
        super().__init__("m1", *system[:2], [], 1, more, memory_mb, system[2], folder)

    def by_monitor(self, do: Callable[[Qmp, live.Gone], Awaitable[Any]]) -> Any:
        async def talk() -> Any:
            gone = live.Gone()

            def heard(event: Event) -> None:
                if event.name == "DEVICE_DELETED":
                    gone.tell(str(event.data.get("device", "")))

            qmp = Qmp(*await asyncio.open_unix_connection(str(self._monitor)), heard)
            await qmp.start()
            try:
                return await do(qmp, gone)
            finally:
                await qmp.close()

        return asyncio.run(talk())

    def fault(self, **given: Any) -> None:
        """The rack's own way to change the faults of a running machine."""
        before, self.faults = self.faults, replace(self.faults, **given)
        self.by_monitor(lambda qmp, gone: live.changed(qmp, gone, self.spec, before, self.faults))

    def role(self, name: str, attributes: dict[str, Any], action: str = "run", timeout_s: float = 1800.0) -> tuple[int, str, Any]:
        """Exit code, output and gives of a role's script, as the agent runs it."""
        definition = shipped().roles[name]
        if self.run(f"[ -d /work/roles/{name} ]")[0]:
            folder = Path(shipped().folders[definition.barclamp]) / "roles" / name
            self.must(f"mkdir -p /work/roles/{name}")
            for file in folder.iterdir():
                if file.is_file():
                    self.write(f"/work/roles/{name}/{file.name}", file.read_text())
                    self.must(f"chmod +x /work/roles/{name}/{file.name}")
        document: dict[str, Any] = {}
        for attribute, value in attributes.items():
            place = document
            want = next((one for one in definition.wants if one.name == attribute), None)
            *folders, last = ((want.at if want else "") or shipped().attributes[attribute].path).split("/")
            for part in folders:
                place = place.setdefault(part, {})
            place[last] = value
        self.write("/tmp/attributes.json", json.dumps(document))
        self.must("rm -f /tmp/gives.json")
        words = f"CROWBAR_ATTRIBUTES=/tmp/attributes.json CROWBAR_GIVES=/tmp/gives.json /work/roles/{name}/{action}"
        code, said = self.run(words, timeout_s)
        found, text = self.run("cat /tmp/gives.json 2>/dev/null")
        return code, said, json.loads(text) if found == 0 and text.strip() else {}


def tools() -> dict[str, Path]:
    """What a role's script finds on its PATH, by its name."""
    return {name: shipped_folder("images") / "node" / name for name in ("attribute", "disks", "results", "raid")}


def sledgehammer(folder: Path) -> tuple[Path, Path, str]:
    """The built image, with this tree's tools and another first program. It wants 2 GB of memory."""
    built = images_folder(folder) / IMAGE
    return built / "vmlinuz", _initrd(folder, built), "console=ttyS1 quiet panic=1 no_timer_check rdinit=/work/init"


def _initrd(folder: Path, built: Path) -> Path:
    """The image's initramfs with this tree's tools and another first program behind it."""
    tree = folder / "tree"
    (tree / "work/tools").mkdir(parents=True)
    for name, source in tools().items():
        (tree / "work/tools" / name).write_bytes(source.read_bytes())
        (tree / "work/tools" / name).chmod(0o755)
    (tree / "work/init").write_text(INIT.replace("READY", READY))
    (tree / "work/init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    packed = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, input=names.encode(), capture_output=True, check=True).stdout
    whole = folder / "whole.img"
    first = (built / "initrd.img").read_bytes()
    whole.write_bytes(first + bytes(-len(first) % 4) + gzip.compress(packed, 1))
    return whole
