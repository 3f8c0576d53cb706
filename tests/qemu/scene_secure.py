"""A scene: a discovered UEFI machine on which somebody switches Secure Boot on, until it says hello again: `scene_secure.py STORE 1 SECONDS`.

Its firmware refuses iPXE, goes through its ways and stands there. Nobody presses a key: what gets it going is the engine's next power order.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scene import Scene

from engine.core.world.world import World
from engine.effects import Accept
from engine.events import Operate
from engine.model import State


def unallocated(text: str) -> str:
    """The plan leaves it to an operator to allocate nodes, so the node stays discovered."""
    return text.replace("expect:", "allocate: ask\nexpect:", 1)


def discovered(world: World) -> bool:
    found = [role.state for key, role in world.node_roles.items() if key[0] == "n1"]
    return bool(found) and all(state is State.ACTIVE for state in found)


def main(store: Path, seconds: float) -> None:
    found: dict[str, Any] = {"notices": []}
    with Scene(store, machines={"firmware": "ovmf", "disks_mb": (64,)}, change=unallocated) as scene:
        found["discovered_s"] = scene.until(lambda: discovered(scene.engine.world), "discovered", seconds)
        before = scene.node
        found["before"] = {"loader": before.loader.file if before.loader else "", "failed": before.loaders_failed}
        scene.rack.fault("m1", secure_boot=True)
        answer = scene.engine.ask(Operate(who="tests", node=before.name, verb="power", value={"action": "cycle"}))
        assert isinstance(answer, Accept), answer

        def again() -> bool:
            node = scene.node
            if node.notice is not None and (not found["notices"] or found["notices"][-1] != node.notice.code):
                found["notices"].append(node.notice.code)
            return node.runs == "sledgehammer" and node.boot is None and node.boot_id != before.boot_id

        try:
            found["hello_s"] = scene.until(again, "hello again", seconds)
            found["verdict"] = "ready"
        except AssertionError as late:
            found["why"] = str(late)
        after = scene.node
        machine = scene.rack.machines()[0]
        found["after"] = {
            "loader": after.loader.file if after.loader else "",
            "failed": after.loaders_failed,
            "problem": after.problem and after.problem.code,
        }
        found["starts"] = machine["boots"]
        found["consoles"] = [
            log.read_text(encoding="utf-8", errors="replace")[:200_000]
            for log in sorted((scene.run.folder / "machines" / "m1").glob("serial-*.log"))
        ]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[3]))
