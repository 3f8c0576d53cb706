"""The order in which links are shown, which of them are one line, and the ports of a switch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.hardware.topology import Link, Topology
from engine.views.links_view import ORDER, WRONG, in_order, port_of, ports_of, switch_of


def link(node: str, check: str, switch: str = "tor1", port: str = "swp1", plan: str = "", why: str = "", name: str = "1g0") -> Link:
    return Link(node=node, nic="eno1", link=name, switch=switch, port=port, plan=plan, check=check, why=why, up=True)


def rack(*links: Link) -> Topology:
    return Topology(switches=(), links=links, checks={})


SILENT = [
    link(f"node-{i}", "silent", "", "", f"mgmt:swp{i}", "no relay told the port of its BMC (DHCP option 82)", "bmc") for i in range(6)
]
WRONG_ONE = link("node-7", "swapped", port="swp3", plan="tor1:swp7", why="that port is for 1g0 of node-3")


def test_the_one_wrong_cable_stands_before_six_that_say_the_same() -> None:
    right = [link(f"node-{i}", "right", port=f"swp{i}", plan=f"tor1:swp{i}") for i in range(3)]
    groups = in_order((*right, *SILENT, WRONG_ONE))
    assert [(g.first.check, len(g.links)) for g in groups] == [("swapped", 1), ("silent", 6), *[("right", 1)] * 3]


def test_what_a_person_has_to_mend_is_never_folded() -> None:
    groups = in_order(tuple(link(f"node-{i}", "missing", "", "", f"tor1:swp{i}", "the link is down") for i in range(3)))
    assert [len(g.links) for g in groups] == [1, 1, 1]


LINKS = st.lists(
    st.builds(link, st.sampled_from("abcdef"), st.sampled_from(ORDER), why=st.sampled_from(["", "x", "y"]), name=st.sampled_from(["1g0", "bmc"])),
    max_size=12,
)  # fmt: skip


@given(LINKS)
def test_every_link_is_in_one_group_and_wrong_ones_lead(links: list[Link]) -> None:
    groups = in_order(tuple(links))
    assert sorted((x.node, x.check, x.why, x.link) for g in groups for x in g.links) == sorted(
        (x.node, x.check, x.why, x.link) for x in links
    )
    checks = [g.first.check for g in groups]
    assert checks == sorted(checks, key=ORDER.index)
    assert all(len(g.links) == 1 for g in groups if g.first.check in WRONG)
    assert all(len({(x.check, x.link, x.why) for x in g.links}) == 1 for g in groups)


def test_a_switch_has_all_ports_up_to_the_last_one_in_use() -> None:
    found = ports_of(rack(link("a", "right", port="swp3", plan="tor1:swp3"), link("b", "right", port="swp11", plan="tor1:swp11")), "tor1")
    assert [p.name for p in found] == [f"swp{i}" for i in range(1, 12)]
    assert {p.name: p.check for p in found if p.check} == {"swp3": "right", "swp11": "right"}
    assert [p.number for p in found] == [str(i) for i in range(1, 12)]


def test_the_worst_verdict_counts_and_a_planned_port_without_its_cable_is_missing() -> None:
    ports = {p.name: p.check for p in ports_of(rack(link("node-3", "right", port="swp3", plan="tor1:swp3"), WRONG_ONE), "tor1")}
    assert (ports["swp3"], ports["swp7"], ports["swp5"]) == ("swapped", "missing", None)


@pytest.mark.parametrize("name", ["mgmt", "eth999999", "Ethernet1/1/100000", "a" * 300, ""])
def test_a_stranger_s_port_name_makes_no_long_faceplate(name: str) -> None:
    assert len(ports_of(rack(link("a", "unknown", port=name)), "tor1")) <= 2


def test_a_link_that_is_not_heard_is_at_its_planned_port() -> None:
    assert (switch_of(SILENT[2]), port_of(SILENT[2])) == ("mgmt", "swp2")
