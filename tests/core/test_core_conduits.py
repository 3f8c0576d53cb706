"""Which ports of a node the links of a plan's conduits are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from catalogs import ADMIN, USUAL, plan
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig

from crowbar_tui import lines
from engine.core.hardware.conduits import Port, Resolution, of_network, resolution
from engine.core.plan.links import links_of
from engine.core.roles.attributes import effective, inputs_hash
from engine.core.roles.guards import blockers
from engine.definitions import Json
from engine.model import Allocation, Place, State
from engine.plan import SPEEDS, Bond, Network, PlaceDef, RackDef, Range
from engine.reasons import Reason, sentence
from engine.views.carriers import carriers

BOOT = "52:54:00:00:00:01"


def nic(name: str, speed: int, bus: int = 0, function: int = 0, **more: Any) -> dict[str, Any]:
    mac = f"52:54:00:00:{bus:02x}:{function + 1:02x}"
    pci = f"0000:{bus:02x}:00.{function}"
    return {"name": name, "mac": mac, "speed": speed, "link": speed > 0, "driver": "x", "pci": pci} | more


def hears(name: str, cable: str) -> dict[str, Any]:
    switch, _, port = cable.partition(":")
    return {"nic": name, "chassis": f"chassis of {switch}", "port": port, "system": switch, "port_description": "", "port_kind": "ifname"}


def network(name: str, number: int, conduit: str = "", **more: Any) -> Network:
    hosts = {"host": Range(first=f"10.0.{number}.101", last=f"10.0.{number}.200")}
    return Network(name=name, subnet=f"10.0.{number}.0/24", conduit=conduit, ranges=hosts, **more)


def rig(
    nics: list[dict[str, Any]],
    *conduits: str,
    cables: dict[str, str] | None = None,
    neighbours: list[dict[str, Any]] | None = None,
    networks: dict[str, Network] | None = None,
) -> WorldRig:
    """A node with these ports, and networks n1, n2, ... with these conduits."""
    mine = networks or {f"n{i}": network(f"n{i}", i, conduit) for i, conduit in enumerate(conduits, 2)}
    racks = (RackDef(name="r1", places=(PlaceDef(unit=7, cables=cables or {}),)),)
    d = WorldRig(USUAL, plan(networks={"admin": ADMIN, **mine}, racks=racks))
    d.server(name="node-7.r1.example.net", allocated=True, boot_mac=BOOT, place=Place(rack="r1", unit=7))
    d.role("inventory", state=State.ACTIVE, gave={"nics": list(nics)})
    d.role("lldp", state=State.ACTIVE, gave={"neighbours": list(neighbours or ())})
    return d


def found(d: WorldRig) -> Resolution:
    return resolution(d.world, d.world.nodes["n1"])


def names(d: WorldRig, conduit: str) -> list[str] | str:
    one = found(d).conduits[conduit]
    return sentence(one) if isinstance(one, Reason) else [port.name for port in one]


def why(d: WorldRig, conduit: str) -> list[str]:
    one = found(d).conduits[conduit]
    assert not isinstance(one, Reason)
    return [port.why for port in one]


FOUR = [nic("eno1", 1000, 1, 0), nic("eno2", 1000, 1, 1), nic("ens1f0", 10_000, 0x3B, 0), nic("ens1f1", 10_000, 0x3B, 1)]
FASTER = [nic("eno1", 10_000, 1), nic("ens1f0", 25_000, 0x3B, 0), nic("ens1f1", 25_000, 0x3B, 1)]

CASES: list[tuple[list[dict[str, Any]], str, list[str] | str]] = [
    (FOUR, "1g1", ["eno2"]),
    (FOUR, "10g0,10g1", ["ens1f0", "ens1f1"]),
    (FOUR, "10g1,10g0", ["ens1f1", "ens1f0"]),
    (FOUR, "+1g0,+1g1", ["eno1", "eno2"]),
    (FOUR, "+1g2", "node node-7 has no ports for the links +1g2; it has eno1 (1g), eno2 (1g), ens1f0 (10g), ens1f1 (10g)"),
    (FOUR, "25g0", "node node-7 has no ports for the links 25g0; it has eno1 (1g), eno2 (1g), ens1f0 (10g), ens1f1 (10g)"),
    (FOUR, "-25g0", ["ens1f0"]),
    (FOUR, "?100m0", ["eno1"]),
    (FOUR, "?40g1", ["ens1f1"]),
    (FASTER, "+10g0,+10g1", ["ens1f0", "ens1f1"]),
    (FASTER, "10g0,10g1", "node node-7 has no ports for the links 10g0,10g1; it has eno1 (10g), ens1f0 (25g), ens1f1 (25g)"),
    (FASTER, "-25g0", ["ens1f0"]),
    (FASTER, "?10g1", ["ens1f1"]),
    ([], "1g0", "node node-7 has no ports for the links 1g0; it has no Ethernet port"),
]


@pytest.mark.parametrize(("nics", "conduit", "ports"), CASES, ids=[f"{one} of {len(nics)}" for nics, one, _ in CASES])
def test_links_by_speed_and_bus_order(nics: list[dict[str, Any]], conduit: str, ports: list[str] | str) -> None:
    assert names(rig(nics, conduit), conduit) == ports


def test_the_bus_decides_and_not_the_name() -> None:
    d = rig([nic("a", 1000, 0x3B), nic("z", 1000, 0x01), nic("usb", 1000, 9, pci=""), nic("b", 1000, 0x0A)], "1g0,1g1,1g2,1g3")
    assert names(d, "1g0,1g1,1g2,1g3") == ["z", "b", "a", "usb"]
    assert why(d, "1g0,1g1,1g2,1g3")[0] == "port 0 of 1g in bus order (0000:01:00.0)"


def test_what_is_no_port_of_a_network_does_not_count() -> None:
    infiniband = nic("ib0", 1000, 1, type="infiniband")
    d = rig([infiniband, nic("usb0", 1000, 2, driver="cdc_ether"), nic("eno1", 1000, 3)], "1g0")
    assert names(d, "1g0") == ["eno1"]


def test_a_port_without_a_link_counts_if_it_says_what_it_can() -> None:
    dark, up = nic("eno1", 0, 1), nic("eno2", 1000, 2)
    assert names(rig([dark, up], "1g0"), "1g0") == ["eno2"]
    assert why(rig([dark, up], "1g0"), "1g0") == ["port 0 of 1g in bus order (0000:02:00.0); eno1 without a link does not count"]
    assert names(rig([dark | {"fastest": 1000}, up], "1g0"), "1g0") == ["eno1"]
    assert names(rig([up | {"fastest": 10_000}], "1g0"), "1g0").startswith("node node-7 has no ports")  # type: ignore[union-attr]  # a sentence


def test_the_cable_decides_before_the_bus() -> None:
    cables = {"1g0": "tor1:swp3", "1g1": "tor1:swp4"}
    neighbours = [hears("eno1", "tor1:swp4"), hears("eno2", "tor1:swp3")]
    d = rig(FOUR, "1g0,1g1", cables=cables, neighbours=neighbours)
    assert names(d, "1g0,1g1") == ["eno2", "eno1"]
    assert why(d, "1g0,1g1")[0] == "it hears tor1:swp3, where the plan has the cable of 1g0"
    ports = found(d).conduits["1g0,1g1"]
    assert isinstance(ports, tuple)
    assert (ports[0].switch, ports[0].port) == ("tor1", "swp3")


def test_a_cable_may_lead_to_a_port_of_another_speed() -> None:
    d = rig(FOUR, "1g0", cables={"1g0": "tor1:swp3"}, neighbours=[hears("ens1f0", "tor1:swp3")])
    assert names(d, "1g0") == ["ens1f0"]


def test_a_port_that_another_cable_claims_gives_its_number_away() -> None:
    d = rig(FOUR, "1g0", cables={"1g1": "tor1:swp4"}, neighbours=[hears("eno1", "tor1:swp4")])
    assert names(d, "1g0") == ["eno2"]
    assert why(d, "1g0") == ["port 1 of 1g in bus order (0000:01:00.1); eno1 is 1g1 by its cable"]


def test_a_port_that_is_a_link_of_another_speed_by_its_cable_is_taken() -> None:
    d = rig(FOUR[:1], "1g0", cables={"10g0": "tor1:swp4"}, neighbours=[hears("eno1", "tor1:swp4")])
    assert names(d, "1g0") == "port eno1 of node node-7 would be a link of 1g0, and it is 10g0 already"


def test_conduits_that_need_one_port_do_not_share_it() -> None:
    d = rig(FASTER, "10g0", "?1g0")
    assert (names(d, "10g0"), names(d, "?1g0")) == (["eno1"], ["ens1f0"])
    d = rig(FASTER[:1], "10g0", "?1g0")
    assert names(d, "?1g0") == "port eno1 of node node-7 would be a link of ?1g0, and it is 10g0 already"


def of(d: WorldRig, name: str) -> list[str] | str:
    assert d.world.plan is not None
    one = of_network(d.world, d.world.nodes["n1"], d.world.plan.networks[name])
    return sentence(one) if isinstance(one, Reason) else [f"{port.link} {port.name}" for port in one]


@pytest.mark.parametrize("speed", [1000, 10_000, 25_000, 0])
def test_a_network_without_a_conduit_is_on_the_port_that_the_node_booted_from(speed: int) -> None:
    networks = {"n2": network("n2", 2, vlan=5), "n3": network("n3", 3)}
    d = rig([nic("eno1", speed, 0, 0), nic("eno2", speed, 0, 1)], networks=networks)
    assert of(d, "admin") == of(d, "n2") == ["boot eno1"]
    assert of(d, "n3") == []


def test_the_boot_port_is_shared_with_another_vlan_and_with_no_bond() -> None:
    nics = [nic("eno1", 1000, 0, 0), nic("eno2", 1000, 0, 1)]
    networks = {"n2": network("n2", 2, "1g0", vlan=5), "n3": network("n3", 3)}
    assert of(rig(nics, networks=networks), "n2") == ["1g0 eno1"]
    untagged = {"n2": network("n2", 2, "1g0")}
    taken = "port eno1 of node node-7 would be a link of 1g0, and it is the boot port, with network admin and the same VLAN already"
    assert of(rig(nics, networks=untagged), "n2") == taken
    bond = {"n2": network("n2", 2, "1g0,1g1", vlan=5)}
    taken = "port eno1 of node node-7 would be a link of 1g0,1g1, and it is the boot port, with network admin already"
    assert of(rig(nics, networks=bond), "n2") == taken
    both = {"admin": replace(ADMIN, conduit="1g0,1g1"), "n2": network("n2", 2, "1g0,1g1", vlan=5)}
    assert of(rig(nics, networks=both), "n2") == ["1g0 eno1", "1g1 eno2"]


def test_a_node_that_reported_no_ports_is_not_refused() -> None:
    d = rig([], "1g0")
    d.change("n1", "inventory", gave={})
    assert of(d, "n2") == []
    d.role("network-n2")
    assert not any(one.code == "no_conduit" for one in blockers(d.world, d.at("network-n2")))


# -- what the role gets, and what it waits for ------------------------------------------------------------------------


def value(d: WorldRig, name: str = "network-n2") -> dict[str, Json]:
    got = effective(d.world, d.at(name), "network")
    assert isinstance(got, dict)
    return got


def test_the_role_gets_the_ports_and_what_they_make() -> None:
    one = network("n2", 2, "+10g0,+10g1", vlan=200, mtu=9000, bridge="br-n2", bond=Bond(mode="802.3ad"), router="10.0.2.1", preference=7)
    d = rig(FOUR, networks={"n2": one})
    d.role("network-n2")
    d.put(Allocation(address="10.0.2.101", network="n2", range="host", node="n1"))
    got = value(d)
    assert got["links"] == [
        {
            "link": f"10g{i}",
            "name": f"ens1f{i}",
            "mac": f"52:54:00:00:3b:{i + 1:02x}",
            "why": f"port {i} of 10g in bus order (0000:3b:00.{i})",
            "switch": "",
            "port": "",
        }
        for i in (0, 1)
    ]
    assert got["bond"] == {"name": "bond10g0", "mode": "802.3ad", "hash": "layer2+3", "miimon": 100}
    rest = {"conduit": "+10g0,+10g1", "vlan": 200, "mtu": 9000, "bridge": "br-n2", "router": "10.0.2.1", "preference": 7, "v6": None}
    assert {key: got[key] for key in rest} == rest


def test_the_role_waits_for_ports_that_are_not_there_and_runs_again_for_others() -> None:
    d = rig(FOUR, "25g0")
    d.put(Allocation(address="10.0.2.101", network="n2", range="host", node="n1"))
    d.role("network-n2", state=State.WAITING)
    assert "no_conduit" in {one.code for one in blockers(d.world, d.at("network-n2"))}
    before = inputs_hash(d.world, d.at("network-n2"))
    d.change("n1", "inventory", gave={"nics": [*FOUR, nic("ens2", 25_000, 0x5E)]})
    assert not any(one.code == "no_conduit" for one in blockers(d.world, d.at("network-n2")))
    after = inputs_hash(d.world, d.at("network-n2"))
    assert after != before
    d.change("n1", "lldp", gave={"neighbours": [hears("ens2", "tor9:swp9")]})
    assert value(d)["links"][0]["switch"] == "tor9"
    assert inputs_hash(d.world, d.at("network-n2")) == after, "a neighbour alone does not run it again"


def test_targets_are_nodes_that_have_the_network() -> None:
    d = rig(FOUR, "10g0")
    d.role("network-n2")
    for i in range(2, 9):
        d.server(f"n{i}", name=f"node-{i}.r1.example.net", allocated=True)
        d.put(Allocation(address=f"10.0.2.{100 + i}", network="n2", range="host", node=f"n{i}"))
        d.role("network-n2", f"n{i}", state=State.ACTIVE if i % 2 else State.WAITING)
    before = inputs_hash(d.world, d.at("network-n2"))
    got = effective(d.world, d.at("network-n2"), "network-targets")
    assert [one["node"] for one in got] == ["node-3.r1.example.net", "node-5.r1.example.net", "node-7.r1.example.net"]
    assert got[0] == {"node": "node-3.r1.example.net", "address": "10.0.2.103", "v6": "", "mtu": 0, "switch": "", "port": "", "link": ""}
    d.change("n3", "network-n2", state=State.WAITING)
    assert inputs_hash(d.world, d.at("network-n2")) == before


# -- properties -------------------------------------------------------------------------------------------------------

SIGNS = st.sampled_from(["", "+", "-", "?"])


@st.composite
def conduits(draw: st.DrawFn) -> list[str]:
    """Conduits that a plan may have: disjoint, each with one sign and one speed."""
    out, used = [], set()
    for _ in range(draw(st.integers(1, 4))):
        speed, sign = draw(st.sampled_from(["1g", "10g", "25g"])), draw(SIGNS)
        numbers = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True))
        links = [f"{speed}{n}" for n in numbers]
        if used.isdisjoint(links):
            used.update(links)
            out.append(",".join(sign + link for link in links))
    return out


@st.composite
def machines(draw: st.DrawFn) -> list[dict[str, Any]]:
    speeds = draw(st.lists(st.sampled_from([0, 1000, 10_000, 25_000]), min_size=1, max_size=8))
    return [nic(f"p{i}", speed, draw(st.integers(1, 3)) if draw(st.booleans()) else i + 1, i) for i, speed in enumerate(speeds)]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[str], dict[str, str], list[dict[str, Any]]]:
    nics, wanted = draw(machines()), draw(conduits())
    links = [link.name for conduit in wanted for link in links_of(conduit)]
    cabled = draw(st.lists(st.sampled_from([*links, "10g7"]), unique=True, max_size=4))
    cables = {link: f"tor1:swp{i}" for i, link in enumerate(cabled)}
    heard = [hears(draw(st.sampled_from(nics))["name"], draw(st.sampled_from([*cables.values(), "tor2:swp1"]))) for _ in range(len(cables))]
    return nics, wanted, cables, heard


@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_reports_changes_nothing(scene: Any, random: Any) -> None:
    nics, wanted, cables, heard = scene
    first = found(rig(nics, *wanted, cables=cables, neighbours=heard))
    shuffled = random.sample(nics, len(nics))
    assert found(rig(shuffled, *wanted, cables=cables, neighbours=heard)) == first
    assert found(rig(nics, *reversed(wanted), cables=cables, neighbours=heard)) == first


@given(scenes())
def test_no_port_is_two_links(scene: Any) -> None:
    nics, wanted, cables, heard = scene
    d = rig(nics, *wanted, cables=cables, neighbours=heard)
    ports: list[Port] = [port for one in found(d).conduits.values() if not isinstance(one, Reason) for port in one]
    assert len({port.name for port in ports}) == len(ports)
    for conduit, one in found(d).conduits.items():
        if isinstance(one, Reason):
            assert sentence(one)
            continue
        assert [port.link for port in one] == [link.name for link in links_of(conduit)]
        assert all(port.mac == next(nic["mac"] for nic in nics if nic["name"] == port.name) for port in one)


@given(scenes())
def test_without_cables_a_conduit_has_one_speed_that_its_sign_allows(scene: Any) -> None:
    nics, wanted, _, _ = scene
    speed = {nic["name"]: nic["speed"] for nic in nics}
    for conduit, one in found(rig(nics, *wanted)).conduits.items():
        if isinstance(one, Reason):
            continue
        (is_there,) = {speed[port.name] for port in one}
        link = links_of(conduit)[0]
        assert is_there == link.speed or (is_there > link.speed and link.sign in "+?") or (is_there < link.speed and link.sign in "-?")


@given(machines())
def test_equal_machines_have_equal_links(nics: list[dict[str, Any]]) -> None:
    conduit = "?1g0,?1g1"
    one = names(rig(nics, conduit), conduit)
    assert one == names(rig([nic | {"mac": nic["mac"].replace("52:54", "52:55")} for nic in nics], conduit), conduit)


def test_speeds_are_in_order() -> None:
    assert all(a < b for a, b in pairwise(SPEEDS.values()))


# -- what people see --------------------------------------------------------------------------------------------------


def test_people_see_each_network_and_the_ports_of_its_links() -> None:
    networks = {
        "n2": network("n2", 2, "10g0,10g1", vlan=200, bond=Bond(mode="802.3ad"), mtu=9000),
        "n3": network("n3", 3, "25g0"),
        "n4": network("n4", 4),
    }
    d = rig(FOUR, networks=networks, cables={"10g0": "tor1:swp3"}, neighbours=[hears("ens1f1", "tor1:swp3")])
    for i in (2, 3, 4):
        d.put(Allocation(address=f"10.0.{i}.101", network=f"n{i}", range="host", node="n1"))
    found = carriers(d.world, d.world.nodes["n1"])
    assert "\n".join(lines.carriers(found)).splitlines() == [
        "  n2           10.0.2.101/24  10g0,10g1 as bond10g0 802.3ad, VLAN 200, mtu 9000",
        "    10g0       ens1f1       52:54:00:00:3b:02  hears tor1 swp3",
        "               because it hears tor1:swp3, where the plan has the cable of 10g0",
        "    10g1       ens1f0       52:54:00:00:3b:01  hears no switch",
        "               because port 0 of 10g in bus order (0000:3b:00.0); ens1f1 is 10g0 by its cable",
        "  n3           10.0.3.101/24  25g0",
        "    node node-7 has no ports for the links 25g0; it has eno1 (1g), eno2 (1g), ens1f0 (10g), ens1f1 (10g)",
        "    try: correct the conduit in the plan, or plug the cable in and discover the node again: crowbar node node-7 reset",
        "  n4           10.0.4.101/24  no conduit",
        "    the plan names no conduit, so the role looks for a port on the node",
    ]
    assert [one.network for one in carriers(d.world, d.world.nodes["n1"], "n3")] == ["n3"]
