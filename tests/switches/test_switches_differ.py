"""Have against want: which changes follow, and what is refused."""

from __future__ import annotations

from engine.core.hardware.port_table import OwnPath, PortWish, SeenAddress, WantedPorts
from engine.switches.differ import difference
from engine.switches.table import ALL, LagHave, PortHave, SwitchHave


def have(*ports: PortHave, lags: dict[str, PortHave] | None = None) -> SwitchHave:
    groups = lags or {}
    return SwitchHave(
        ports={one.name: one for one in ports},
        lags={name: LagHave(id=name) for name in groups},
        groups=groups,
        vlans=frozenset({1, 10}),
    )


def want(*ports: PortWish, own: OwnPath | None = None) -> WantedPorts:
    return WantedPorts(ports=ports, own=own or OwnPath())


def test_nothing_to_do() -> None:
    there = have(PortHave(name="Ethernet1/1", untagged=1, tagged=(10,), description="x"))
    assert not difference(there, want(PortWish(port="Eth1/1", tagged=(10,), description="x")))
    assert not difference(there, want(PortWish(port="Eth1/1", tagged=(10,)))), "no description is wanted, so it stays"


def test_vlans_are_made_and_never_deleted() -> None:
    found = difference(have(PortHave(name="swp1", untagged=1, tagged=(10,))), want(PortWish(port="swp1", tagged=(20,))))
    assert found.vlans == (20,)
    assert [one.vlans for one in found.ports] == [(1, (20,))]


def test_a_port_that_carries_everything_is_narrowed() -> None:
    found = difference(have(PortHave(name="swp1", untagged=1, tagged=ALL)), want(PortWish(port="swp1", tagged=(10,))))
    assert [one.vlans for one in found.ports] == [(1, (10,))]


def test_a_port_that_is_not_there_or_routed_is_refused() -> None:
    found = difference(
        have(PortHave(name="swp1", routed=True)), want(PortWish(port="swp1", tagged=(10,)), PortWish(port="swp7", tagged=(10,)))
    )
    assert not found
    assert [one.split(":")[0] for one in found.refused] == ["swp1", "swp7"]


def test_the_group_of_the_own_way_is_protected_with_all_its_ports() -> None:
    group = PortHave(name="1", untagged=1)
    there = have(PortHave(name="Ethernet1", lag="1"), PortHave(name="Ethernet2", lag="1"), PortHave(name="Ethernet3"), lags={"1": group})
    wishes = (PortWish(port="Et2", tagged=(10,)), PortWish(port="Et3", tagged=(10,)))
    by_lldp = difference(there, want(*wishes, own=OwnPath(port="Et1")))
    assert [one.name for one in by_lldp.ports] == ["Ethernet3"]
    assert "own cable" in by_lldp.refused[0]
    mac = "52:54:00:00:00:99"
    by_table = difference(there, want(*wishes, own=OwnPath(macs=(mac,))), [SeenAddress(mac=mac, port="Port-Channel1")])
    assert [one.name for one in by_table.ports] == ["Ethernet3"]
    assert mac in by_table.refused[0]


def test_a_group_is_found_again_and_a_strange_one_is_not_taken() -> None:
    group = PortHave(name="7", untagged=1, tagged=(10,), description="n1 bond")
    wishes = tuple(PortWish(port=f"swp{n}", tagged=(10,), lag="n1 bond", mode="lacp") for n in (1, 2))
    ours = have(PortHave(name="swp1", lag="7"), PortHave(name="swp2", lag="7"), lags={"7": group})
    assert not difference(ours, want(*wishes))
    shared = have(PortHave(name="swp1", lag="7"), PortHave(name="swp2"), PortHave(name="swp9", lag="7"), lags={"7": group})
    found = difference(shared, want(*wishes))
    assert [(one.name, one.leave, one.join) for one in found.ports if not one.is_lag] == [
        ("swp1", "7", ""),
        ("swp1", "", "1"),
        ("swp2", "", "1"),
    ]


def test_a_new_group_keeps_the_untagged_vlan_of_its_ports() -> None:
    wishes = tuple(PortWish(port=f"swp{n}", tagged=(10,), lag="n1 bond", mode="lacp") for n in (1, 2))
    found = difference(have(PortHave(name="swp1", untagged=30), PortHave(name="swp2", untagged=30)), want(*wishes))
    assert [one.vlans for one in found.ports if one.is_lag] == [(30, (10,))]


def test_what_the_plan_leaves_alone_is_told() -> None:
    left = WantedPorts(left={"swp3": "n1 bond ends on tor1 and tor2"})
    assert difference(have(PortHave(name="swp3")), left).refused == ("swp3: n1 bond ends on tor1 and tor2",)
