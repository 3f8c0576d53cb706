"""Cables judged against the plan, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.hardware.device_ids import device_id
from engine.core.hardware.devices import DEVICES, meet
from engine.core.hardware.inventory import Inventory
from engine.core.hardware.neighbours import Neighbour
from engine.core.hardware.topology import Topology, _Port, link_names, natural, place_from, topology
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog, Stage
from engine.model import Bmc, Kind, Node, NodeRole, Place, Sighting, State
from engine.plan import PlaceDef, Plan, RackDef, Site

PLAN = Plan(
    site=Site(name="r1"),
    racks=(
        RackDef(
            name="r1",
            places=(
                PlaceDef(unit=10, cables={"1g0": "tor1:swp10", "1g1": "tor2:swp10", "bmc": "mgmt:10"}),
                PlaceDef(unit=11, cables={"1g0": "tor1:swp11", "1g1": "tor2:swp11", "bmc": "mgmt:11"}),
            ),
        ),
    ),
)


HERE = Place(rack="r1", unit=10)


def told(neighbours: object) -> tuple[Neighbour, ...]:
    return Inventory({"neighbours": neighbours}).neighbours


def place(plan: Plan, neighbours: object) -> Place | None:
    return place_from(plan, told(neighbours))


def nic(name: str, link: bool = True, speed: int = 1000) -> dict[str, Any]:
    return {"name": name, "mac": "", "speed": speed if link else 0, "link": link, "driver": "", "pci": ""}


def hears(name: str, system: str, port: str, description: str = "") -> dict[str, Any]:
    return {"nic": name, "chassis": f"chassis of {system}", "port": port, "system": system, "port_description": description}


CATALOG = Catalog(roles={}, attributes={}, stages=(Stage(name="system", doing="readying", done="ready", runs="installed"),))


def look(
    neighbours: list[dict[str, Any]],
    nics: list[dict[str, Any]] | None = None,
    place: Place | None = HERE,
    plan: Plan | None = PLAN,
    more: tuple[Node, ...] = (),
) -> Topology:
    work = Work(World(base=Catalog(roles={}, attributes={}, stages=()), catalog=Catalog(roles={}, attributes={}, stages=()), plan=plan))
    for node in (Node(id="n1", name="node-10.x.test", place=place), *more):
        work.put_node(node)
    nics = nics if nics is not None else [nic("eno1"), nic("eno2")]
    for role, gave in (("lldp", {"neighbours": neighbours}), ("inventory", {"nics": nics})):
        work.put_role(NodeRole(node="n1", role=role, deployment="system", state=State.ACTIVE, gave=gave, ended=77.0))
    return topology(work.finish())


def words(found: Topology) -> dict[str, str]:
    return {x.nic or x.link: x.check for x in found.links if x.link != "bmc"}


RIGHT = [hears("eno1", "tor1", "swp10"), hears("eno2", "tor2", "swp10")]

CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str], str]] = {
    "all right": (RIGHT, [nic("eno1"), nic("eno2")], {"eno1": "right", "eno2": "right"}, ""),
    "full host name": (
        [hears("eno1", "tor1.dc.example.net", "swp10"), RIGHT[1]],
        [nic("eno1"), nic("eno2")],
        {"eno1": "right", "eno2": "right"},
        "",
    ),
    "port in its description": (
        [hears("eno1", "tor1", "70:b3:d5:00:00:01", "swp10"), RIGHT[1]],
        [nic("eno1"), nic("eno2")],
        {"eno1": "right", "eno2": "right"},
        "",
    ),
    "another place's": (
        [hears("eno1", "tor1", "swp11"), RIGHT[1]],
        [nic("eno1"), nic("eno2")],
        {"eno1": "swapped", "eno2": "right"},
        "that port is for 1g0 of the node in r1 unit 11; plan says tor1:swp10",
    ),
    "its own two exchanged": (
        [hears("eno1", "tor2", "swp10"), hears("eno2", "tor1", "swp10")],
        [nic("eno1"), nic("eno2")],
        {"eno1": "swapped", "eno2": "swapped"},
        "that port is for its own 1g0; plan says tor2:swp10",
    ),
    "no link": (
        [RIGHT[1]],
        [nic("eno1", link=False), nic("eno2")],
        {"eno1": "missing", "eno2": "right"},
        "the link is down: no cable, or it ends in nothing",
    ),
    "a link that is silent": (
        [RIGHT[1]],
        [nic("eno1"), nic("eno2")],
        {"eno1": "silent", "eno2": "right"},
        "the link is up, no LLDP was heard",
    ),
    "a port that nobody planned": (
        [hears("eno1", "tor1", "swp40"), RIGHT[1]],
        [nic("eno1"), nic("eno2")],
        {"eno1": "unknown", "eno2": "right"},
        "not in the plan; 1g0 should be in tor1:swp10",
    ),
    "a third port with a cable": (
        [hears("eno3", "tor3", "swp1"), *RIGHT],
        [nic("eno1"), nic("eno2"), nic("eno3")],
        {"eno1": "right", "eno2": "right", "eno3": "unknown"},
        "not in the plan",
    ),
    "a third port without one": (RIGHT, [nic("eno1"), nic("eno2"), nic("eno3", link=False)], {"eno1": "right", "eno2": "right"}, ""),
    "fewer ports than cables": (
        [RIGHT[0]],
        [nic("eno1")],
        {"eno1": "right", "1g1": "missing"},
        "the node has no port 1g1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_cable_has_its_word(case: str) -> None:
    neighbours, nics, expected, why = CASES[case]
    found = look(neighbours, nics)
    assert words(found) == expected
    assert [x.why for x in found.links if x.check != "right" and x.link != "bmc"][:1] == ([why] if why else [])
    assert sum(found.checks.values()) == len(found.links)
    assert all(x.at == 77.0 and x.source == "lldp" for x in found.links)


def test_a_swapped_port_names_who_is_there() -> None:
    other = Node(id="n2", name="node-11.x.test", place=Place(rack="r1", unit=11))
    found = look([hears("eno1", "tor1", "swp11"), RIGHT[1]], more=(other,))
    assert [x.why for x in found.links if x.check == "swapped"] == ["that port is for 1g0 of node-11 in r1 unit 11; plan says tor1:swp10"]


@pytest.mark.parametrize(("plan", "why"), [(PLAN, "the place of the node is not known"), (None, "the plan has no cables")])
def test_without_a_place_nothing_can_be_judged(plan: Plan | None, why: str) -> None:
    found = look([hears("eno1", "tor9", "swp10")], place=None, plan=plan)
    heard = [x for x in found.links if x.switch]
    assert [(x.check, x.why) for x in heard] == [("unknown", why)]


def test_switches_are_derived() -> None:
    device = Node(id="d1", name="tor1.x.test", kind=Kind.DEVICE)
    found = look([RIGHT[0]], more=(device,))
    assert [(s.name, s.ports_seen, s.at, s.device) for s in found.switches] == [
        ("mgmt", 0, 0.0, ""),
        ("tor1", 1, 77.0, "tor1.x.test"),
        ("tor2", 0, 0.0, ""),
    ]
    assert found.switches[1].chassis == "chassis of tor1"


def test_speeds_count_their_own_ports() -> None:
    ports = [_Port("eno1", 1000, True), _Port("eno2", 0, False), _Port("ens1", 10000, True)]
    assert link_names(ports, {"1g0": "a:1", "1g1": "a:2", "10g0": "b:1"}) == {"eno1": "1g0", "eno2": "1g1", "ens1": "10g0"}


def test_what_is_no_list_is_no_link() -> None:
    for junk in (None, {}, "x", [None, 3, {"nic": ""}, {"system": "tor1"}]):
        assert words(look(junk, [])) == {"1g0": "missing", "1g1": "missing"}  # type: ignore[arg-type]
        assert place(PLAN, junk) is None


def test_the_place_follows_from_most_links() -> None:
    assert place(PLAN, RIGHT) == Place(rack="r1", unit=10)
    assert place(PLAN, [hears("eno1", "tor1.dc.example.net", "swp11")]) == Place(rack="r1", unit=11)


def test_ports_sort_as_people_count() -> None:
    assert sorted(["swp10", "swp9", "swp1/2", "swp1/10", "eth0"], key=natural) == ["eth0", "swp1/2", "swp1/10", "swp9", "swp10"]


def test_a_tie_goes_to_the_first_link_in_whatever_order_they_are_heard() -> None:
    """Two nodes whose second cables are swapped: each is where its first one says."""
    swapped = [hears("eno1", "tor1", "swp10"), hears("eno2", "tor2", "swp11")]
    assert place(PLAN, swapped) == place(PLAN, swapped[::-1]) == Place(rack="r1", unit=10)


# -- BMCs ----------------------------------------------------------------------------------------------------------

BMC = Bmc(address="10.0.1.9", mac="52:54:00:00:00:ff")


def bmc_link(port: str | None, bmc: Bmc | None = BMC) -> tuple[str, str, str, str]:
    """Check, port, source and why of the BMC's cable, for what a relay told."""
    work = Work(World(base=CATALOG, catalog=CATALOG, plan=PLAN))
    work.put_node(Node(id="n1", name="node-10.x.test", place=HERE, bmc=bmc))
    work.put_role(NodeRole(node="n1", role="lldp", deployment="system", state=State.ACTIVE, gave={"neighbours": RIGHT}, ended=77.0))
    if port is not None:
        work.put_sighting(Sighting(mac=BMC.mac, kind="bmc", port=port, last=99.0))
    (found,) = [x for x in topology(work.finish()).links if x.link == "bmc"]
    return found.check, f"{found.switch}:{found.port}", found.source, found.why


