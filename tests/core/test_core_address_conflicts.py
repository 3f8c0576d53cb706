"""An address that another machine uses already is no node's."""

from __future__ import annotations

from catalogs import ADMIN, USUAL, plan
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine.core.plan.address_conflicts import AT_REST, RESTS_S, address_taken, asked
from engine.core.plan.bind import allocate
from engine.core.world.work import Work
from engine.events import AddressTaken, SetAttribute
from engine.model import Allocation, Bmc, Lease
from engine.plan import Network, Plan, Range

OTHER = "52:54:00:99:99:99"


def small(hosts: int = 6, *others: str) -> Plan:
    admin = replace(ADMIN, ranges={"dhcp": ADMIN.ranges["dhcp"], "host": Range(first="10.0.0.101", last=f"10.0.0.{100 + hosts}")})
    more = {
        name: Network(name=name, subnet=f"10.0.{i}.0/24", ranges={"host": Range(first=f"10.0.{i}.90", last=f"10.0.{i}.200")})
        for i, name in enumerate(others, 2)
    }
    return plan(networks={"admin": admin, **more})


def rig(wanted: Plan | None = None, nodes: int = 1) -> WorldRig:
    d = WorldRig(USUAL, wanted or small())
    for i in range(1, nodes + 1):
        d.server(f"n{i}")
        give(d, f"n{i}")
    return d


def give(d: WorldRig, node: str) -> None:
    work = Work(d.world)
    work.now = d.now
    assert allocate(work, d.node(node), "t") is None
    d.world = work.finish()


def address(d: WorldRig, node: str = "n1", network: str = "admin") -> str:
    return d.world.address_of[(node, network)]


def test_the_node_gets_another_address_and_the_taken_one_rests() -> None:
    d = rig()
    assert (address(d), asked(d.world)) == ("10.0.0.101", {"10.0.0.101": "n1"})
    d.feed(AddressTaken(address="10.0.0.101", mac=OTHER))
    assert (address(d), asked(d.world)) == ("10.0.0.102", {"10.0.0.102": "n1"})
    notice = d.node().notice
    assert notice is not None
    assert (notice.code, notice.fields["mac"], notice.fields["instead"]) == ("address_moved", OTHER, "10.0.0.102")
    d.server("n2")
    give(d, "n2")
    assert address(d, "n2") == "10.0.0.103"
    d.tick("n1", RESTS_S + 1)
    d.server("n3")
    give(d, "n3")
    assert address(d, "n3") == "10.0.0.101"


def test_its_own_ports_and_its_bmc_are_no_other_machine() -> None:
    d = rig()
    d.put(replace(d.node(), bmc=Bmc(address="10.0.1.7", mac="52:54:00:00:07:ff")))
    for own in (*d.node().macs, "52:54:00:00:07:ff"):
        d.feed(AddressTaken(address="10.0.0.101", mac=own))
    d.feed(AddressTaken(address="10.0.0.250", mac=OTHER))
    assert (address(d), d.node().notice) == ("10.0.0.101", None)


def test_an_installed_node_keeps_its_address_and_says_who_else_has_it() -> None:
    d = rig(nodes=2)
    d.put(replace(d.node(), installing="i5-1"))
    assert asked(d.world) == {"10.0.0.101": "n1", "10.0.0.102": "n2"}
    d.put(replace(d.node(), installation="i5-1"))
    assert asked(d.world) == {"10.0.0.102": "n2"}
    d.feed(AddressTaken(address="10.0.0.101", mac=d.node("n2").macs[0]))
    notice = d.node().notice
    assert notice is not None
    assert (address(d), notice.code) == ("10.0.0.101", "address_shared")
    assert notice.fields["mac"] == f"{d.node('n2').macs[0]} (node {d.node('n2').name})"


def test_neither_a_hint_nor_the_host_part_leads_to_a_taken_address() -> None:
    d = rig(small(60, "storage"))
    assert address(d, network="storage") == "10.0.2.101"
    d.server("n2")
    d.feed(SetAttribute(who="t", scope=d.node("n2").name, name="admin-address", value="10.0.0.107", layer="hint"))
    d.put(Lease(address="10.0.0.107", mac=OTHER, network="admin", state="declined", expires=9e9))
    d.put(Lease(address="10.0.2.102", mac=OTHER, network="storage", state="declined", expires=9e9))
    give(d, "n2")
    assert (address(d, "n2"), address(d, "n2", "storage")) == ("10.0.0.102", "10.0.2.90")


def test_a_full_range_leaves_the_node_its_address() -> None:
    d = rig(small(1))
    d.feed(AddressTaken(address="10.0.0.101", mac=OTHER))
    notice = d.node().notice
    assert notice is not None
    assert (address(d), notice.code, "10.0.0.101" in d.world.leases) == ("10.0.0.101", "address_shared", False)


def test_who_answers_for_every_address_does_not_get_the_range() -> None:
    d = rig(small(100))
    for _ in range(AT_REST + 5):
        d.feed(AddressTaken(address=address(d), mac=OTHER))
    assert sum(lease.state == "declined" for lease in d.world.leases.values()) == AT_REST
    assert address(d) == f"10.0.0.{101 + AT_REST}"


@given(st.lists(st.tuples(st.sampled_from(["node", "taken", "gone"]), st.integers(0, 9)), max_size=30), st.integers(3, 12))
def test_no_address_is_given_twice(steps: list[tuple[str, int]], hosts: int) -> None:
    d = WorldRig(USUAL, small(hosts, "storage"))
    made = 0
    for what, which in steps:
        there = sorted(node for node in d.world.nodes if node.startswith("n"))
        if what == "node" and made < hosts:
            made += 1
            d.server(f"n{made}")
            work = Work(d.world)
            if allocate(work, d.node(f"n{made}"), "t") is None:
                d.world = work.finish()
        elif there and what == "taken":
            work = Work(d.world)
            work.now = d.now
            address_taken(
                work, AddressTaken(address=d.world.address_of.get((there[which % len(there)], "admin"), ""), mac=mac(200 + which))
            )
            d.world = work.finish()
        elif there:
            d.put(replace(d.world.nodes[there[which % len(there)]], installing="i5-9"))
        rows = list(d.world.allocations.values())
        assert len({(one.node, one.network) for one in rows}) == len({one.address for one in rows}) == len(rows)
        resting = {one.address for one in d.world.leases.values() if one.state == "declined"}
        assert not resting & {one.address for one in rows if isinstance(one, Allocation)}
