"""`read(write(plan)) == plan` for any plan that is right."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from engine.core.plan.links import HASHED, HASHES, LACP
from engine.core.plan.network_roles import network_roles
from engine.definitions import AttributeDef
from engine.files.catalog import shipped
from engine.files.plan_file import read, write
from engine.plan import (
    BOND_MODES,
    FACTS,
    Admin,
    Approve,
    BarclampPin,
    Bond,
    DeploymentDef,
    Expect,
    Network,
    PlaceDef,
    Plan,
    RackDef,
    Range,
    RoleSettings,
    Rule,
    Site,
    Versions,
)

CATALOG = structs.replace(shipped(), attributes={**shipped().attributes, "free": AttributeDef(name="free", path="free", schema={})})
ADMIN_ONLY = {name for name, role in CATALOG.roles.items() if role.admin_only}

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
names = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4})?", fullmatch=True).filter(lambda name: name != "system")
tricky = st.sampled_from(
    [
        "yes",
        "no",
        "on",
        "null",
        "~",
        "1",
        "1e3",
        "0o17",
        "0x1f",
        "12:30",
        "2026-01-01",
        "- x",
        "a: b",
        "#",
        "",
        "'",
        '"',
        "\u2028",
        "\x85",
        "\ufeff",
        "\r\n",
        ".5",
        "1_000",
        "+1",
        "<<",
        "=",
        "true",
        "True",
        "!x",
        "&a",
        "*a",
        "%",
        "@",
        "`",
        "{",
        "a\nb",
        " lead",
        "trail ",
        "\t",
        "é😀",
    ]
)
words = tricky | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
json = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
attributes = st.fixed_dictionaries({}, optional={"free": json, "target-os": st.just("debian-12"), "ntp-serve": st.booleans()})

role_settings = st.fixed_dictionaries(
    {},
    optional={
        "os-install": st.just(RoleSettings(attributes={"target-os": "debian-12"})),
        "ntp-server": st.sampled_from([RoleSettings(), RoleSettings(attributes={"ntp-upstream": ["10.0.0.1"]})]),
        "network-admin": st.just(RoleSettings()),
    },
)

digests = st.sampled_from(["0" * 64, "1e" + "5" * 62, "ab12" * 16])
versions = st.builds(
    Versions,
    barclamps=st.dictionaries(names, st.builds(BarclampPin, version=st.sampled_from(["1", "1.10", "2.0.1"]), sha256=digests | st.just(""))),
    images=st.dictionaries(labels.map("i-".__add__).filter(lambda name: "--" not in name), digests),
)


ONLY = {"firmware": ("bios", "efi"), "mac": ("52:54:00:00:00:01", "02:00:00:aa:bb:cc")}
"""Fact -> values that a plan may ask for. A rack must be one of the plan's."""


@st.composite
def matches(draw: st.DrawFn) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for fact in draw(st.lists(st.sampled_from(sorted(FACTS)), unique=True, max_size=3)):
        if FACTS[fact] == "number":
            low = draw(st.integers(0, 1000))
            out[fact] = draw(st.sampled_from([low, {"min": low}, {"min": low, "max": low + 5}]))
        elif FACTS[fact] == "truth":
            out[fact] = draw(st.sampled_from([True, False, {"is": True}]))
        else:
            text = draw(words.filter(bool))
            same = draw(st.sampled_from(ONLY[fact])) if fact in ONLY else text
            out[fact] = draw(st.sampled_from([{"like": text}] if fact == "rack" else [same, {"is": same}, {"like": text}]))
    return out


@st.composite
def carriers(draw: st.DrawFn, i: int) -> dict[str, Any]:
    """What carries network number i. Networks of a plan share a conduit only if they agree on its bond."""
    bond = st.builds(Bond, mode=st.sampled_from(BOND_MODES), miimon=st.integers(10, 10_000))
    spoken = st.builds(Bond, mode=st.just(LACP), lacp_rate=st.sampled_from(["", "slow", "fast"]))
    hashed = st.builds(Bond, mode=st.sampled_from(sorted(HASHED)), hash=st.sampled_from(HASHES))
    conduit = draw(st.sampled_from(["", "bmc", "1g0", "+10g0,+10g1", ["?25g0,?25g1", "?40g2,?40g0", "?100m1,?100m3"][i]]))
    v6prefix = draw(st.sampled_from(["", "auto", f"fd00:1:2:{i + 3}::/64"]))
    own = conduit.startswith("?")
    router, router_v6 = draw(st.sampled_from(["", f"10.0.{i}.1"])), draw(st.sampled_from(["", "fe80::1"])) if v6prefix else ""
    return {
        "router": router,
        "router_v6": router_v6,
        "preference": draw(st.sampled_from([0, 100 + i])) if router or router_v6 else 0,
        "conduit": conduit,
        "bond": draw(st.none() | bond | hashed | spoken) if own else None,
        "bridge": draw(st.sampled_from(["", f"br{i}"])) if conduit != "bmc" else "",
        "mtu": draw(st.sampled_from([0, 1500])),
        "v6prefix": v6prefix,
    }


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Network]:
    out = {}
    for i, name in enumerate(["admin", *draw(st.lists(names.filter(lambda n: n != "admin"), unique=True, max_size=2))]):
        start = int(IPv4Address("10.0.0.0")) + (i << 8)
        cuts = sorted(draw(st.lists(st.integers(20, 250), min_size=4, max_size=4, unique=True)))
        both = [Range(first=str(IPv4Address(start + cuts[k])), last=str(IPv4Address(start + cuts[k + 1]))) for k in (0, 2)]
        out[name] = Network(
            name=name,
            subnet=f"{IPv4Address(start)}/24",
            ranges=dict(zip(draw(st.permutations(["dhcp", "host"])), both, strict=True)),
            vlan=10 * i + draw(st.integers(0, 9)),
            **draw(carriers(i)),
            strangers=draw(st.sampled_from(["ignore", "lease"])),
        )
    return out


