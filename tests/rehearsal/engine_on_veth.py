"""Run in the outer namespace of a rack: the whole engine on the rack's interface, real addresses and ports, until the rack is ready.

Arguments: folder of the rack, store. Prints one JSON line.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import sys
import time
from pathlib import Path

from engine import racks as rehearsal
from engine.api.control import Config, keys_beside, plan_file, settled, shipped, summary, to_json
from engine.api.running import Engine, with_nodes
from engine.racks import namespace

NODES = 3


def main(folder: Path, store: Path) -> None:
    os.environ["CROWBAR_BMC_PASSWORD"] = "rehearsal"
    text = (importlib.resources.files("crowbar_tui") / "plans" / "one-node.yml").read_text(encoding="utf-8")
    plan = with_nodes(plan_file.read(text, "one-node.yml", shipped()), NODES)
    engine = Engine(Config(store=store, keys=keys_beside(store), interface=namespace.OUTER, synthetic=True, bmc_rest_s=0.0))
    rack = rehearsal.connect(folder)
    engine.start()
    try:
        engine.commit(plan, "tests")
        rack.press()
        end = time.monotonic() + 100
        while not (verdict := settled(engine.world, NODES)) and time.monotonic() < end:
            time.sleep(0.05)
        wipes = [row["wipes"] for row in rack.disks()]
        peers = sorted(node.address for node in engine.world.nodes.values() if node.address)
        shown = {"verdict": verdict, "most": max(wipes), "wipes": sum(wipes), "peers": peers, "counters": rack.status()["counters"]}
        print(json.dumps(shown | {"summary": to_json(summary(engine.world)), "screens": [m["screen"] for m in rack.machines()]}))
    finally:
        engine.stop()


main(Path(sys.argv[1]), Path(sys.argv[2]))
