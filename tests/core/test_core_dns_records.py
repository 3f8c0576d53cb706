"""The names of the rack: zones and records as functions of plan and addresses, and a role that collects them from all nodes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import Any

from catalogs import catalog, plan, role
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.plan.v6 import v6_address
from engine.core.roles.attributes import inputs_hash
from engine.core.roles.dns_records import NAME_LENGTH, host_name, host_records, is_host_name, records, reverse_zones, zones
from engine.core.roles.wishes import task_document
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.definitions import Collect
from engine.events import Commit
from engine.model import TABLES, Allocation, State
from engine.plan import Network, Rule, Site

DNS = role("names", "system", "local", flags=["bootstrap"], collects=(Collect(attribute="dns-hosts", into="hosts", of="nodes"),))
KEY = ("admin", "names")


# -- zones and records ----------------------------------------------------------------------------------------------


@given(address=st.ip_addresses(v=4), length=st.integers(1, 32), inside=st.integers(0, 2**32 - 1))
def test_reverse_zones_cover_the_subnet_and_little_else(address: IPv4Address, length: int, inside: int) -> None:
    subnet = IPv4Network((address, length), strict=False)
    found = reverse_zones(str(subnet))
    assert 1 <= len(found) <= 128
    assert len(set(found)) == len(found)
    pointer = (subnet.network_address + inside % subnet.num_addresses).reverse_pointer
    assert sum(pointer.endswith("." + zone) for zone in found) == 1
    octets = len(found[0].split(".")) - 2
    assert len(found) * 256 ** (4 - octets) in (subnet.num_addresses, 256), "nothing but the subnet, or the /24 around it"


@given(name=st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8})?\.[a-z]{1,8}", fullmatch=True), address=st.ip_addresses())
def test_each_address_has_both_records(name: str, address: Any) -> None:
    forward, back = records(name, str(address))
    assert forward.split() == [f"{name}.", "A" if address.version == 4 else "AAAA", str(ip_address(address))]
    assert back.split() == [f"{address.reverse_pointer}.", "PTR", f"{name}."]


def test_a_prefix_of_ipv6_makes_one_zone() -> None:
    assert reverse_zones("fd12:3456:789a:1::/64") == ["1.0.0.0.a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa"]
    back = records("a.r1", "fd12:3456:789a:1::5")[1]
    assert back.split()[0].endswith(".1.0.0.0.a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa.")


@given(label=st.text(max_size=70), network=st.text(max_size=40), domain=st.text(min_size=1, max_size=200))
def test_a_name_is_a_host_name_or_nothing(label: str, network: str, domain: str) -> None:
    name = host_name(label, network, domain)
    assert name == "" or (is_host_name(name) and len(name) <= NAME_LENGTH)


def test_names_that_dns_cannot_have() -> None:
    assert is_host_name("d52-54-00-12-34-56.r07.example.net")
    for wrong in ("", ".", "a.", "-a.b", "a-.b", "a_b.c", "A.b", "a..b", "x" * 64 + ".b", ".".join(["x" * 60] * 5), "a.b\n", "*.b"):
        assert not is_host_name(wrong), wrong


def test_zones_of_a_plan() -> None:
    wanted = plan({})
    more = {"storage": Network(name="storage", subnet="10.9.0.0/22", v6prefix="fd00:0:0:9::/64")}
    wanted = replace(wanted, networks=wanted.networks | more)
    found = zones(WorldRig(catalog(DNS), wanted).world)
    assert found[0] == wanted.site.domain
    assert {"0.9.10.in-addr.arpa", "3.9.10.in-addr.arpa", "9.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"} <= set(found)
    assert zones(WorldRig(catalog(DNS), replace(wanted, site=Site(name="x", domain="no_name"))).world) == []


# -- what is collected from all nodes -------------------------------------------------------------------------------


def rig(**more: Any) -> WorldRig:
    out = WorldRig(catalog(DNS), plan({}, **more))
    for number in (1, 2, 3):
        out.server(f"n{number}", stage="system", runs="debian-12", name=f"node-{number}.r1.example.net", hold=True)
    up_to_date(out)
    return out


def up_to_date(out: WorldRig) -> None:
    out.change("admin", "names", state=State.ACTIVE, ran_hash=inputs_hash(out.world, out.at("names", "admin")))
    assert KEY not in out.world.stale


def hosts(out: WorldRig) -> dict[str, list[str]]:
    found = task_document(out.world, out.at("names", "admin"), {})["hosts"]
    return {one["node"]: one["value"] for one in found}


def as_rebuilt(out: WorldRig) -> None:
    tables = {table: dict(getattr(out.world, table)) for table in TABLES if table != "meta"} | {"meta": {(): out.world.meta}}
    again = load_world(out.world.base, tables)
    assert dict(again.wishes) == dict(out.world.wishes)
    assert dict(again.wish_of) == dict(out.world.wish_of)


def test_a_node_without_an_address_has_no_record() -> None:
    assert hosts(rig()) == {}


def test_an_address_comes_and_goes() -> None:
    out = rig()
    out.put(Allocation(address="10.0.0.81", network="admin", range="host", node="n2"))
    assert KEY in out.world.stale
    assert hosts(out) == {"node-2.r1.example.net": records("node-2.r1.example.net", "10.0.0.81")}
    as_rebuilt(out)
    up_to_date(out)
    work = Work(out.world)
    work.drop("allocations", "10.0.0.81")
    out.world = work.finish()
    assert KEY in out.world.stale
    assert hosts(out) == {}
    as_rebuilt(out)


def test_each_other_network_has_names_of_its_own() -> None:
    storage = Network(name="storage", subnet="10.9.0.0/24")
    out = rig()
    out.feed(Commit(who="op", plan=replace(plan({}), networks=plan({}).networks | {"storage": storage})))
    out.put(Allocation(address="10.9.0.5", network="storage", range="host", node="n2"))
    assert hosts(out) == {"node-2.r1.example.net": records("node-2.storage.r1.example.net", "10.9.0.5")}
    up_to_date(out)
    out.feed(Commit(who="op", plan=plan({})))
    assert out.at("names", "admin").state is State.TRANSITION, "the network is gone, and its records with it"
    assert hosts(out) == {}
    as_rebuilt(out)


def test_a_node_is_renamed() -> None:
    out = rig()
    out.change("n2", allocated=True)
    out.put(Allocation(address="10.0.0.81", network="admin", range="host", node="n2"))
    (name,) = hosts(out)
    up_to_date(out)
    out.feed(Commit(who="op", plan=plan({}, rules=(Rule(name="box-{serial}"),))))
    assert out.at("names", "admin").state is State.TRANSITION
    assert list(hosts(out)) != [name]
    as_rebuilt(out)


def test_networks_with_ipv6_have_both_records() -> None:
    out = rig()
    out.put(replace(out.world.meta, v6="0123456789"))
    admin = replace(plan({}).networks["admin"], v6prefix="auto")
    out.put(Allocation(address="10.0.0.81", network="admin", range="host", node="n2"))
    up_to_date(out)
    out.feed(Commit(who="op", plan=plan({}, networks={"admin": admin})))
    assert out.at("names", "admin").state is State.TRANSITION
    v6 = v6_address(out.world, out.world.nodes["n2"], "admin")
    assert v6.startswith("fd")
    name = "node-2.r1.example.net"
    assert hosts(out)[name] == [*records(name, "10.0.0.81"), *records(name, v6)]
    (zone,) = [one for one in zones(out.world) if one.endswith("ip6.arpa")]
    assert records(name, v6)[1].split()[0].endswith(f".{zone}.")
    as_rebuilt(out)


def test_another_change_of_a_node_does_not_matter() -> None:
    out = rig()
    out.put(Allocation(address="10.0.0.81", network="admin", range="host", node="n2"))
    up_to_date(out)
    out.put(replace(out.world.nodes["n2"], alive=False))
    assert KEY not in out.world.stale


def test_a_name_that_dns_cannot_have_makes_no_record() -> None:
    out = rig()
    out.put(Allocation(address="10.0.0.81", network="admin", range="host", node="n2"))
    out.put(replace(out.world.nodes["n2"], name="no_name.r1.example.net"))
    assert host_records(out.world, out.world.nodes["n2"], "admin") is None
    assert hosts(out) == {}
