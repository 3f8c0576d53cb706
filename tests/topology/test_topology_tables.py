"""Where LLDP is silent, a switch's table of addresses says where a MAC is: a weaker source, marked as such."""

from __future__ import annotations

from typing import Any

from test_topology_links import HERE, PLAN, RIGHT, nic

from engine.core.hardware.topology import Link, topology
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog
from engine.model import Bmc, Kind, Node, NodeRole, State

ONE, TWO, BMC = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:0b"


def row(mac: str, port: str, age: int = 90) -> dict[str, Any]:
    return {"mac": mac, "port": port, "vlan": 10, "age_s": age}


def look(tables: dict[str, Any], neighbours: list[dict[str, Any]] | None = None) -> dict[str, Link]:
    catalog = Catalog(roles={}, attributes={}, stages=())
    work = Work(World(base=catalog, catalog=catalog, plan=PLAN))
    work.put_node(Node(id="n1", name="node-10.x.test", place=HERE, bmc=Bmc(address="10.0.1.1", mac=BMC)))
    nics = [{**nic("eno1"), "mac": ONE}, {**nic("eno2"), "mac": TWO.upper()}]
    for role, gave in (("lldp", {"neighbours": neighbours or []}), ("inventory", {"nics": nics})):
        work.put_role(NodeRole(node="n1", role=role, deployment="system", state=State.ACTIVE, gave=gave, ended=77.0))
    for name, told in tables.items():
        work.put_node(Node(id=f"sw-{name}", name=f"{name}.x.test", kind=Kind.DEVICE, family="switch"))
        gave = {"switch-addresses": told}
        work.put_role(NodeRole(node=f"sw-{name}", role="switch-addresses", deployment="system", state=State.ACTIVE, gave=gave, ended=99.0))
    return {one.nic: one for one in topology(work.finish()).links}


def test_a_silent_link_is_where_the_switch_sees_its_mac() -> None:
    found = look({"tor1": [row(ONE, "swp10")], "tor2": [row(TWO, "swp11", -1)], "mgmt": [row(BMC, "10", 5)]})
    one, two, bmc = found["eno1"], found["eno2"], found["bmc"]
    assert (one.switch, one.port, one.check, one.source, one.at) == ("tor1", "swp10", "right", "table", 99.0)
    assert one.why == "by the switch's table of addresses, last frame 90 s before; nothing is heard by LLDP"
    assert (two.port, two.check) == ("swp11", "swapped")
    assert "r1 unit 11" in two.why
    assert (bmc.switch, bmc.port, bmc.check, bmc.source) == ("mgmt", "10", "right", "table")


def test_lldp_is_stronger() -> None:
    found = look({"tor2": [row(ONE, "swp40")]}, RIGHT)
    assert (found["eno1"].switch, found["eno1"].port, found["eno1"].source) == ("tor1", "swp10", "lldp")


def test_an_uplink_is_not_taken_for_the_port() -> None:
    uplink = [row(ONE, "swp49"), *(row(f"52:54:00:00:02:{n:02x}", "swp49") for n in range(5))]
    assert look({"tor1": [row(ONE, "swp10")], "tor2": uplink})["eno1"].port == "swp10"


def test_two_ports_that_are_as_likely_say_nothing() -> None:
    found = look({"tor1": [row(ONE, "swp10")], "tor2": [row(ONE, "swp10")]})["eno1"]
    assert (found.switch, found.check, found.source) == ("", "silent", "lldp")


def test_what_is_no_table_says_nothing() -> None:
    for told in ({}, "x", [7, {"mac": 7, "port": "swp10"}, {"mac": ONE}, {"port": "swp10"}], None):
        assert look({"tor1": told})["eno1"].check == "silent"
