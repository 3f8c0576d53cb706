"""Names of ports and switches that mean the same, and several neighbours on one port."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_topology_links import RIGHT, hear, hears, look, nic

from engine.core.hardware.device_ids import device_id
from engine.core.hardware.inventory import Inventory
from engine.core.hardware.neighbours import Neighbour
from engine.core.hardware.port_names import _KINDS, canonical_port, port_candidates, same_port, same_switch
from engine.core.hardware.topology import place_from
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog, Stage
from engine.model import Node, Place
from engine.plan import PlaceDef, Plan, RackDef, Site

SAME = [
    ("GigabitEthernet1/0/4", "Gi1/0/4", "gi1/0/4", "Gig1/0/4", "gigabitethernet 1/0/4", "GE1/0/4", "Gi 1/0/4", "Gi1/0/04"),
    ("Ethernet12", "Et12", "ethernet 12", "ET12"),
    ("Ethernet1/1", "Eth1/1", "Et1/1", "e1/1"),
    ("TenGigabitEthernet1/0/1", "Te1/0/1", "TenGigE1/0/1", "Ten-GigabitEthernet1/0/1", "XGigabitEthernet1/0/1", "XGE1/0/1", "10GE1/0/1"),
    ("FortyGigabitEthernet1/1/1", "FortyGig1/1/1", "FortyGigE1/1/1", "Fo1/1/1", "fortyGigE 1/1/1", "40GE1/1/1"),
    ("HundredGigE0/0/0/1", "HundredGigabitEthernet0/0/0/1", "Hu0/0/0/1", "100GE0/0/0/1"),
    ("TwentyFiveGigE1/0/1", "TwentyFiveGigabitEthernet1/0/1", "Twe1/0/1", "25GE1/0/1", "Twenty-FiveGigE1/0/1"),
    ("TwoGigabitEthernet1/0/1", "Tw1/0/1"),
    ("FiveGigabitEthernet1/0/1", "Fi1/0/1"),
    ("FastEthernet0/1", "Fa0/1"),
    ("FourHundredGigE0/0/0/1", "400GE0/0/0/1"),
    ("Port-channel7", "Po7", "port-channel 7", "PortChannel7"),
    ("Bundle-Ether1", "BE1"),
    ("Management1", "Ma1"),
    ("xe-0/0/1.0", "xe-0/0/1", "XE-0/0/1"),
    ("et-0/0/1:2", "et-0/0/1:2.0"),
    ("ae3", "ae3.0"),
    ("swp3", "swp03", "SWP3"),
    ("3", "port 3", "Port3", "port-3", "Port #3", "Port: 3", "03", "p3"),
    ("1/0/7", "port 1/0/7"),
    ("Gi1/0/4.100", "GigabitEthernet1/0/4"),
]
DIFFERENT = [
    ("Ethernet1/1", "Ethernet11"),
    ("Gi1/0/4", "Gi1/0/40"),
    ("et-0/0/1", "Et0/0/1"),
    ("Gi1/0/4", "Te1/0/4"),
    ("Te1/0/1", "Twe1/0/1"),
    ("Tw1/0/1", "Twe1/0/1"),
    ("xe-0/0/1", "ge-0/0/1"),
    ("xe-0/0/1", "xe-0/0/1:1"),
    ("Gi1/0/4", "Fa1/0/4"),
    ("Ethernet0", "eth0"),
    ("Ethernet12", "Ethernet12/1"),
    ("Po7", "port 7"),
    ("swp3", "port 3"),
    ("1:3", "1/3"),
    ("A12", "12"),
    ("swp1s2", "swp12"),
    ("1.4", "1/4"),
    ("Hu0/0/0/1", "Hu0/0/0/11"),
    ("mgmt0", "Management0"),
    ("52:54:00:00:00:01", "52:54:00:00:00:10"),
    ("swp1", "swp10"),
    ("Fi1/0/1", "Fo1/0/1"),
    ("Vlan1", "1"),
    ("Fo1/1", "FourHundredGigE1/1"),
    ("ae3", "ae30"),
    ("g3", "3"),
]


def told(neighbours: object) -> tuple[Neighbour, ...]:
    return Inventory({"neighbours": neighbours}).neighbours


def place(plan: Plan, neighbours: object) -> Place | None:
    return place_from(plan, told(neighbours))


@pytest.mark.parametrize("names", SAME, ids=[names[0] for names in SAME])
def test_names_of_one_port(names: tuple[str, ...]) -> None:
    assert len({canonical_port(name) for name in names}) == 1, {name: canonical_port(name) for name in names}


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_ports_that_are_not_the_same(one: str, other: str) -> None:
    assert not same_port(one, other)


def test_no_two_rows_of_the_table_mean_the_same() -> None:
    for one, other in combinations(SAME[:-1], 2):
        assert not same_port(one[0], other[0]), (one[0], other[0])
    shorts = [short for _, some in _KINDS.values() for short in some]
    assert len(shorts) == len(set(shorts))


@given(st.text(max_size=40))
def test_a_canonical_name_is_canonical(name: str) -> None:
    """Any text has one, without an error; writing it twice changes nothing, except where the kind is not a word of the trade."""
    once = canonical_port(name)
    assert same_port(name, name) == bool(name)
    assert canonical_port(name.upper()) == canonical_port(name.lower()) or not name.isascii()
    assert isinstance(once, str)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("tor1", "tor1.example.net", True),
        ("TOR1.example.net.", "tor1.example.net", True),
        ("Tor1", "tor1", True),
        ("tor1", "tor10", False),
        ("tor1.a.net", "tor1.b.net", False),
        ("10.0.0.1", "10", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "", False),
        ("", "tor1", False),
    ],
)
def test_switch_names(one: str, other: str, same: bool) -> None:
    assert same_switch(one, other) is same_switch(other, one) is same


def rack(*cables: str) -> Plan:
    return Plan(
        site=Site(name="r1"), racks=(RackDef(name="r1", places=(PlaceDef(unit=10, cables={f"1g{i}": c for i, c in enumerate(cables)}),)),)
    )


@pytest.mark.parametrize(
    ("cable", "system", "port", "description"),
    [
        ("tor1:GigabitEthernet1/0/4", "tor1.example.net", "Gi1/0/4", ""),
        ("tor1:Gi1/0/4", "TOR1", "GigabitEthernet1/0/4", "node 10"),
        ("tor1:Ethernet12", "tor1", "Et12", ""),
        ("tor1:xe-0/0/1", "tor1", "513", "xe-0/0/1.0"),
        ("tor1.example.net:xe-0/0/1.0", "tor1", "xe-0/0/1", ""),
        ("tor1:3", "tor1", "Port #3", ""),
        ("tor1:Te1/0/1", "tor1", "00:11:22:33:44:55", "TenGigabitEthernet1/0/1"),
    ],
)
def test_the_plan_and_the_switch_spell_it_differently(cable: str, system: str, port: str, description: str) -> None:
    neighbours = [hears("eno1", system, port, description)]
    plan = rack(cable)
    assert place(plan, neighbours) == Place(rack="r1", unit=10)
    (link,) = look(neighbours, [nic("eno1")], plan=plan).links
    assert (link.check, f"{link.switch}:{link.port}") == ("right", cable)


def test_a_name_that_two_switches_share_is_neither() -> None:
    plan = rack("tor1.a.net:swp1", "tor1.b.net:swp1")
    assert place(plan, [hears("eno1", "tor1", "swp1")]) is None
    (link,) = [x for x in look([hears("eno1", "tor1.b.net", "swp1")], [nic("eno1")], plan=plan).links if x.nic]
    assert (link.switch, link.check) == ("tor1.b.net", "swapped")


def test_what_names_the_port_goes_first() -> None:
    assert port_candidates("Gi1/0/4", "uplink", "ifname") == ("Gi1/0/4", "uplink")
    assert port_candidates("to node 10", "Gi1/0/4", "ifalias") == ("Gi1/0/4", "to node 10")
    assert port_candidates("00:11:22:33:44:55", "eth1", "mac") == ("eth1", "00:11:22:33:44:55")
    assert port_candidates("513", "xe-0/0/1", "local") == ("xe-0/0/1", "513")
    assert port_candidates("3", "", "local") == ("3",)


# -- several neighbours on one port --------------------------------------------------------------------------------

PHONE = {**hears("eno1", "SEP0011", "Port 1"), "capabilities": ["Bridge", "Tel"]}
HOST = {**hears("eno1", "node-44", "eth0"), "capabilities": ["Station"]}
AGENT = {"nic": "eno1", "chassis": "b8:ce:f6:00:00:02", "port": "b8:ce:f6:00:00:02", "system": "", "port_description": ""}
OTHER = hears("eno1", "zz-core", "swp1")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (PHONE, "SEP0011:Port 1 (a telephone)"),
        (HOST, "node-44:eth0 (an end station)"),
        (AGENT, "b8:ce:f6:00:00:02:b8:ce:f6:00:00:02 (it says neither its name nor its port's)"),
        (OTHER, "zz-core:swp1 (a switch)"),
    ],
)
@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_the_real_switch_is_taken_and_the_rest_is_shown(more: dict[str, Any], why: str, planned: bool, first: bool) -> None:
    switch = RIGHT[0] if planned else hears("eno1", "aa-core", "swp9")
    heard = [more, switch] if first else [switch, more]
    (link,) = [x for x in look([*heard, RIGHT[1]], [nic("eno1"), nic("eno2")]).links if x.nic == "eno1"]
    assert (link.switch, link.port) == (switch["system"], switch["port"])
    (told,) = link.others
    assert told.startswith(why.rstrip(")"))
    assert ("is there a switch between" in told) == (not planned and more is OTHER)


def test_of_two_switches_of_the_plan_that_of_its_place_is_taken() -> None:
    """Both are heard through one that speaks no LLDP."""
    both = [hears("eno1", "tor1", "swp11"), hears("eno1", "tor1", "swp10"), RIGHT[1]]
    for heard in (both, both[::-1]):
        link = next(x for x in look(heard).links if x.nic == "eno1")
        assert (link.check, link.port, link.others) == ("right", "swp10", ("tor1:swp11 (a switch of the plan)",))


def test_a_port_of_another_server_is_not_the_switch() -> None:
    other = Node(id="n2", name="node-11.x.test", macs=("b8:ce:f6:00:00:02",))
    link = next(x for x in look([AGENT, OTHER], [nic("eno1")], more=(other,)).links if x.nic == "eno1")
    assert link.switch == "zz-core"
    assert link.others[0].endswith("(a port of a server)")


def test_only_switches_become_devices() -> None:
    catalog = Catalog(roles={}, attributes={}, stages=(Stage(name="system", doing="readying", done="ready", runs="installed"),))
    work = Work(World(base=catalog, catalog=catalog, plan=rack("tor1:swp10")))
    found = hear(work, PHONE, HOST, OTHER, {**RIGHT[0], "capabilities": ["Station"]})
    assert set(found) == {device_id("chassis of zz-core"), device_id("chassis of tor1")}, "the plan says what tor1 is, whatever it says"
