"""A scene: a machine whose disks hold a pattern in each block; an operator approves the wipe, its power is cut in the middle, and it is run again.
`scene_wipe.py STORE 1 SECONDS BUS`. Prints how often the pattern was there before and after, as the machine itself reads its disks."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from scene import Scene

from engine.core.roles.guards import blockers
from engine.events import Operate
from engine.model import NodeRole, State

ROLE = "disk-wipe"
PATTERN = "CROWBAR-PATTERN-OF-A-TENANT-0123"
DISKS_MB = (192, 96)
LINES = "yes {pattern} | dd of={device} bs=1M iflag=fullblock oflag=direct conv=fsync 2>/dev/null || :"
COUNT = "blockdev --flushbufs {device}; dd if={device} bs=1M iflag=direct 2>/dev/null | tr '\\000' '\\n' | grep -acF {pattern} || :"
OTHER = "dd if={device} bs=1M iflag=direct 2>/dev/null | tr -d '\\000' | head -c 1 | wc -c"


def role(scene: Scene) -> NodeRole | None:
    return next((one for one in scene.engine.world.node_roles.values() if one.role == ROLE), None)


def waits_for_approval(scene: Scene) -> bool:
    found = role(scene)
    return found is not None and "approval" in [one.code for one in blockers(scene.engine.world, found)] and scene.node.alive


def numbers(scene: Scene, command: str, devices: list[str]) -> list[int]:
    return [int(scene.ssh(command.format(device=device, pattern=PATTERN), seconds=600)) for device in devices]


def plan(text: str) -> str:
    """Nothing but the wipe, and only a person approves it."""
    text = re.sub(r"roles: \{.*\}", f"roles: {{{ROLE}: all}}", text)
    return text.replace("approve: {wipe: blank}", "approve: {wipe: nothing}")


def main(store: Path, seconds: float, bus: str) -> None:
    machines = {"bus": bus, "disks_mb": DISKS_MB}
    found: dict[str, Any] = {}
    attributes = {"wipe-method": "overwrite" if bus == "virtio" else "auto", "wipe-samples": 8}
    with Scene(store, attributes=attributes, machines=machines, change=plan) as scene:
        scene.until(lambda: bool(scene.servers()) and waits_for_approval(scene), "a wipe that waits for its approval", seconds)
        disks = scene.engine.world.node_roles[scene.node.id, "inventory"].gave["disks"]
        assert isinstance(disks, list)
        devices = [f"/dev/{one['name']}" for one in disks if isinstance(one, dict)]
        for device in devices:
            scene.ssh(LINES.format(device=device, pattern=PATTERN), seconds=600)
        found["before"] = numbers(scene, COUNT, devices)
        scene.engine.ask(Operate(who="tests", verb="approve", node=scene.node.id, role=ROLE))
        scene.until(lambda: (one := role(scene)) is not None and one.state is State.TRANSITION, "the wipe", 300)
        first = role(scene)
        scene.rack.ask("cycle", "m1")
        found["wiped_s"] = scene.until(lambda: (one := role(scene)) is not None and one.state is State.ACTIVE, "all disks wiped", seconds)
        last = role(scene)
        assert first is not None
        assert last is not None
        disks = scene.engine.world.node_roles[scene.node.id, "inventory"].gave["disks"]
        assert isinstance(disks, list)
        devices = [f"/dev/{one['name']}" for one in disks if isinstance(one, dict)]
        found["after"] = numbers(scene, COUNT, devices)
        found["other_than_zeros"] = numbers(scene, OTHER, devices)
        found |= {"attempts": [first.attempt, last.attempt], "certificates": last.gave["wipe-certificates"], "serial": scene.node.serial}
        found["serials"] = [one["serial"] for one in disks if isinstance(one, dict)]
        found["verdict"] = "ready"
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[3]), sys.argv[4])
