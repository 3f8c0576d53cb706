"""Roles of devices: bound on the switches that a node is linked to, and carried out by a delegate on the admin node."""

from __future__ import annotations

from pathlib import Path

from catalogs import catalog, plan, role, same
from msgspec.structs import replace
from world_rig import WorldRig

from engine import reasons
from engine.core.hardware.device_ids import device_id
from engine.core.hardware.devices import about
from engine.core.roles.guards import blockers
from engine.core.roles.life import advance
from engine.core.roles.stages import node_state
from engine.core.world.work import Work
from engine.definitions import On, Requirement
from engine.effects import Start
from engine.events import Commit, Happened, Outcome
from engine.files.catalog import read
from engine.model import Kind, Lease, Node, Sighting, State
from engine.store.store import Store
from engine.views.story import Story
from engine.views.summary import node_row

CATALOG = catalog(
    role("lldp", "discovery", flags=["discovery"], gives=("neighbours",)),
    role("switch-port", "system", "device", gives=("ports",)),
    role("storage-net", "system", requires=(Requirement(role="switch-port", on=On.LINKED, kind="switch"), same("base"))),
    role("base", "system"),
)
TOR = "52:54:ff:00:00:01"


def hears(*chassis: str) -> list[dict[str, str]]:
    return [{"nic": f"eno{i}", "chassis": c, "port": "1", "system": f"tor{i}", "port_description": ""} for i, c in enumerate(chassis, 1)]


def rack(*chassis: str, roles: tuple[str, ...] = ("storage-net",)) -> WorldRig:
    """A server that was discovered and allocated, and has heard these switches."""
    d = WorldRig(CATALOG, plan({}, allocate="ask"))
    d.server(allocated=True, stage="system", runs="debian-12")
    d.role("lldp", state=State.TRANSITION, attempt="i5-1", leg=1, deployment="system")
    d.feed(Outcome(attempt="i5-1.1", node="n1", what="done", gives={"neighbours": hears(*chassis)}))
    d.feed(Commit(who="op", plan=plan(dict.fromkeys(roles, ("all",)), allocate="ask")))
    return d


def devices(d: WorldRig) -> dict[str, Node]:
    return {n.name.split(".")[0]: n for n in d.world.nodes.values() if n.kind is Kind.DEVICE}


def test_a_switch_that_was_heard_is_a_node_of_its_own() -> None:
    d = rack(TOR, "52:54:ff:00:00:02", roles=())
    assert set(devices(d)) == {"tor1", "tor2"}
    one = devices(d)["tor1"]
    assert one.id == device_id(TOR) == "sw-5254ff000001"
    assert node_state(d.world, one) == "discovered"
    assert not [a for a in d.world.allocations.values() if a.node == one.id], "it has an address of its own"
    work = Work(d.world)
    advance(work, one.id)
    assert not work.rows
    assert d.reload().nodes == d.world.nodes


def test_a_role_that_is_wanted_on_linked_switches_is_bound_on_each() -> None:
    d = rack(TOR, "52:54:ff:00:00:02")
    keys = {(n.id, "switch-port") for n in devices(d).values()}
    assert keys <= d.world.node_roles.keys() if isinstance(d.world.node_roles, dict) else all(k in d.world.node_roles for k in keys)
    assert set(d.at("storage-net").parents) == keys | {("n1", "base")}
    started = {e.node for e in d.all(Start) if e.role == "switch-port"}
    assert started == {n.id for n in devices(d).values()}, "a delegate needs nothing of the device to begin"
    one = d.at("switch-port", device_id(TOR))
    assert one.state is State.TRANSITION
    d.feed(Outcome(attempt=f"{one.attempt}.1", node=device_id(TOR), what="done", gives={"ports": ["1"]}))
    assert d.at("switch-port", device_id(TOR)).state is State.ACTIVE
    assert node_state(d.world, devices(d)["tor1"]) == "ready"
    waits = blockers(d.world, d.at("storage-net"))
    assert reasons.parent(role="switch-port", node=devices(d)["tor2"].name, state="transition") in waits