def test_the_cable_of_a_bmc_is_silent_unless_a_relay_tells_its_port() -> None:
    assert bmc_link(None) == ("silent", ":", "lldp", "no relay told the port of its BMC (DHCP option 82)")
    assert bmc_link("") == bmc_link(None)
    assert bmc_link(None, bmc=None)[3] == "no BMC was found"
    assert bmc_link("mgmt:10") == ("right", "mgmt:10", "relay", "")
    assert bmc_link("mgmt.dc.example.net:10") == ("right", "mgmt:10", "relay", "")
    assert bmc_link(":mgmt:10") == ("right", "mgmt:10", "relay", ""), "both in the circuit id"
    check, port, _, why = bmc_link("mgmt:11")
    assert (check, port) == ("swapped", "mgmt:11")
    assert why == "that port is for bmc of the node in r1 unit 11; plan says mgmt:10"
    assert bmc_link("0006abcdef:00040001")[0] == "unknown"


# -- switches as nodes ---------------------------------------------------------------------------------------------


def hear(work: Work, *neighbours: dict[str, Any]) -> dict[str, str]:
    """Devices, id -> name, after a node has listened."""
    meet(work, told(list(neighbours)))
    return {n.id: n.name for n in work.all(Node) if n.kind is Kind.DEVICE}


