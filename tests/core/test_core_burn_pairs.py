"""Which ports test their cables with each other: each direction of a cable carries one test, and each node has two partners where it can."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.hardware.burn_pairs import PARTNERS, CablePort, after, link_local, partners


def port(node: str, number: int, switch: str = "") -> CablePort:
    return CablePort(node=node, name=f"eno{number}", mac="", address="", speed=10000, switch=switch, port=f"s{node}")


@pytest.mark.parametrize(
    ("mac", "address"),
    [
        ("52:54:00:12:34:56", "fe80::5054:ff:fe12:3456"),
        ("00:00:00:00:00:00", "fe80::200:ff:fe00:0"),
        ("", ""),
        ("80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0a:0b:0c", ""),  # InfiniBand
    ],
)
def test_the_address_of_a_port_follows_from_its_mac(mac: str, address: str) -> None:
    assert link_local(mac) == address


def test_the_ring() -> None:
    assert after("n3", ["n1", "n2", "n3", "n4"]) == ["n4", "n1", "n2"]
    assert after("n1", ["n1"]) == []


def pairs(own: list[CablePort], *others: list[CablePort]) -> list[list[str]]:
    return [[f"{one.node}/{one.name}" for one in some] for some in partners(own, others)]


def test_ports_meet_on_their_switch() -> None:
    mine = [port("a", 1, "tor1"), port("a", 2, "tor2")]
    crossed = [port("b", 1, "tor2"), port("b", 2, "tor1")]
    silent = [port("c", 1), port("c", 2)]
    assert pairs(mine, crossed, silent) == [["b/eno2", "c/eno1"], ["b/eno1", "c/eno2"]]
    assert pairs(mine, [port("b", 1, "tor1")]) == [["b/eno1"], []]
    assert pairs(mine) == [[], []]


@given(st.integers(1, 12), st.integers(1, 4))
def test_no_direction_of_a_cable_has_more_than_its_share(nodes: int, ports: int) -> None:
    """Each port sends to at most two, and hears at most two; the server takes them one after the other."""
    names = [f"n{i:02}" for i in range(nodes)]
    of = {name: [port(name, n, f"tor{n}") for n in range(ports)] for name in names}
    heard: Counter[str] = Counter()
    for name in names:
        found = partners(of[name], [of[other] for other in after(name, names)[:PARTNERS]])
        for some in found:
            assert len(some) == min(PARTNERS, nodes - 1)
            assert all(one.node != name for one in some)
            heard.update(f"{one.node}/{one.name}" for one in some)
    assert set(heard.values()) <= {min(PARTNERS, nodes - 1)}
    assert len(heard) == (nodes * ports if nodes > 1 else 0), "each cable is tested in both directions"
