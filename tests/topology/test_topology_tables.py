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


def look(
    tables: dict[str, Any],
    neighbours: list[dict[str, Any]] | None = None,
    others: tuple[str, ...] = (),
    read_at: dict[str, float] | None = None,
) -> dict[str, Link]:
    """`others`: MACs of other nodes. `read_at`: when a switch's table was read."""
    catalog = Catalog(roles={}, attributes={}, stages=())
    work = Work(World(base=catalog, catalog=catalog, plan=PLAN))
    work.put_node(Node(id="n1", name="node-10.x.test", place=HERE, bmc=Bmc(address="10.0.1.1", mac=BMC), macs=(ONE, TWO)))
    for number, mac in enumerate(others, 2):
        work.put_node(Node(id=f"n{number}", name=f"n{number}.x.test", macs=(mac,)))
    nics = [{**nic("eno1"), "mac": ONE}, {**nic("eno2"), "mac": TWO.upper()}]
    for role, gave in (("lldp", {"neighbours": neighbours or []}), ("inventory", {"nics": nics})):
        work.put_role(NodeRole(node="n1", role=role, deployment="system", state=State.ACTIVE, gave=gave, ended=77.0))
    for name, told in tables.items():
        work.put_node(Node(id=f"sw-{name}", name=f"{name}.x.test", kind=Kind.DEVICE, family="switch"))
        gave = {"switch-addresses": told}
        work.put_role(
            NodeRole(
                node=f"sw-{name}",
                role="switch-addresses",
                deployment="system",
                state=State.ACTIVE,
                gave=gave,
                ended=(read_at or {}).get(name, 99.0),
            )
        )
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


THREE, FOUR = "52:54:00:00:00:03", "52:54:00:00:00:04"


def test_a_small_uplink_is_no_place_although_nothing_else_is_known() -> None:
    """The table of the machine's own switch cannot be read, and few machines are behind the uplink."""
    uplink = [row(ONE, "swp49"), row(THREE, "swp49"), row(FOUR, "swp49")]
    assert look({"tor2": uplink}, others=(THREE, FOUR))["eno1"].check == "silent"
    assert look({"tor2": uplink})["eno1"].port == "swp49", "virtual machines of one server are behind its port too"


def test_the_table_of_the_old_switch_is_stale() -> None:
    tables = {"tor1": [row(ONE, "swp9", 20)], "tor2": [row(ONE, "swp10", 5)]}
    assert look(tables, read_at={"tor1": 1000.0, "tor2": 5000.0})["eno1"].switch == "tor2"
    assert look(tables, read_at={"tor1": 5000.0, "tor2": 1000.0})["eno1"].switch == "tor1"
    old = {"tor1": [row(ONE, "swp9", 3000)], "tor2": [row(ONE, "swp10", 5)]}
    assert look(old)["eno1"].switch == "tor2", "read at the same time, and last heard an hour ago"


def test_who_sends_with_the_machines_mac_does_not_move_it() -> None:
    """Both entries are fresh: the machine itself speaks too."""
    tables = {"tor1": [row(ONE, "swp10", 40)], "tor2": [row(ONE, "swp33", 0)]}
    assert look(tables, read_at={"tor1": 1000.0, "tor2": 1300.0})["eno1"].check == "silent"


def test_an_entry_without_an_age_counts_as_new_as_its_table() -> None:
    tables = {"tor1": [row(ONE, "swp9", -1)], "tor2": [row(ONE, "swp10", 5)]}
    assert look(tables)["eno1"].check == "silent"
    assert look(tables, read_at={"tor1": 1000.0, "tor2": 5000.0})["eno1"].switch == "tor2"