@st.composite
def racks(draw: st.DrawFn) -> tuple[RackDef, ...]:
    out = []
    for i, name in enumerate(draw(st.lists(labels, unique=True, max_size=2))):
        places = tuple(
            PlaceDef(
                unit=unit,
                height=draw(st.integers(1, 2)),
                cables={"1g0": f"tor{i}:swp{unit}"} if draw(st.booleans()) else {},
                expects=draw(st.sampled_from([{}, {"serial": f"S{i}-{unit}"}, {"product": {"like": "R6*"}, "memory": {"min": 65536}}])),
            )
            for unit in sorted(draw(st.sets(st.integers(1, 10).map(lambda n: 2 * n), max_size=3)))
        )
        out.append(RackDef(name=name, units=draw(st.integers(22, 60)), places=places))
    return tuple(out)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    nets = draw(networks())
    rules = tuple(
        Rule(
            match=draw(matches()),
            group=draw(st.just("") | names),
            name=draw(st.sampled_from(["", "node-{place}", "{rack}-{number}", "x"])),
            attributes=draw(attributes),
            roles=draw(role_settings),
        )
        for _ in range(draw(st.integers(0, 3)))
    )
    groups = [f"group:{rule.group}" for rule in rules if rule.group]
    selectors = st.lists(st.sampled_from(["all", "admin", "node:n-1", *groups]), unique=True, min_size=1, max_size=3).map(tuple)
    bare = Plan(site=Site(name="x"), networks=nets)
    roles = [name for name, role in network_roles(CATALOG, bare).roles.items() if "abstract" not in role.flags]
    deployments: dict[str, DeploymentDef] = {}
    for name in draw(st.lists(names, unique=True, max_size=3)):
        placed = draw(st.dictionaries(st.sampled_from(roles), selectors, max_size=3))
        deployments[name] = DeploymentDef(
            name=name,
            parent=draw(st.sampled_from(["system", *deployments])),
            attributes=draw(attributes),
            roles={role: ("admin",) if role in ADMIN_ONLY else on for role, on in placed.items()},
        )
    used = {role for one in deployments.values() for role in one.roles}
    rules = tuple(replace(rule, deployment=draw(st.sampled_from(["", "system", *deployments]))) for rule in rules)
    for name, network in nets.items():
        free = name != "admin" and f"network-{name}" not in used
        nets[name] = replace(network, deployment=draw(st.sampled_from(["", "system", *(deployments if free else ())])))
    wipe: Any = draw(st.sampled_from(["nothing", "blank", "foreign", "listed", "all"]))
    seconds = st.integers(0, 10**6).map(float) | st.integers(1, 999).map(lambda n: n / 8)
    return Plan(
        site=Site(
            name=draw(labels),
            domain=draw(st.sampled_from(["local", "example.net"])),
            trust=draw(st.sampled_from(["confirmed", "network"])),
            admin=Admin(interface=draw(st.sampled_from(["", "eth1"])), address="10.0.0.10"),
        ),
        expect=Expect(nodes=draw(st.integers(0, 9)), within=draw(seconds)),
        approve=Approve(wipe=wipe, disks=("S1", "1e3") if wipe == "listed" else ()),
        networks=nets,
        racks=draw(racks()),
        rules=rules,
        deployments=deployments,
        attributes=draw(attributes),
        limits={"jobs": 64} | draw(st.dictionaries(st.sampled_from(["jobs", "uplink:tor1", "admin"]), st.integers(1, 99))),
        secrets=draw(st.dictionaries(names, st.sampled_from([{"env": "X_1"}, {"file": "/run/secrets/a b"}]), max_size=2)),
        allocate=draw(st.sampled_from(["auto", "ask"])),
        patience=draw(st.sampled_from([1.0, 0.05, 2.0])),
        versions=draw(st.none() | versions),
    )


@settings(max_examples=30, deadline=None)
@given(plans())
def test_a_plan_comes_back_as_it_went(plan: Plan) -> None:
    assert read(write(plan), "plan.yml", CATALOG) == plan
