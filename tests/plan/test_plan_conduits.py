"""What carries the networks of a plan: conduits, bonds, bridges, routers, packet sizes; and the mistakes of each."""

from __future__ import annotations

import pytest

from engine.core.plan.differences import differences
from engine.core.plan.links import bond_name, bond_of, links_of, ports_of, preferences
from engine.core.plan.revisions import as_kept, as_stored
from engine.files.catalog import shipped
from engine.files.mistakes import PlanError
from engine.files.plan_file import read, write
from engine.plan import Bond, Network, Plan

CATALOG = shipped()
HEAD = "crowbar: 1\nsite: {name: r07, admin: {address: 10.0.0.10}}\nnetworks:\n  admin:\n    subnet: 10.0.0.0/24\n"


def plan_of(admin: str = "", *others: str) -> Plan:
    return read(text_of(admin, *others), "p.yml", CATALOG)


def text_of(admin: str, *others: str) -> str:
    lines = "".join(f"    {line}\n" for line in admin.splitlines())
    return HEAD + lines + "".join(f"  n{i}: {{subnet: 10.0.{i}.0/24, {keys}}}\n" for i, keys in enumerate(others, 1))


def test_a_network_says_what_carries_it() -> None:
    admin = (
        "conduit: +10g0,+10g1\nbond: {mode: 802.3ad, hash: layer3+4}\nmtu: 9000\nrouter: {address: 10.0.0.1, v6: fe80::1, preference: 5}"
    )
    plan = plan_of(
        f"{admin}\nv6prefix: fd00:0:0:7::/64", "conduit: '+10g0,+10g1', vlan: 200, bridge: true, bond: {mode: 802.3ad, hash: layer3+4}"
    )
    first, second = plan.networks["admin"], plan.networks["n1"]
    assert first.bond == second.bond == Bond(mode="802.3ad", hash="layer3+4")
    assert (first.router, first.router_v6, first.preference, first.mtu) == ("10.0.0.1", "fe80::1", 5, 9000)
    assert (first.bridge, second.bridge, second.vlan) == ("", "br-n1", 200)
    assert [(link.sign, link.speed, link.number, link.name) for link in links_of(first.conduit)] == [
        ("+", 10_000, 0, "10g0"),
        ("+", 10_000, 1, "10g1"),
    ]
    assert read(write(plan), "again.yml", CATALOG) == plan


@pytest.mark.parametrize(
    ("keys", "bond"),
    [
        ("team_mode: 0", Bond(mode="balance-rr")),
        ("team_mode: 6", Bond(mode="balance-alb")),
        ("teaming: {mode: 4, miimon: 50, xmit_hash_policy: layer2}", Bond(mode="802.3ad", hash="layer2", miimon=50)),
        ("bond: {}", Bond()),
        ("bond: {mode: 802.3ad, lacp_rate: fast}", Bond(mode="802.3ad", lacp_rate="fast")),
        ("bond: {mode: 802.3ad, lacp_rate: slow}", Bond(mode="802.3ad", lacp_rate="slow")),
    ],
)
def test_teaming_of_old_plans_is_a_bond(keys: str, bond: Bond) -> None:
    plan = plan_of(f"conduit: 1g0,1g1\n{keys}")
    assert plan.networks["admin"].bond == bond
    assert read(write(plan), "again.yml", CATALOG) == plan


def test_several_links_without_a_bond_need_nothing_of_the_switch() -> None:
    plan = plan_of("conduit: 1g0,1g1", "conduit: 25g0")
    assert bond_of(plan.networks["admin"]) == Bond(mode="active-backup")
    assert bond_of(plan.networks["n1"]) is None
    assert "bond" not in write(plan)


def test_routers_without_a_preference_come_last_and_are_not_alike() -> None:
    plan = plan_of("router: 10.0.0.1", "router: 10.0.1.1", "router: {address: 10.0.2.1, preference: 100}", "vlan: 7")
    assert preferences(plan) == {"admin": 65536, "n1": 65537, "n2": 100}


def test_a_bond_with_the_longest_name_leaves_room_for_a_vlan() -> None:
    assert len(f"{bond_name('?400g99,?400g98')}.4094") <= 15


def test_a_rehearsal_has_the_ports_that_the_plan_names() -> None:
    racks = "racks: [{name: r1, places: {7: {cables: {1g1: 'tor2:swp1', bmc: 'mgmt:1'}}}}]\n"
    plan = read(text_of("conduit: 25g1", "conduit: '+10g0,+10g2'") + racks, "p.yml", CATALOG)
    assert list(ports_of(plan).items()) == [("25g", 2), ("1g", 2), ("10g", 3)]
    assert ports_of(plan_of("", "vlan: 5", "conduit: bmc")) == {}


