"""A scene: a machine with a mirror over two disks, from off to ready; its power is cut, then its first disk is gone.
`scene_disks.py STORE 1 SECONDS FIRMWARE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scene import Scene

LOOK = "cat /proc/mdstat; findmnt -no SOURCE,FSTYPE /; findmnt -no SOURCE,FSTYPE /boot/efi; cat /proc/sys/kernel/random/boot_id; uname -r; lsblk -rno NAME,TYPE,SIZE,MOUNTPOINT"


def look(scene: Scene) -> list[str]:
    return scene.ssh(LOOK).splitlines()


def main(store: Path, seconds: float, firmware: str) -> None:
    machines = {"firmware": firmware, "disks_mb": (5120, 5120)}
    found: dict[str, Any] = {}
    with Scene(store, attributes={"raid-wanted": {"level": "raid1"}}, machines=machines) as scene:
        found["ready_s"] = scene.ready(seconds)
        found |= {
            "boots": scene.node.boots,
            "firmware": scene.node.firmware,
            "volumes": scene.engine.world.node_roles[scene.node.id, "raid-configure"].gave,
        }
        found["installed"] = look(scene)
        found["again"] = scene.cycled(900) | {"seen": look(scene)}
        scene.ssh("sync")
        scene.rack.fault("m1", disks_out=[0])
        found["without"] = scene.cycled(900) | {"seen": look(scene)}
        found["verdict"] = "ready"
        consoles = sorted((scene.run.folder / "machines" / "m1").glob("serial-*.log"))[-2:]
        found["network_first"] = ["Crowbar: going on to the disk" in log.read_text(encoding="utf-8", errors="replace") for log in consoles]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[3]), sys.argv[4])
