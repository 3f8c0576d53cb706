"""IPv6 prefixes of networks, and addresses of nodes there."""

from __future__ import annotations

from hashlib import md5
from ipaddress import IPv6Address, IPv6Network

import pytest
from catalogs import ADMIN, USUAL, plan
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.plan import network_numbers
from engine.core.plan.v6 import prefix, v6_address
from engine.core.roles.attributes import effective
from engine.events import Commit, Happened, Started
from engine.model import Allocation, Kind, Node
from engine.plan import Network, Plan

BITS = "1234567890"


def networks(*names: str, v6prefix: str = "auto") -> dict[str, Network]:
    others = {name: Network(name=name, subnet=f"10.0.{i}.0/24", v6prefix=v6prefix) for i, name in enumerate(names, 2)}
    return {"admin": replace(ADMIN, v6prefix=v6prefix if v6prefix == "auto" else ""), **others}


def rig(*names: str, v6prefix: str = "auto", v6: str = BITS) -> WorldRig:
    d = WorldRig(USUAL, plan(networks=networks()))
    d.feed(Started(installation="i", v6=v6, admin="admin.example.net"))
    d.feed(Commit(who="t", plan=plan(networks=networks(*names, v6prefix=v6prefix))))
    d.server(name="node-7.r1.example.net", allocated=True)
    return d


def shown(d: WorldRig, name: str) -> str:
    assert d.world.plan is not None
    return str(prefix(d.world, d.world.plan.networks[name]))


def test_a_prefix_is_of_the_installation_and_of_the_network() -> None:
    d = rig("storage", "public")
    assert [shown(d, name) for name in ("admin", "storage", "public")] == [
        "fd12:3456:7890:1::/64",
        "fd12:3456:7890:2::/64",
        "fd12:3456:7890:3::/64",
    ]
    assert IPv6Network(shown(d, "admin")).is_private


def test_a_network_keeps_its_number() -> None:
    d = rig("storage", "public")
    d.feed(Commit(who="t", plan=plan(networks=networks("alpha", "public"))))
    assert (shown(d, "public"), shown(d, "alpha")) == ("fd12:3456:7890:3::/64", "fd12:3456:7890:4::/64")
    d.feed(Commit(who="t", plan=plan(networks=networks("storage"))))
    assert shown(d, "storage") == "fd12:3456:7890:2::/64"


def test_a_later_start_changes_no_prefix() -> None:
    d = rig("storage")
    d.feed(Started(installation="other", v6="ffffffffff", admin="admin.example.net"))
    assert shown(d, "storage") == "fd12:3456:7890:2::/64"
    assert d.reload().meta.v6 == BITS


def test_a_store_of_an_earlier_version_gets_its_prefix_at_the_next_start() -> None:
    d = WorldRig(USUAL, plan(networks=networks("storage")))
    d.server(name="node-7.r1.example.net")
    assert v6_address(d.world, d.node(), "storage") == ""
    d.feed(Started(installation="i", v6=BITS, admin="admin.example.net"))
    assert shown(d, "storage") == "fd12:3456:7890:2::/64"


def test_numbers_of_networks_that_are_gone_are_given_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_numbers, "NETWORKS", 3)
    d = rig("storage", "public")
    d.feed(Commit(who="t", plan=plan(networks=networks("alpha", "public"))))
    assert dict(d.world.meta.networks) == {"admin": 1, "public": 3, "alpha": 2}


def test_the_interface_id_is_the_end_of_the_md5_of_the_name() -> None:
    d = rig("storage")
    part = int.from_bytes(md5(b"node-7.r1.example.net", usedforsecurity=False).digest()[8:], "big")
    assert v6_address(d.world, d.node(), "storage") == str(IPv6Network("fd12:3456:7890:2::/64")[part])
    before = v6_address(d.world, d.node(), "storage")
    d.put(replace(d.node(), name="node-8.r1.example.net"))
    assert v6_address(d.world, d.node(), "storage") != before


def test_without_a_prefix_there_is_no_address() -> None:
    d = rig("storage", v6prefix="")
    assert v6_address(d.world, d.node(), "storage") == v6_address(d.world, d.node(), "nowhere") == ""


def test_the_role_gets_the_address_and_runs_again_after_a_new_name() -> None:
    d = rig("storage")
    d.put(Allocation(address="10.0.2.101", network="storage", range="host", node="n1"))
    d.role("network-storage")
    d.feed(Commit(who="t", plan=plan({"network-storage": ("all",)}, networks=networks("storage"))))
    got = effective(d.world, d.at("network-storage"), "network")
    assert got["v6"] == {"address": v6_address(d.world, d.node(), "storage"), "prefix": 64, "router": ""}


@given(
    st.lists(st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True), min_size=2, max_size=6, unique=True), st.integers(0, 5), st.booleans()
)
def test_no_two_machines_have_one_address(names: list[str], router: int, admin: bool) -> None:
    """The router has the very address that one of the machines would get, or 1 more."""
    there = IPv6Network("fd00:0:0:9::/64")
    name = names[router % len(names)]
    part = int.from_bytes(md5(f"{name}.r1.example.net".encode(), usedforsecurity=False).digest()[8:], "big")
    of_router = str(there[(part + admin) % (1 << 64)])
    network = Network(name="storage", subnet="10.0.2.0/24", v6prefix=str(there), router_v6=of_router)
    wanted: Plan = plan(networks={"admin": ADMIN, "storage": network})
    d = WorldRig(USUAL, wanted)
    d.put(Node(id="admin", name=f"{names[0]}.elsewhere", kind=Kind.ADMIN))
    d.put(*(Node(id=f"n{i}", name=f"{one}.r1.example.net") for i, one in enumerate(names[1:])))
    found = [v6_address(d.world, node, "storage") for node in d.world.nodes.values()]
    assert len({*found, of_router}) == len(names) + 1
    assert all(IPv6Address(one) in there and IPv6Address(one) != there.network_address for one in found)


def test_the_bits_come_in_the_event() -> None:
    for bits in (BITS, "00000000ff"):
        first, second = rig("storage", v6=bits), rig("storage", v6=bits)
        assert shown(first, "storage") == shown(second, "storage")
    assert Happened(1.0, 1.0, Started(installation="i", admin="a")).event.v6 == ""  # type: ignore[attr-defined]  # an event of an earlier version