def test_without_a_switch_that_is_known_the_role_waits_for_one() -> None:
    d = rack()
    d.change(role="base", state=State.ACTIVE)
    assert reasons.not_linked(role="switch-port", kind="switch", node=d.node().name) in blockers(d.world, d.at("storage-net"))
    d.role("lldp", state=State.TRANSITION, attempt="i5-2", leg=1, deployment="system")
    d.feed(Outcome(attempt="i5-2.1", node="n1", what="done", gives={"neighbours": hears(TOR)}))
    assert d.at("storage-net").parents == (("n1", "base"), (device_id(TOR), "switch-port"))
    assert "not_linked" not in [one.code for one in blockers(d.world, d.at("storage-net"))]


def test_a_switch_that_appears_after_the_commit_gets_its_roles() -> None:
    d = rack(roles=())
    d.feed(Commit(who="op", plan=plan({"switch-port": ("node:tor1",)}, allocate="ask")))
    d.role("lldp", state=State.TRANSITION, attempt="i5-2", leg=1, deployment="system")
    d.feed(Outcome(attempt="i5-2.1", node="n1", what="done", gives={"neighbours": hears(TOR)}))
    assert (device_id(TOR), "switch-port") in d.world.node_roles


def test_a_switch_can_be_named_by_the_plan() -> None:
    d = rack(TOR, roles=())
    d.feed(Commit(who="op", plan=plan({"switch-port": ("node:tor1",)}, allocate="ask")))
    assert (device_id(TOR), "switch-port") in d.world.node_roles


def test_a_delegate_is_told_of_its_device() -> None:
    d = rack(TOR, roles=())
    tor = devices(d)["tor1"]
    assert about(d.world, tor) == {"device": {"name": "tor1", "id": tor.id, "address": ""}}
    d.put(
        Sighting(mac=TOR, kind="switch", address="10.0.0.40"),
        Lease(address="10.0.0.40", mac=TOR, network="admin", state="bound", expires=1e9),
    )
    assert about(d.world, tor)["device"]["address"] == "10.0.0.40"
    assert about(d.world, replace(tor, address="10.0.0.9"))["device"]["address"] == "10.0.0.9"
    assert about(d.world, d.node()) == {}


BARCLAMP = """\
barclamp: {name: ports, version: 1, description: "Ports of switches."}
roles:
  - {name: switch-port, stage: system, jig: device}
  - {name: storage-net, stage: system, jig: noop, requires: [{role: switch-port, on: "linked:switch"}]}
"""


def test_a_barclamp_says_linked_and_of_what_kind(tmp_path: Path) -> None:
    folder = tmp_path / "barclamps" / "ports"
    (folder / "roles" / "switch-port").mkdir(parents=True)
    (folder / "roles" / "switch-port" / "run").write_text("#!/bin/sh\n")
    (folder / "barclamp.yml").write_text(BARCLAMP)
    stages = Path(__file__).resolve().parents[2] / "engine" / "stages.yml"
    found = read([tmp_path / "barclamps"], [], stages)
    assert found.roles["storage-net"].requires == (Requirement(role="switch-port", on=On.LINKED, kind="switch"),)


def test_a_switch_never_gave_a_signal() -> None:
    d = rack(TOR, roles=())
    row = node_row(d.world, devices(d)["tor1"])
    assert (row.signal, row.signal_at) == ("", 0.0)


def test_the_journal_tells_an_outcome_under_the_server_that_gave_it(tmp_path: Path) -> None:
    """The same event makes a node of the switch that the server heard."""
    d = WorldRig(CATALOG, plan({}, allocate="ask"))
    server = d.server(allocated=True, stage="system", runs="debian-12")
    d.role("lldp", state=State.TRANSITION, attempt="i5-1", leg=1, deployment="system")
    with Store.open(tmp_path / "store") as store:
        store.commit([(Happened(1.0, 1.0, Commit(who="op", plan=plan({}))), [("nodes", "n1", server)])])
        event = Outcome(attempt="i5-1.1", node="n1", what="done", gives={"neighbours": hears(TOR)})
        d.feed(event)
        store.commit([(Happened(2.0, 2.0, event), d.rows)])
        story = Story()
        told = [story.tell(row) for row in store.journal(0)][-1]
    assert told["node"] == server.name
    assert told["roles"] == {"lldp": "active"}
    assert "lldp active" in str(told["text"]).split("; ")
    assert "tor1: system / device" in str(told["text"]).split("; ")
