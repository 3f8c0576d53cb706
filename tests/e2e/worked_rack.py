"""The worked plan on a simulated rack of thirty machines: its files, and what a store and the machines say after a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crowbar_process import crowbar, saved_machines

from engine.api.control import Reader
from engine.core.world.world import World
from engine.model import Kind
from engine.store.store import Store

HERE = Path(__file__).parent
NODES = 30
PLAN = HERE / "worked_plan.yml"


def plan_text() -> str:
    """The plan with its rack: machine N stands in unit N, with a cable to port N of each switch."""
    places = "".join(f'      {n}: {{cables: {{1g0: "tor1:swp{n}", 1g1: "tor2:swp{n}", bmc: "mgmt:{n}"}}}}\n' for n in range(1, NODES + 1))
    racks = f"racks:\n  - name: r01\n    units: 42\n    places:\n{places}"
    return PLAN.read_text(encoding="utf-8").replace("rules:\n", f"{racks}rules:\n", 1)


def prepared(store: Path) -> Path:
    """A store with the barclamp, and a plan file beside it."""
    done = crowbar(store, "barclamp", "import", str(HERE / "worked"))
    assert done.code == 0, done
    file = store.with_name(f"{store.name}-plan.yml")
    file.write_text(plan_text(), encoding="utf-8")
    return file


def world_of(store: Path) -> World:
    with Reader(store) as reader:
        return reader.world


def graph(world: World) -> dict[Any, Any]:
    """Node roles with their deployments, edges and revision-free states, and the tree. By names, because ids follow the arrival."""

    def named(key: tuple[str, str]) -> tuple[str, str]:
        return (label(world, key[0]), key[1])

    roles = {
        named(key): (one.deployment, sorted(map(named, one.parents)), one.seeks, one.state.value) for key, one in world.node_roles.items()
    }
    return roles | {name: one.parent for name, one in world.deployments.items()}


def label(world: World, node: str) -> str:
    found = world.nodes[node]
    return "admin" if found.kind is Kind.ADMIN else found.name.split(".")[0]


def attempts(world: World) -> dict[tuple[str, str], str]:
    return {(label(world, key[0]), key[1]): one.attempt for key, one in world.node_roles.items()}


def arrival(world: World) -> list[str]:
    """Names of the servers in the order in which they arrived."""
    servers = [node for node in world.nodes.values() if node.kind is Kind.SERVER]
    return [node.name.split(".")[0] for node in sorted(servers, key=lambda node: int(node.id.removeprefix("n")))]


def events(store: Path, after: int) -> list[str]:
    with Store.read(store) as reader:
        return [row.event for row in reader.journal(after, 1_000_000)]


def seq(store: Path) -> int:
    with Store.read(store) as reader:
        return reader.seq


def files(store: Path) -> dict[str, dict[str, str]]:
    """Host name -> files of the worked roles in its system."""
    out = {}
    for machine in saved_machines(store):
        (system,) = [one["disk"]["system"] for one in [*machine["volumes"], *wrapped(machine)] if one["disk"].get("system")]
        mine = {path: text for path, text in system["files"].items() if path.split("/")[-1] in ("db", "queue", "api", "agent", "swift")}
        out[system["hostname"]] = mine
    return out


def wrapped(machine: dict[str, Any]) -> list[dict[str, Any]]:
    """Disks that belong to no volume, in the form of volumes."""
    return [{"disk": disk} for disk in machine["disks"].values()]


def levels(store: Path) -> dict[str, set[str]]:
    """Host name -> levels of its volumes."""
    out = {}
    for machine in saved_machines(store):
        names = {one["disk"]["system"]["hostname"] for one in [*machine["volumes"], *wrapped(machine)] if one["disk"].get("system")}
        out[names.pop()] = {volume["level"] for volume in machine["volumes"]}
    return out
