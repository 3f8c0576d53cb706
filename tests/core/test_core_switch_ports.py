"""What the plan wants of a switch's ports, and that a VLAN is on the switch before the node's role runs."""

from __future__ import annotations

from catalogs import INSTALL, INVENTORY, NETWORK, catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine import reasons
from engine.core.hardware.device_ids import device_id
from engine.core.hardware.port_table import PortWish
from engine.core.hardware.switch_ports import wanted_ports
from engine.core.roles.attributes import effective
from engine.core.roles.guards import blockers
from engine.effects import Start
from engine.events import AdminSeen, Commit, Outcome
from engine.here import HeardPort, Here
from engine.model import Place, State
from engine.plan import Bond, Network, PlaceDef, Plan, RackDef, Range

CATALOG = catalog(
    INVENTORY,
    role("lldp", "discovery", flags=["discovery"], gives=("neighbours",)),
    role("switch-ports", "system", "device", wants=["switch-ports-wanted", "switch-untagged"], gives=("switch-ports",)),
    replace(INSTALL, requires=()),
    NETWORK,
    role("ready", "system"),
)
TOR1, TOR2 = "52:54:ff:00:00:01", "52:54:ff:00:00:02"


def network(name: str, number: int, **more: object) -> Network:
    return Network(
        name=name,
        subnet=f"10.{number}.0.0/24",
        ranges={"host": Range(first=f"10.{number}.0.81", last=f"10.{number}.0.99")},
        **more,  # type: ignore[arg-type]
    )


def wanted(*networks: Network, roles: tuple[str, ...] = (), racks: tuple[RackDef, ...] = (), switched: bool = True) -> Plan:
    every = dict.fromkeys((f"network-{one.name}" for one in networks), ("all",)) | dict.fromkeys(roles, ("all",))
    out = plan(every | ({"switch-ports": ("all",)} if switched else {}), allocate="ask")
    return replace(out, networks={one.name: one for one in networks}, racks=racks)


def nic(number: int, at: int) -> dict[str, object]:
    return {"name": f"eno{at}", "mac": mac(16 * number + at), "speed": 10_000, "fastest": 10_000, "link": True, "pci": f"0000:3b:00.{at}"}


def hears(at: int, port: str, chassis: str = TOR1, system: str = "tor1") -> dict[str, object]:
    return {"nic": f"eno{at}", "chassis": chassis, "port": port, "system": system, "port_description": ""}


def server(d: WorldRig, number: int, *heard: dict[str, object], place: Place | None = None, told: bool = True) -> None:
    """A server with two ports that was discovered, and installed."""
    node = f"n{number}"
    d.server(node, allocated=True, stage="system", runs="debian-12", place=place, boot_mac=mac(16 * number))
    d.role("inventory", node, state=State.ACTIVE, deployment="system", gave={"nics": [nic(number, 0), nic(number, 1)]})
    d.role("lldp", node, state=State.TRANSITION, attempt=f"i5-{number}", leg=1, deployment="system")
    if told:
        d.feed(Outcome(attempt=f"i5-{number}.1", node=node, what="done", gives={"neighbours": list(heard)}))


def rig(body: Plan, *numbers: int, chassis: str = TOR1) -> WorldRig:
    d = WorldRig(CATALOG, plan({}, allocate="ask"))
    for number in numbers or (1,):
        server(d, number, hears(0, f"swp{number}", chassis), hears(1, f"swp{number + 20}", chassis))
    d.feed(Commit(who="op", plan=body))
    return d


def table(d: WorldRig, chassis: str = TOR1, **untagged: int) -> dict[str, PortWish]:
    return {one.port: one for one in wanted_ports(d.world, d.world.nodes[device_id(chassis)], untagged).ports}


STORAGE = network("storage", 2, vlan=200, conduit="10g0")
BONDED = network("tenant", 3, vlan=300, conduit="10g0,10g1", bond=Bond(mode="802.3ad"))


def test_a_vlan_is_wanted_on_the_port_that_the_node_hears() -> None:
    d = rig(wanted(network("admin", 0), STORAGE), 1, 2)
    assert table(d) == {
        "swp1": PortWish(port="swp1", tagged=(200,), description="node-1 10g0", why="lldp"),
        "swp2": PortWish(port="swp2", tagged=(200,), description="node-2 10g0", why="lldp"),
    }
    assert table(d, admin=10)["swp1"].untagged == 10


def test_the_network_role_waits_for_the_switch() -> None:
    d = rig(wanted(network("admin", 0), STORAGE))
    tor = device_id(TOR1)
    key = (tor, "switch-ports")
    assert key in d.at("network-storage").parents
    starts = [e for e in d.all(Start) if e.role == "switch-ports"]
    assert [e.node for e in starts] == [tor]
    d.change(role="os-install", state=State.ACTIVE)
    waits = blockers(d.world, d.at("network-storage"))
    assert reasons.parent(role="switch-ports", node=d.world.nodes[tor].name, state="transition") in waits
    d.feed(Outcome(attempt=f"{starts[0].attempt}", node=tor, what="done", gives={"switch-ports": {}}))
    assert d.at("switch-ports", tor).state is State.ACTIVE
    assert not [one for one in blockers(d.world, d.at("network-storage")) if one.code == "parent" and "switch-ports" in str(one)]


def test_a_plan_without_the_role_asks_no_switch() -> None:
    d = rig(wanted(STORAGE, switched=False))
    assert d.at("network-storage").parents == (("n1", "os-install"),)
    assert "switch-ports" not in d.world.bound


