"""What docs/barclamps.md says in place of the original's hooks on nodes: a role that collects hears of each node that comes, changes or goes."""

from __future__ import annotations

from typing import Any

from catalogs import catalog, plan, role
from world_rig import WorldRig

from engine.core.roles.attributes import inputs_hash
from engine.core.roles.wishes import task_document
from engine.definitions import Collect
from engine.effects import Start
from engine.events import Operate, SetAttribute
from engine.model import State

KINDS = catalog(
    role("dns-server", "system", "local", collects=(Collect(attribute="record", into="dns/records"),)),
    role("dns-client", "system", wants=["record"]),
    role("watcher", "system", "local", wants=["record"]),
    defaults={"record": "A"},
)
SERVER = ("n1", "dns-server")


def rig(nodes: int = 2) -> WorldRig:
    """A server that collected the records of all nodes but the first."""
    out = WorldRig(KINDS, plan())
    for number in range(1, nodes + 2):
        out.server(f"n{number}", stage="system", runs="debian-12", allocated=True, name=f"node-{number}.r1.example.net")
    out.role("dns-server", "n1", state=State.ACTIVE)
    for number in range(2, nodes + 2):
        out.role("dns-client", f"n{number}", state=State.WAITING)
    settled(out)
    return out


def settled(out: WorldRig) -> None:
    out.change("n1", "dns-server", ran_hash=inputs_hash(out.world, out.at("dns-server", "n1")))
    assert SERVER not in out.world.stale


def records(out: WorldRig) -> dict[str, Any]:
    found = task_document(out.world, out.at("dns-server", "n1"), {})["dns"]["records"]
    return {one["node"].partition(".")[0]: one["value"] for one in found}


def started(out: WorldRig) -> bool:
    return any(one.role == "dns-server" for one in out.all(Start) if one.node == "n1")


def test_on_node_create() -> None:
    out = rig()
    out.server("n9", stage="system", runs="debian-12", allocated=True, name="node-9.r1.example.net")
    out.role("dns-client", "n9", state=State.WAITING)
    assert records(out) == {"node-2": "A", "node-3": "A", "node-9": "A"}
    out.feed(SetAttribute(who="op", layer="operator", scope="n9", name="record", value="A"))
    assert started(out)


def test_on_node_change() -> None:
    out = rig()
    out.feed(SetAttribute(who="op", layer="operator", scope="n3", name="record", value="AAAA"))
    assert records(out) == {"node-2": "A", "node-3": "AAAA"}
    assert started(out)


def test_on_node_delete() -> None:
    out = rig()
    out.feed(Operate(who="op", verb="delete", node="n3"))
    assert "n3" not in out.world.nodes
    assert records(out) == {"node-2": "A"}
    assert started(out)


def test_on_node_change_of_one_node() -> None:
    out = rig(0)
    out.role("watcher", "n1", state=State.ACTIVE)
    out.change("n1", "watcher", ran_hash=inputs_hash(out.world, out.at("watcher", "n1")))
    out.feed(SetAttribute(who="op", layer="operator", scope="n1", name="record", value="AAAA"))
    assert [one.role for one in out.all(Start)] == ["watcher"]
