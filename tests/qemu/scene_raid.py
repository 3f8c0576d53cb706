"""A scene: a machine with a mirror for its system and a raid5 with a spare, from off to ready; then a disk of the raid5 is gone, and the
spare takes its place. `scene_raid.py STORE 1 SECONDS FIRMWARE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scene import Scene

WANTED = {
    "volumes": [
        {"name": "os", "level": "raid1", "size": "min", "boot": True},
        {"name": "data", "level": "raid5", "disks": 3, "spares": 1, "stripe": 64},
    ]
}
LOOK = "cat /proc/mdstat; findmnt -no SOURCE,FSTYPE /; cat /proc/sys/kernel/random/boot_id"
REBUILT = "udevadm settle; mdadm --wait /dev/md/data 2>/dev/null; mdadm --detail --export /dev/md/data; mdadm --detail /dev/md/data"
"""`mdadm --wait` ends with 1 where nothing is being rebuilt."""


def main(store: Path, seconds: float, firmware: str) -> None:
    machines = {"firmware": firmware, "disks_mb": (5120, 5120, 6144, 6144, 6144, 6144)}
    found: dict[str, Any] = {}
    with Scene(store, attributes={"raid-wanted": WANTED}, machines=machines) as scene:
        found["ready_s"] = scene.ready(seconds)
        gave = scene.engine.world.node_roles[scene.node.id, "raid-configure"].gave
        found |= {"firmware": scene.node.firmware, "volumes": gave["volumes"]}
        found["installed"] = scene.ssh(LOOK).splitlines()
        found["built"] = scene.ssh(REBUILT).splitlines()
        scene.ssh("sync")
        scene.rack.fault("m1", disks_out=[2])
        found["without"] = scene.cycled(900) | {"seen": scene.ssh(LOOK).splitlines()}
        found["rebuilt"] = scene.ssh(REBUILT).splitlines()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[3]), sys.argv[4])