def test_another_node_or_another_cable_makes_the_switch_run_again() -> None:
    d = rig(wanted(STORAGE))
    tor = device_id(TOR1)
    start = next(e for e in d.all(Start) if e.node == tor)
    d.feed(Outcome(attempt=start.attempt, node=tor, what="done", gives={"switch-ports": {}}))
    assert d.at("switch-ports", tor).state is State.ACTIVE
    d.change(role="lldp", state=State.TRANSITION, attempt="i5-77", leg=1)
    d.feed(Outcome(attempt="i5-77.1", node="n1", what="done", gives={"neighbours": [hears(0, "swp9"), hears(1, "swp21")]}))
    again = [e for e in d.all(Start) if e.node == tor]
    assert [e.role for e in again] == ["switch-ports"], "the cable was moved to swp9"
    assert list(table(d)) == ["swp9"]
    d.feed(Outcome(attempt=again[0].attempt, node=tor, what="done", gives={"switch-ports": {}}))
    server(d, 2, hears(0, "swp2"), hears(1, "swp22"))
    d.feed(Commit(who="op", plan=wanted(STORAGE)))
    assert [e.role for e in d.all(Start) if e.node == tor] == ["switch-ports"]
    assert set(table(d)) == {"swp9", "swp2"}
    assert d.reload().stale == d.world.stale


def test_lacp_on_one_switch_is_a_group_and_active_backup_is_none() -> None:
    d = rig(wanted(BONDED))
    found = table(d)
    assert {one.port: (one.lag, one.mode, one.tagged) for one in found.values()} == {
        "swp1": ("node-1 bond10g0", "lacp", (300,)),
        "swp21": ("node-1 bond10g0", "lacp", (300,)),
    }
    d.feed(Commit(who="op", plan=wanted(replace(BONDED, bond=None))))
    assert {one.port: (one.lag, one.mode) for one in table(d).values()} == {"swp1": ("", ""), "swp21": ("", "")}


def test_a_group_over_two_switches_is_left_to_people() -> None:
    d = WorldRig(CATALOG, plan({}, allocate="ask"))
    server(d, 1, hears(0, "swp1"), hears(1, "swp1", TOR2, "tor2"))
    d.feed(Commit(who="op", plan=wanted(BONDED)))
    found = wanted_ports(d.world, d.world.nodes[device_id(TOR1)], {})
    assert not found.ports
    assert found.left == {"swp1": "node-1 bond10g0 (802.3ad) ends on tor1 and tor2: set up the group of both (MLAG) by hand"}


def test_two_nodes_in_one_port_are_left_alone() -> None:
    d = WorldRig(CATALOG, plan({}, allocate="ask"))
    server(d, 1, hears(0, "Gi1/0/4"))
    server(d, 2, hears(0, "GigabitEthernet1/0/4"))
    d.feed(Commit(who="op", plan=wanted(STORAGE)))
    found = wanted_ports(d.world, d.world.nodes[device_id(TOR1)], {})
    assert not found.ports
    (why,) = found.left.values()
    assert "node-1" in why
    assert "node-2" in why


def test_a_silent_link_is_where_the_plan_has_its_cable() -> None:
    place = Place(rack="r1", unit=4)
    racks = (RackDef(name="r1", places=(PlaceDef(unit=4, cables={"10g0": "tor1:swp7", "bmc": "tor1:swp40"}),)),)
    bmc = network("bmc", 9, vlan=90, conduit="bmc")
    d = WorldRig(CATALOG, plan({}, allocate="ask"))
    server(d, 1, hears(0, "swp1"), hears(1, "swp21"))
    server(d, 2, place=place)
    d.feed(Commit(who="op", plan=wanted(STORAGE, bmc, racks=racks)))
    found = table(d)
    assert found["swp7"] == PortWish(port="swp7", tagged=(200,), description="node-2 10g0", why="plan")
    assert found["swp40"] == PortWish(port="swp40", untagged=90, description="node-2 bmc", why="plan"), "a BMC tags nothing"
    assert (device_id(TOR1), "switch-ports") in d.at("network-storage", "n2").parents


def test_the_engines_own_way_is_told() -> None:
    d = rig(wanted(STORAGE))
    tor = d.world.nodes[device_id(TOR1)]
    start = next(e for e in d.all(Start) if e.node == tor.id)
    d.feed(Outcome(attempt=start.attempt, node=tor.id, what="done", gives={"switch-ports": {}}))
    here = Here(interface="eno1", macs=("52:54:00:aa:00:01",), neighbours=(HeardPort(chassis=TOR1, port="swp1", system="tor1"),))
    d.feed(AdminSeen(here=here))
    own = wanted_ports(d.world, tor, {}).own
    assert (own.port, own.macs) == ("swp1", ("52:54:00:aa:00:01",))
    assert [e.role for e in d.all(Start) if e.node == tor.id] == ["switch-ports"]


def test_the_attribute_is_computed_for_the_switch_only() -> None:
    d = rig(wanted(STORAGE))
    value = effective(d.world, d.at("switch-ports", device_id(TOR1)), "switch-ports-wanted")
    assert [one["port"] for one in value["ports"]] == ["swp1"]
    assert effective(d.world, d.at("network-storage"), "switch-ports-wanted") is None


def test_all_means_every_switch_and_no_server() -> None:
    d = rig(wanted(STORAGE), 1, 2)
    assert {key[0] for key in d.world.bound["switch-ports"]} == {device_id(TOR1)}