MISTAKES = [
    ("conduit: 1g0,10g1", "the links of a conduit have one sign and one speed: '1g0,10g1'"),
    ("conduit: +1g0,1g1", "the links of a conduit have one sign and one speed: '+1g0,1g1'"),
    ("conduit: 1g0,1g0", "a link stands twice in '1g0,1g0'"),
    ("conduit: 1g0,2g1", "expected links like 1g0, +10g0,+10g1 or bmc, not '1g0,2g1'"),
    (f"conduit: {','.join(f'1g{n}' for n in range(9))}", "a conduit has at most 8 links, not 9"),
    ("bond: {mode: 802.3ad}", "a bond has two links or more: give the network a conduit like 10g0,10g1"),
    ("conduit: 1g0\nteam_mode: 1", "a bond has two links or more: give the network a conduit like 10g0,10g1"),
    ("conduit: 1g0,1g1\nteam_mode: 7", "expected a whole number from 0 to 6, not 7"),
    ("conduit: 1g0,1g1\nbond: {mode: 802.3da}", "did you mean '802.3ad'?"),
    ("conduit: 1g0,1g1\nbond: {hsh: layer2}", "admin.bond.hsh: unknown key; did you mean 'hash'?"),
    (
        "conduit: 1g0,1g1\nbond: {mode: balance-alb, hash: layer2}",
        "mode balance-alb has no hash; 802.3ad, balance-tlb, balance-xor have one",
    ),
    ("conduit: 1g0,1g1\nbond: {mode: balance-xor, lacp_rate: fast}", "mode balance-xor does not speak LACP; 802.3ad does"),
    ("conduit: 1g0,1g1\nbond: {mode: 802.3ad, lacp_rate: quick}", "admin.bond.lacp_rate"),
    ("conduit: 1g0,1g1\nbond: {}\nteam_mode: 1", "this is the old word for a bond, and bond is here too"),
    ("bridge: br-a-name-that-is-long", "expected true or a bridge's name of at most 15 characters"),
    ("bridge: lo", "expected true or a bridge's name of at most 15 characters"),
    ("mtu: 9217", "expected a whole number from 68 to 9216, not 9217"),
    ("mtu: 1000\nv6prefix: auto", "a network with IPv6 carries packets of 1280 octets or more (RFC 8200)"),
    ("router: {v6: fe80::1}", "the network has no v6prefix"),
    ("router: {v6: 'fd00:1::1'}\nv6prefix: auto", "router fd00:1::1 is neither link-local (fe80::/10)"),
    ("router: {v6: 'fd00:1::'}\nv6prefix: 'fd00:1::/64'", "router fd00:1:: is the anycast address of all routers"),
    ("router: {preference: 5}", "expected the router's address or v6"),
    ("router: {address: 10.0.1.1}", "networks.admin.router.address: router 10.0.1.1 is not in 10.0.0.0/24"),
    ("router: {adress: 10.0.0.1}", "networks.admin.router.adress: unknown key; did you mean 'address'?"),
]


@pytest.mark.parametrize(("keys", "says"), MISTAKES, ids=[keys.replace("\n", " ") for keys, _ in MISTAKES])
def test_a_mistake_in_one_network_is_named(keys: str, says: str) -> None:
    with pytest.raises(PlanError) as refused:
        plan_of(keys)
    assert says in str(refused.value)


TOGETHER = [
    (("conduit: 1g0,1g1", "conduit: 1g1"), "networks.n1.conduit: network admin has 1g0,1g1: two conduits are the same or share no link"),
    (("conduit: 1g0", "conduit: +1g0, vlan: 5"), "networks.n1.conduit: network admin has 1g0: two conduits are the same or share no link"),
    (("conduit: 1g0", "conduit: 1g0"), "network admin has no VLAN on the same links: each needs another VLAN, and one may be untagged"),
    (("conduit: 1g0\nvlan: 5", "conduit: 1g0, vlan: 5"), "networks.n1.vlan: network admin has VLAN 5 on the same links"),
    (
        ("conduit: 1g0,1g1\nbond: {mode: 802.3ad}", "conduit: '1g0,1g1', vlan: 5"),
        "networks.admin.bond: networks admin and n1 have the same links and need the same bond",
    ),
    (("bridge: br0", "bridge: br0"), "networks.n1.bridge: network admin has the bridge br0 already"),
    (("conduit: 1g0,1g1\nbridge: bond1g0",), "networks.admin.bridge: the bond of 1g0,1g1 has that name"),
    (
        ("conduit: 1g0\nmtu: 1500", "conduit: 1g0, vlan: 5, mtu: 9000"),
        "networks.n1.mtu: its packets of 9000 octets do not fit network admin",
    ),
    (
        ("router: {address: 10.0.0.1, preference: 5}", "router: {address: 10.0.1.1, preference: 5}"),
        "networks.n1.router: the router of network admin has the preference 5 already",
    ),
    (("v6prefix: 'fd00:1::/64'", "v6prefix: 'fd00:1::/64'"), "networks.n1.v6prefix: network admin has fd00:1::/64 already"),
    (("", "conduit: bmc, bridge: true"), "networks.n1.bridge: only BMCs are on this network, and no node has it"),
]


@pytest.mark.parametrize(("networks", "says"), TOGETHER, ids=[" / ".join(one).replace("\n", " ") for one, _ in TOGETHER])
def test_a_mistake_between_two_networks_is_named(networks: tuple[str, ...], says: str) -> None:
    with pytest.raises(PlanError) as refused:
        plan_of(*networks)
    assert says in str(refused.value)


def test_a_plan_of_an_earlier_version_is_the_same_plan() -> None:
    plan = plan_of("", "conduit: 25g0", "vlan: 5")
    body = as_stored(plan)
    assert isinstance(body, dict)
    for network in body["networks"].values():
        for key in ("bond", "bridge", "mtu", "router_v6", "preference"):
            del network[key]
        network["conduit"] = network["conduit"] or "1g0"
    assert as_kept(body) == as_stored(plan)
    assert not list(differences(as_kept(body), as_stored(plan)))


def test_a_conduit_of_1g0_is_kept() -> None:
    assert as_kept(as_stored(plan_of("conduit: 1g0"))) == as_stored(plan_of("conduit: 1g0"))
    assert Network(name="x", subnet="10.0.0.0/24").conduit == ""