def empty() -> Work:
    return Work(World(base=CATALOG, catalog=CATALOG, plan=PLAN))


def test_a_switch_that_is_heard_becomes_a_device() -> None:
    work = empty()
    one = {**hears("eno1", "tor1.dc.example.net", "swp10"), "chassis": "52:54:FF:00:00:01"}
    assert hear(work, one, hears("eno2", "tor2", "swp10")) == {
        "sw-5254ff000001": "tor1.local",
        device_id("chassis of tor2"): "tor2.local",
    }
    found = work.nodes["sw-5254ff000001"]
    assert (found.stage, found.allocated, found.macs, found.boot) == ("system", True, (), None)
    before = len(work.rows)
    hear(work, one)
    assert len(work.rows) == before, "heard again: nothing changes"
    assert hear(work, {**one, "system": "leaf1"})["sw-5254ff000001"] == "leaf1.local", "it was renamed"


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    work = empty()
    work.put_node(Node(id="n1", name="tor1.local"))
    (name,) = hear(work, hears("eno1", "tor1", "swp10")).values()
    assert name == f"tor1-{device_id('chassis of tor1')}.local"
    assert work.names["tor1"] == "n1"
    assert hear(work, hears("eno1", "tor1", "swp10")) == {device_id("chassis of tor1"): name}


def test_a_server_that_speaks_lldp_is_no_switch() -> None:
    work = empty()
    work.put_node(Node(id="n1", name="node-1.local", macs=("52:54:00:00:00:01",)))
    assert hear(work, {**hears("eno1", "node-1", "eno1"), "chassis": "52:54:00:00:00:01"}) == {}


def test_invented_switches_are_bounded_and_look_like_nobody() -> None:
    work = empty()
    found = hear(work, *(hears("eno1", f"fake{i}/../<b>", "1") for i in range(DEVICES + 10)))
    assert len(found) == DEVICES
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for name in found.values())
    assert not work.uuids
    assert not work.serials
    assert not work.macs
