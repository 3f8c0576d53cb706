"""Worlds in the states that a console is for: ordinary work, faults, ready.

They were made by the core's own rack and are kept in `tests/golden/console/worlds/`, so that the screens of this folder change only when the
console does. `python tests/console/worlds.py` makes them anew.

Two switch ports of each machine are real: `neighbours` and `nics` have the shapes of the shipped barclamps, and node 2's second cable is in
the port of node 3 in `faulty`.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from engine.core.world.load import load_world

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

import msgspec
from catalogs import USUAL, plan
from rack import Machine, Rack

from engine.core.world.world import World
from engine.model import TABLES
from engine.plan import Expect, PlaceDef, RackDef, Rule
from engine.store.schema import CODECS, to_json

PLACES = tuple(
    PlaceDef(unit=10 + 2 * i, height=2 if i == 2 else 1, cables={"10g0": f"tor1:swp{i + 1}", "10g1": f"tor2:swp{i + 1}"}) for i in range(6)
)
WALL = 1000.0
"""The rack's wall clock begins here."""


class Cabled(Rack):
    """With real inventories, and cables that may be swapped: (machine, link) -> port."""

    swapped: dict[tuple[int, int], str] = {}

    def value(self, machine: Machine, name: str) -> Any:
        n = machine.number
        match name:
            case "vendor" | "product":
                return {"vendor": "Dell Inc.", "product": "PowerEdge R640" if n != 3 else "ProLiant DL360 Gen10"}[name]
            case "memory-mb":
                return 196_608
            case "disks":
                return [
                    {
                        "name": f"sd{x}",
                        "size": 480_103_981_056,
                        "serial": f"S3YJNX0{n}{x.upper()}",
                        "rotational": False,
                        "signature": "",
                        "transport": "sas",
                    }
                    for x in "ab"
                ]
            case "nics":
                return [
                    {
                        "name": f"eno{i + 1}",
                        "mac": machine.mac[:-2] + f"{n:x}{i}",
                        "speed": 10_000,
                        "link": True,
                        "driver": "bnxt_en",
                        "pci": "",
                    }
                    for i in range(2)
                ]
            case "neighbours":
                out = []
                for i in range(2):
                    port = self.swapped.get((n, i), f"swp{n}")
                    out.append({"nic": f"eno{i + 1}", "chassis": f"c{i}", "port": port, "system": f"tor{i + 1}", "port_description": port})
                return out
            case "volumes":
                return [{"name": "md0", "level": "raid1", "disks": ["sda", "sdb"], "size": 480_103_981_056}]
            case "installed":
                return {"os": "debian-12", "disk": "md0", "root": "r"}
            case "kexec":
                return True
        return super().value(machine, name)


def rack(nodes: int = 6, seed: int = 3, **more: Any) -> Cabled:
    wanted = plan(
        expect=Expect(nodes=nodes),
        racks=(RackDef(name="r1", units=42, places=PLACES),),
        rules=(Rule(name="node-{place}"),),
        **more,
    )
    return Cabled(USUAL, wanted, nodes=nodes, seed=seed, check=False)


def working() -> tuple[World, float]:
    """Six nodes in the middle of it."""
    r = rack()
    r.run(until=lambda: sum(x.role == "os-install" and x.state.value == "active" for x in r.world.node_roles.values()) >= 2)
    return r.world, WALL + r.now


def ready() -> tuple[World, float]:
    r = rack()
    r.run()
    assert r.all_done()
    return r.world, WALL + r.now + 12


def faulty() -> tuple[World, float]:
    """A swapped cable on node 2, a BMC that is dead when node 4 shall boot, a failing role on node 3; the rest comes up."""
    r = rack()
    r.swapped = {(2, 1): "swp3"}
    r.machines[3].bmc_dead = 99
    for m in r.machines:
        m.kexec_hangs = 0
    r.machines[3].kexec_hangs = 99
    r.machines[2].fails = {"raid-configure": 99}
    r.run(seconds=7200.0)
    return r.world, WALL + r.now + 5


def asks() -> tuple[World, float]:
    """Nothing may be wiped and nothing is allocated by itself: the operator is asked."""
    from engine.plan import Approve

    r = rack(approve=Approve(wipe="nothing"))
    r.run(seconds=1500.0)
    return r.world, WALL + r.now


def begun() -> tuple[World, float]:
    """Committed a moment ago; machines are in their firmware."""
    r = rack()
    r.run(seconds=30.0)
    return r.world, WALL + r.now


def empty() -> tuple[World, float]:
    return World.new(USUAL), WALL


MADE = {"begun": begun, "working": working, "faulty": faulty, "asks": asks, "ready": ready, "empty": empty}
FOLDER = Path(__file__).parents[1] / "golden" / "console" / "worlds"


def write() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in MADE.items():
        world, at = make()
        rows = [(table, key, row) for table in TABLES for key, row in sorted(_table(world, table).items(), key=lambda kv: str(kv[0]))]
        body = msgspec.json.format(to_json({"at": at, "rows": rows}), indent=0)
        (FOLDER / f"{name}.json").write_text(body.replace("\n", "") + "\n", encoding="utf-8")


def _table(world: World, table: str) -> dict[Any, Any]:
    return {(): world.meta} if table == "meta" else dict(getattr(world, table))


@cache
def load(name: str) -> tuple[World, float]:
    body = msgspec.json.decode((FOLDER / f"{name}.json").read_bytes())
    tables: dict[str, dict[Any, Any]] = {table: {} for table in TABLES}
    for table, key, row in body["rows"]:
        codec = CODECS[table]
        tables[table][codec.key_from_json(key)] = codec.from_json(row)
    return load_world(USUAL, tables), body["at"]


if __name__ == "__main__":
    write()
