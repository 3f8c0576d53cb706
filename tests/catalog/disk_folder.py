"""Disks in a machine that is a folder: what sysfs and udev show of them, as kernels do it for hardware of that kind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from node_folder import REPO, Machine

GB = 10**9
PCI = "pci0000:00/0000:00:17.0"


class Sysfs:
    """Adds disks to a machine. `boot` begins the next boot: all disks that were there are gone."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.device_number = 0

    def boot(self) -> None:
        subprocess.run(
            ["rm", "-rf", str(self.machine.root / "sys"), str(self.machine.root / "run"), str(self.machine.root / "dev")], check=True
        )

    def add(
        self,
        name: str,
        size: int,
        where: str,
        *,
        path: str = "",
        udev: dict[str, str] | None = None,
        device: dict[str, str] | None = None,
        **more: str,
    ) -> None:
        """`where` is its device below /sys/devices; `device` are files of the device, `more` files of the block device."""
        write = self.machine.write
        (self.machine.root / "sys/devices" / where).mkdir(parents=True, exist_ok=True)
        write(f"sys/block/{name}/size", f"{size // 512}\n")
        self.machine.link(f"sys/block/{name}/device", f"../../devices/{where}")
        for file, text in {"removable": "0", "ro": "0", "queue__logical_block_size": "512", "queue__rotational": "1", **more}.items():
            write(f"sys/block/{name}/{file.replace('__', '/')}", text + "\n")
        for file, text in (device or {}).items():
            write(f"sys/devices/{where}/{file}", text + "\n")
        write(f"dev/{name}", "x" * 4096)
        self.device_number += 1
        write(f"sys/block/{name}/dev", f"8:{self.device_number}\n")
        facts = {**({"ID_PATH": path} if path else {}), **(udev or {})}
        write(f"run/udev/data/b8:{self.device_number}", "".join(f"E:{key}={value}\n" for key, value in facts.items()))

    def sata(self, name: str, port: int, size: int = 960 * GB, wwn: str = "", serial: str = "", **more: str) -> None:
        device = {"wwid": wwn} if wwn else {}
        udev = {"ID_SERIAL_SHORT": serial} if serial else {}
        self.add(
            name,
            size,
            f"{PCI}/ata{port}/host{port}/target{port}:0:0/{port}:0:0:0",
            path=f"pci-0000:00:17.0-ata-{port}",
            udev=udev,
            device=device,
            **more,
        )

    def lun(self, names: str, wwn: str = "naa.600508b4000971840000500000180000", serial: str = "LUN0", size: int = 2000 * GB) -> None:
        """One LUN over as many paths as there are names: two ports of the machine, two of the array each."""
        for i, name in enumerate(names.split()):
            where = f"pci0000:3a/0000:3b:00.{i // 2}/host{i // 2}/rport-{i // 2}:0-{i % 2}/target{i // 2}:0:{i % 2}/{i // 2}:0:{i % 2}:1"
            self.add(
                name,
                size,
                where,
                path=f"pci-0000:3b:00.{i // 2}-fc-0x50014380242{i}6baf4-lun-1",
                udev={"ID_SERIAL_SHORT": serial},
                device={"wwid": wwn},
            )

    def listed(self) -> dict[str, Any]:
        return dict(json.loads(self._run("list").stdout))

    def find(self, wwn: str = "", serial: str = "", path: str = "", size: int | str = "", name: str = "") -> tuple[str, str]:
        """Name, or why there is none."""
        done = self._run("find", wwn, serial, path, str(size), name)
        return done.stdout.strip(), done.stderr.strip()

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        machine = self.machine
        tools: Path = REPO / "images" / "node"
        environment = {"PATH": f"{machine.tools}:{tools}:{machine.folder / 'base'}", "CROWBAR_ROOT": str(machine.root)}
        done = subprocess.run(
            [machine.shell, str(tools / "disks"), *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert words[0] == "find" or done.returncode == 0, done.stderr
        return done
