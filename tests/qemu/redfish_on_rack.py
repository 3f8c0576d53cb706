"""One QEMU machine whose BMC speaks Redfish, from off to ready and switched off and on by it: `redfish_on_rack.py STORE 1 SECONDS`.

Begins anew in the rack's namespace, as the command line does. The journal goes to standard error while it grows; one JSON object is printed.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from on_rack import by_ssh, told
from scene import in_error, owner_is_gone

from engine.api.control import Story, plan_file, settled, shipped
from engine.api.running import Rehearsal, with_nodes
from engine.events import Operate
from engine.racks.qemu.spec import Own


def main(store: Path, nodes: int, seconds: float) -> int:
    text = (importlib.resources.files("crowbar_tui") / "plans" / "qemu-rack.yml").read_text(encoding="utf-8")
    plan = with_nodes(plan_file.read(text, "qemu-rack.yml", shipped()), nodes)
    run = Rehearsal(store, plan, nodes, 1, "max", "tests", kind="qemu", machines={"machines": {"m1": Own(bmc="redfish")}})
    words = run.way_in([sys.executable, *sys.argv])
    if words:
        os.execve(words[0], words, dict(os.environ))
    with run:
        engine, rack, end, story = run.engine, run.rack, time.monotonic() + seconds, Story()
        assert rack is not None
        reader = engine.reader()
        seq = 0

        def until(true: Callable[[], object]) -> None:
            nonlocal seq
            while not true() and time.monotonic() < end and not in_error(engine.world) and not owner_is_gone():
                seq = told(reader, story, seq)
                engine.wait(seq, 1.0)

        def ask(verb: str, value: Any) -> Any:
            (node,) = (one for one in engine.world.nodes.values() if one.bmc is not None)
            return to_builtins(engine.ask(Operate(who="tests", verb=verb, node=node.id, value=value), timeout_s=90.0))

        until(lambda: settled(engine.world, nodes) in ("ready", "stuck"))
        found: dict[str, Any] = {"verdict": settled(engine.world, nodes), "machine": rack.machines()[0]}
        if found["verdict"] == "ready":
            (node,) = (one for one in engine.world.nodes.values() if one.bmc is not None)
            found["installed"] = by_ssh(store, node.address)
            found["status"] = ask("power", "status")
            found["lit"] = [(ask("identify", seconds), rack.machines()[0]["lit"])[1] for seconds in (30, 0)]
            found["off"] = [ask("power", "off"), rack.machines()[0]["power"]]
            found["on"] = ask("power", "on")
            until(
                lambda: (
                    (now := engine.world.nodes[node.id]).boot_id != node.boot_id and now.alive and settled(engine.world, nodes) == "ready"
                )
            )
            now = engine.world.nodes[node.id]
            found["again"] = by_ssh(store, now.address)
            found["node"] = to_builtins(now)
            found["counters"] = rack.status()["counters"]
        seq = told(reader, story, seq)
        reader.close()
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
