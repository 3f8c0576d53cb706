"""A scene: a machine with the cards and disks of a server instead of virtio's, from off to what discovery finds, or to ready.
`scene_metal.py STORE 1 SECONDS FIRMWARE NIC BUS discovered|ready`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from scene import Scene

from engine.model import State

LOOK = "uname -r; lsblk -rno NAME,TYPE,MOUNTPOINT; basename $(readlink /sys/class/net/$(ip -o route get 192.168.124.10 | sed 's/.* dev \\([^ ]*\\).*/\\1/')/device/driver)"
SLOW = "systemd-analyze time; systemd-analyze blame | head -n 25; systemd-analyze critical-chain crowbar-hello.service; systemctl --failed --no-legend"


def inventory(scene: Scene) -> dict[str, Any]:
    """What it gave; empty: nothing yet."""
    for node in scene.servers():
        role = scene.engine.world.node_roles.get((node.id, "inventory"))
        if role is not None and role.state is State.ACTIVE:
            return dict(role.gave)
    return {}


def main(store: Path, seconds: float, firmware: str, nic: str, bus: str, goal: str) -> None:
    found: dict[str, Any] = {}
    with Scene(store, machines={"firmware": firmware, "nic": nic, "bus": bus}) as scene:
        scene.until(lambda: any(node.runs for node in scene.servers()), "hello", seconds)
        found["hello_s"] = round(time.monotonic() - scene.began, 1)
        scene.until(lambda: inventory(scene), "an inventory", seconds)
        found["inventory_s"] = round(time.monotonic() - scene.began, 1)
        found |= {"inventory": inventory(scene), "firmware": scene.node.firmware, "bmc": scene.node.bmc is not None}
        if goal == "ready":
            found["ready_s"] = scene.ready(seconds)
            found |= {"installed": scene.ssh(LOOK).splitlines(), "slow": scene.ssh(SLOW).splitlines(), "boots": scene.node.boots}
        found["verdict"] = "ready"
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[3]), *sys.argv[4:])
