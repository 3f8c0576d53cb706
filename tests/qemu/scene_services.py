"""A scene: four machines with two switches and all services of the rack, from off to ready, with all packages from an opened bundle.
`scene_services.py STORE NODES SECONDS BUNDLE`. Then the services are looked at from the machines.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import services_looks as looks
from scene import Scene

from engine.api.control import Story
from engine.racks.qemu.spec import Ports

PLAN = Path(__file__).with_name("services-rack.yml")
ADMIN = "192.168.124.10"
KILLED = ("ntp-client", "chronyd")
"""Role and process that is killed."""


def outside() -> str:
    """What leads out of the engine's namespace. Empty: nothing."""
    return subprocess.run(["ip", "route", "show", "default"], capture_output=True, text=True, check=True).stdout


def spent(scene: Scene) -> dict[str, dict[str, float]]:
    """Role -> node -> seconds from its first order to its last outcome."""
    story, began, seq = Story(), dict[tuple[str, str], float](), 0
    out: dict[str, dict[str, float]] = {}
    with scene.engine.reader() as reader:
        while rows := list(reader.journal(seq)):
            for row in rows:
                told = story.tell(row)
                for role, state in (told.get("roles") or {}).items():
                    if state == "transition":
                        began.setdefault((role, told["node"]), row.at)
                    elif state == "active" and (role, told["node"]) in began:
                        out.setdefault(role, {})[told["node"]] = round(row.at - began[role, told["node"]], 1)
                seq = row.seq
    return out


def main(store: Path, nodes: int, seconds: float, bundle: Path) -> None:
    ports = {"all": Ports(channel=True, vlans=tuple(looks.VLANS.values()))}
    found: dict[str, Any] = {}
    with Scene(store, nodes, machines={"ports": ports}, change=lambda _: PLAN.read_text(encoding="utf-8")) as scene:
        found["outside"] = outside()
        found["ready_s"] = scene.ready(seconds)
        found["spent"] = spent(scene)
        rack = looks.Rack(store)
        steps = {
            "links": lambda: looks.links(rack),
            "installed": lambda: looks.installed(rack, "bind9-dnsutils"),
            "names": lambda: looks.names(rack, found["links"]),
            "clocks": lambda: looks.clocks(rack, ADMIN),
            "logged": lambda: looks.logged(rack),
            "tools": lambda: looks.tools(rack),
            "monitored": lambda: looks.monitored(rack, min(rack.nodes), *KILLED),
            "without": lambda: looks.without_bundle(rack, max(rack.nodes), "monitor-client", "prometheus-node-exporter", bundle),
        }
        took = found["took"] = {}
        for name, step in steps.items():
            began = time.monotonic()
            found[name] = step()
            took[name] = round(time.monotonic() - began, 1)
            print(json.dumps({"look": name, "seconds": took[name]}), file=sys.stderr, flush=True)
        found["verdict"] = "ready"
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
