"""Attributes: which layer wins, what the engine computes, what changes a node role's inputs, and how rules match."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, USUAL, catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.hardware.inventory import Inventory
from engine.core.hardware.topology import place_from
from engine.core.plan.diff import diff
from engine.core.plan.rules import choose, facts, matches
from engine.core.roles.attributes import COMPUTED, LAYERS, document, effective, engine_value, inputs, inputs_hash, layers
from engine.core.roles.derive import done
from engine.definitions import Want
from engine.effects import Accept, Start
from engine.events import Commit, Outcome, SetAttribute, Started
from engine.model import Allocation, Deployment, Place, State, Value
from engine.plan import Admin, DeploymentDef, PlaceDef, RackDef, Rule, Site
from engine.views.explain import Explained, explain_attribute

GIVER = role("giver", gives=("x",))
FAR = role("far", gives=("y",))
READER = role("reader", wants=["x", "y", "hostname"])
ALL = catalog(GIVER, FAR, READER, defaults={"x": "default"})


def place(plan: Any, neighbours: object) -> Place | None:
    return place_from(plan, Inventory({"neighbours": neighbours}).neighbours)


def rig() -> WorldRig:
    d = WorldRig(ALL, plan({}, deployments={"cloud": DeploymentDef(name="cloud"), "leaf": DeploymentDef(name="leaf", parent="cloud")}))
    d.server("n1", stage="hardware", allocated=True)
    d.server("n2", stage="hardware", allocated=True)
    d.role("giver", state=State.ACTIVE)
    d.role("reader", deployment="leaf", parents=(("n1", "giver"), ("n2", "far")))
    return d


def value(layer: str, scope: str, said: str) -> Value:
    return Value(layer=layer, scope=scope, name="x", value=said, who="t")


STEPS: list[tuple[str, Any]] = [
    ("discovery", value("discovery", "n1", "discovery")),
    ("hint", value("hint", "n1", "hint")),
    ("parent", None),
    ("deployment", value("deployment", "system", "system")),
    ("deployment", value("deployment", "cloud", "cloud")),
    ("deployment", value("deployment", "leaf", "leaf")),
    ("wish", value("wish", "n1", "wish")),
    ("rule", value("rule", "n1", "rule")),
    ("role", value("role", "n1/reader", "role")),
    ("operator", value("operator", "n1", "operator")),
    ("operator", value("operator", "n1/reader", "operator of the role")),
]


def test_each_layer_wins_over_those_before_it() -> None:
    d = rig()
    assert effective(d.world, d.at("reader"), "x") == "default"
    for layer, row in STEPS:
        if row is None:
            d.change(role="giver", gave={"x": "parent"})
            said = "parent"
        else:
            d.put(row)
            said = row.value
        assert effective(d.world, d.at("reader"), "x") == said
        assert list(layers(d.world, d.at("reader"), "x"))[-1][0] == layer
    order = [name for name, _, _ in layers(d.world, d.at("reader"), "x")]
    assert order == ["default", *(layer for layer, _ in STEPS)]
    assert [name for name in LAYERS if name in order] == sorted(set(order), key=LAYERS.index)


def shown(d: WorldRig, name: str = "x") -> Explained:
    return explain_attribute(d.world, d.at("reader"), name)


def test_every_layer_is_explained_with_and_without_a_value() -> None:
    d = rig()
    order = [(row.layer, row.scope) for row in shown(d).layers]
    assert list(dict.fromkeys(layer for layer, _ in order)) == list(LAYERS)
    for _, row in STEPS:
        if row is None:
            d.change(role="giver", gave={"x": "parent"})
        else:
            d.put(row)
        told = shown(d)
        assert [(one.layer, one.by, one.value) for one in told.layers if one.set] == list(layers(d.world, d.at("reader"), "x"))
        assert [(one.layer, one.scope) for one in told.layers] == order
        assert [one.value for one in told.layers if one.wins] == [told.value] == [effective(d.world, d.at("reader"), "x")]
        assert all(one.how for one in told.layers)


def test_a_value_that_is_not_there_is_explained_by_the_ways_to_set_it() -> None:
    d = rig()
    told = shown(d, "y")
    assert (told.value, told.layer, told.reads, any(one.set for one in told.layers)) == (None, "", True, False)
    assert {one.layer for one in told.layers} == set(LAYERS)
    assert "role far gives it" in next(one.how for one in told.layers if one.layer == "parent")
    assert told.ways == (
        "crowbar set n1 y VALUE --layer hint",
        "in the plan: attributes.y",
        "crowbar set system y VALUE",
        "in the plan: deployments.cloud.attributes.y",
        "crowbar set cloud y VALUE",
        "in the plan: deployments.leaf.attributes.y",
        "crowbar set leaf y VALUE",
        "in the plan: attributes.y of a rule that matches the node",
        "in the plan: roles.reader.attributes.y of a rule that matches the node",
        "crowbar set n1/reader y VALUE --layer role",
        "crowbar set n1 y VALUE",
        "crowbar set n1/reader y VALUE",
    )
    scopes = [one.scope for one in told.layers if one.layer == "operator"]
    assert scopes == ["n1", "n1/reader"]
    for scope in scopes:
        d.feed(SetAttribute(who="op", layer="operator", scope=scope, name="y", value=f"of {scope}"))
        assert shown(d, "y").value == f"of {scope}"


def test_what_the_engine_computes_is_not_set_below_it() -> None:
    d = rig()
    assert shown(d, "hostname").layer == "engine"
    assert shown(d, "hostname").ways == ("crowbar set n1 hostname VALUE", "crowbar set n1/reader hostname VALUE")


def test_a_secret_is_set_by_its_source_or_sealed() -> None:
    secret = replace(ALL, attributes={**ALL.attributes, "y": replace(ALL.attributes["y"], secret=True, role="")})
    d = WorldRig(secret, plan({}))
    d.server("n1")
    d.role("reader")
    ways = explain_attribute(d.world, d.at("reader"), "y").ways
    assert "name its source in the plan: secrets.y" in ways
    assert "crowbar set n1 y --secret-file FILE" in ways
    assert not [way for way in ways if "VALUE" in way or "attributes.y" in way]


def test_values_of_others_are_not_seen() -> None:
    d = rig()
    for scope in ("n2", "n2/reader", "n1/giver"):
        for layer in ("rule", "role", "operator", "hint", "discovery"):
            d.put(value(layer, scope, "wrong"))
    d.put(value("deployment", "other", "wrong"))
    assert effective(d.world, d.at("reader"), "x") == "default"


def test_a_value_replaces_whole() -> None:
    d = rig()
    d.put(replace(value("deployment", "system", ""), value={"a": 1, "b": 2}), replace(value("operator", "n1", ""), value={"b": 3}))
    assert effective(d.world, d.at("reader"), "x") == {"b": 3}


def test_of_two_parents_the_nearer_wins() -> None:
    d = rig()
    d.role("giver", "n2", state=State.ACTIVE, gave={"x": "there"})
    d.change(role="reader", parents=(("n1", "giver"), ("n2", "giver")))
    assert effective(d.world, d.at("reader"), "x") == "there"
    d.change(role="giver", gave={"x": "here"})
    assert effective(d.world, d.at("reader"), "x") == "here"


def test_only_parents_give() -> None:
    d = rig()
    d.role("far", "n1", state=State.ACTIVE, gave={"y": "no parent"})
    assert effective(d.world, d.at("reader"), "y") is None


def test_what_the_engine_computes() -> None:
    d = WorldRig(USUAL)
    d.server(name="node-1.r1.example.net", allocated=True)
    d.put(Allocation(address="10.0.0.101", network="admin", range="host", node="n1"))
    install, network = d.role("os-install"), d.role("network-admin")
    there = {"name": "admin", "address": "10.0.0.101", "mask": "255.255.255.0", "subnet": "10.0.0.0/24", "router": "", "vlan": 0}
    expected = {
        "hostname": "node-1",
        "domain": "r1.example.net",
        "admin-network": there,
        "image": {"$image": "debian-12"},
        "credential": {"$secret": "credential"},
        "engine-key": {"$engine": "key"},
        "engine-url": "http://10.0.0.1",
        "admin-address": "10.0.0.1",
        "admin-subnets": ["10.0.0.0/24", "10.0.1.0/24"],
    }
    for name, said in expected.items():
        assert effective(d.world, install, name) == said, name
    carried = {"preference": 0, "mtu": 0, "v6": None, "conduit": "", "links": [], "bond": None, "bridge": "", "wait": 40}
    assert (effective(d.world, network, "network"), inputs(d.world, network)) == (there | carried, {"network": there})


def test_a_secret_of_the_plan_is_a_handle_by_its_name() -> None:
    taker = role("taker", wants=["pass-phrase", "other"])
    known = catalog(taker)
    secret = {name: replace(known.attributes[name], secret=True) for name in ("pass-phrase", "other")}
    d = WorldRig(
        replace(known, attributes={**known.attributes, **secret}),
        plan({}, secrets={"pass-phrase": {"env": "PASS_PHRASE"}, "x": {"env": "X"}}),
    )
    d.server()
    d.role("taker")
    assert effective(d.world, d.at("taker"), "pass-phrase") == {"$secret": "pass-phrase"}
    assert effective(d.world, d.at("taker"), "other") is None


def test_the_document_is_nested_by_path_and_opened() -> None:
    deep = role("deep", wants=["a", "b"])
    deep = replace(deep, wants=(Want(name="a"), Want(name="b", at="else/where")))
    known = catalog(deep, defaults={"a": 1, "b": {"$secret": "b"}})
    known = replace(known, attributes={**known.attributes, "a": replace(known.attributes["a"], path="x/y")})
    d = WorldRig(known, plan({}))
    d.server()
    d.role("deep")
    assert document(d.world, d.at("deep"), {"b": "open"}) == {"x": {"y": 1}, "else": {"where": "open"}}


# -- what makes a node role stale ----------------------------------------------------------------------------------


def active() -> WorldRig:
    d = rig()
    d.change(role="giver", gave={"x": "given"})
    d.role("far", "n2", state=State.ACTIVE, gave={"y": 1})
    d.change(role="reader", state=State.ACTIVE, ran_hash=inputs_hash(d.world, d.at("reader")))
    d.put(d.at("reader"))
    assert done(d.world, d.at("reader"))
    return d


def changes(d: WorldRig, what: str) -> None:
    match what:
        case "value":
            d.feed(SetAttribute(who="op", layer="operator", scope="n1", name="x", value=5))
        case "value of the deployment":
            d.feed(SetAttribute(who="op", layer="deployment", scope="system", name="x", value=5))
        case "what a parent gave":
            d.change("n2", "far", state=State.TRANSITION, attempt="i5-9", leg=1, try_hash="")
            d.feed(Outcome(attempt="i5-9.1", node="n2", what="done", gives={"y": 2}))
        case "name":
            d.put(replace(d.node(), name="other.r1.example.net"))
        case "nothing":
            d.feed(SetAttribute(who="op", layer="operator", scope="n2", name="x", value=5))
        case "the same again":
            d.feed(SetAttribute(who="op", layer="operator", scope="n1", name="x", value="given"))


@pytest.mark.parametrize(
    ("what", "stale"),
    [
        ("value", True),
        ("value of the deployment", True),
        ("what a parent gave", True),
        ("name", True),
        ("nothing", False),
        ("the same again", False),
    ],
)
def test_what_makes_stale(what: str, stale: bool) -> None:
    d = active()
    changes(d, what)
    assert done(d.world, d.at("reader")) is not stale
    assert dict(d.world.stale) == dict(d.reload().stale)


def test_a_stale_node_role_runs_again_and_its_children_wait() -> None:
    d = active()
    changes(d, "value")
    assert d.one(Start).role == "reader"


def test_a_plan_that_changes_what_is_computed_makes_stale() -> None:
    d = WorldRig(catalog(role("zone", wants=["domain"])), plan({}))
    d.server(stage="hardware", allocated=True, available=False)
    d.role("zone", state=State.ACTIVE)
    d.change(role="zone", ran_hash=inputs_hash(d.world, d.at("zone")))
    d.put(d.at("zone"))
    d.feed(
        Commit(who="t", plan=plan({"zone": ("all",)}, site=Site(name="r1", domain="other.example.net", admin=Admin(address="10.0.0.1"))))
    )
    assert not done(d.world, d.at("zone"))


def test_a_plan_with_other_networks_keeps_the_indexes() -> None:
    d = WorldRig(USUAL)
    d.server(stage="system", runs="debian-12", allocated=True)
    for name in ("inventory", "bios-configure", "raid-configure", "os-install"):
        d.role(name, state=State.ACTIVE)
    d.feed(Commit(who="t", plan=plan(networks={"admin": ADMIN, "store": replace(ADMIN, name="store", subnet="10.9.0.0/24", ranges={})})))
    without = plan({"ready": ("all",)}, networks={"admin": replace(ADMIN, vlan=7)})
    d.feed(Commit(who="t", plan=without))
    fresh = d.reload()
    for name in ("bound", "stale", "running", "children"):
        assert dict(getattr(d.world, name)) == dict(getattr(fresh, name)), name


def test_deployments_nest() -> None:
    d = rig()
    assert d.world.deployments["leaf"] == Deployment(name="leaf", parent="cloud")
    d.feed(Commit(who="t", plan=plan({"reader": ("all",)}, attributes={"x": "of the site"})))
    assert effective(d.world, d.at("reader"), "x") == "of the site"
    d.feed(Commit(who="t", plan=plan({"reader": ("all",)})))
    assert effective(d.world, d.at("reader"), "x") == "default"


# -- rules ---------------------------------------------------------------------------------------------------------

KNOWN = {"cpus": 8, "product": "PowerEdge R640", "kexec": True, "place": None, "serial": "SN1"}


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"cpus": 8}, True),
        ({"cpus": 9}, False),
        ({"cpus": {"min": 8}}, True),
        ({"cpus": {"min": 9}}, False),
        ({"cpus": {"max": 8}}, True),
        ({"cpus": {"max": 7}}, False),
        ({"cpus": {"min": 4, "max": 8}}, True),
        ({"cpus": {"min": 4, "max": 7}}, False),
        ({"product": "PowerEdge R640"}, True),
        ({"product": {"is": "PowerEdge R640"}}, True),
        ({"product": {"like": "PowerEdge R6*"}}, True),
        ({"product": {"like": "poweredge*"}}, False),
        ({"product": {"min": 3}}, False),
        ({"kexec": True}, True),
        ({"kexec": False}, False),
        ({"place": {"min": 0}}, False),
        ({"never-heard-of": 1}, False),
        ({"cpus": 8, "serial": "SN2"}, False),
    ],
)
def test_what_a_rule_matches(match: dict[str, Any], holds: bool) -> None:
    assert matches(Rule(match=match), KNOWN) is holds


def discovered(**fields: Any) -> WorldRig:
    d = WorldRig(USUAL, plan({}, allocate="ask"))
    d.server(**fields)
    d.role(
        "inventory",
        state=State.ACTIVE,
        gave={
            "product": "R640",
            "vendor": "Dell",
            "memory-mb": 65536,
            "cpus": 8,
            "firmware": "efi",
            "kexec": True,
            "disks": [{"name": "sda", "size": 10}, {"name": "sdb", "size": 20}],
            "nics": [{"speed": 1000}, {"speed": 25000}],
        },
    )
    return d


def test_the_facts_are_those_that_a_plan_may_ask() -> None:
    from engine.plan import FACTS

    d = discovered(arch="x86_64", family="R640", place=Place(rack="r1", unit=10))
    found = facts(d.world, d.node())
    assert found.keys() == FACTS.keys()
    kinds = {"number": int | float, "text": str, "truth": bool}
    for name, kind in FACTS.items():
        assert isinstance(found[name], kinds[kind]), name
    assert (found["disks.size"], found["disks.count"], found["nics.speed"], found["memory"]) == (30, 2, 25000, 65536)


@pytest.mark.parametrize(
    ("template", "place", "serial", "name"),
    [
        ("node-{place}", Place(rack="r1", unit=10), "SN1", "node-10"),
        ("node-{place}", None, "SN1", "node-sn1"),
        ("node-{place}", None, "", "node-525400000001"),
        ("{rack}-{number}", Place(rack="R 1", unit=10), "SN1", "r-1-1"),
        ("{mac}", None, "SN1", "52-54-00-00-00-01"),
        ("{nothing}", None, "SN1", "nothing"),
        ("", None, "SN1", ""),
        ("x" * 80, None, "SN1", "x" * 63),
    ],
)
def test_host_names(template: str, place: Place | None, serial: str, name: str) -> None:
    d = discovered(place=place, serial=serial)
    assert choose(d.world, plan({}, rules=(Rule(name=template),)), d.node()).name == name


def test_the_first_match_wins_per_thing() -> None:
    d = discovered()
    rules = (
        Rule(match={"cpus": 99}, group="never"),
        Rule(match={"cpus": 8}, group="small", attributes={"a": 1}),
        Rule(group="all", name="n-{number}", attributes={"a": 2, "b": 2}),
    )
    chosen = choose(d.world, plan({}, rules=rules), d.node())
    assert (chosen.matched, chosen.group, chosen.name, chosen.attributes) == (True, "small", "n-1", {"a": 1, "b": 2})


def test_two_nodes_never_share_a_name() -> None:
    d = WorldRig(catalog(role("inventory", "discovery", flags=["discovery"])), plan({}, rules=(Rule(name="twin"),)))
    for number in (1, 2):
        d.server(f"n{number}")
        d.role("inventory", f"n{number}", state=State.ACTIVE)
    d.feed(Started(installation="x", admin="a"))
    assert sorted(n.name for n in d.world.nodes.values()) == ["admin.example.net", "twin-n2.r1.example.net", "twin.r1.example.net"]


# -- places --------------------------------------------------------------------------------------------------------


def heard(*ports: str) -> list[dict[str, str]]:
    return [{"nic": "e", "system": p.split(":")[0], "port": p.split(":")[1]} for p in ports]


@pytest.mark.parametrize(
    ("neighbours", "unit"),
    [
        (heard("tor1:swp3"), 10),
        (heard("tor1:swp4", "mgmt:4"), 12),
        (heard("tor1:swp3", "mgmt:3", "tor1:swp4"), 10),
        (heard("tor9:swp3"), None),
        ([], None),
        ("nonsense", None),
    ],
)
def test_where_a_node_stands(neighbours: Any, unit: int | None) -> None:
    places = (
        PlaceDef(unit=10, cables={"1g0": "tor1:swp3", "bmc": "mgmt:3"}),
        PlaceDef(unit=12, cables={"1g0": "tor1:swp4", "bmc": "mgmt:4"}),
    )
    found = place(plan({}, racks=(RackDef(name="r1", places=places),)), neighbours)
    assert found == (Place(rack="r1", unit=unit) if unit else None)


def test_everything_that_is_said_to_be_computed_is_computed() -> None:
    d = rig()
    for name in sorted(COMPUTED):
        engine_value(d.world, d.at("reader"), name)  # raises where nothing computes it


def open_attempt() -> WorldRig:
    """An attempt of the reader is open, started with the inputs as they are."""
    d = active()
    hashed = inputs_hash(d.world, d.at("reader"))
    d.change(role="reader", state=State.TRANSITION, attempt="i5-8", leg=1, action="run", begun=d.now, try_hash=hashed)
    return d


@pytest.mark.parametrize("what", ["value", "value of the deployment", "what a parent gave", "name", "nothing"])
def test_an_input_that_changes_under_an_open_attempt_makes_its_success_stale(what: str) -> None:
    """Whether it does is known while the attempt runs, and a success asks for no second hash."""
    d = open_attempt()
    assert ("n1", "reader") not in d.world.stale
    changes(d, what)
    changed = what != "nothing"
    assert (("n1", "reader") in d.world.stale) is changed
    assert dict(d.world.stale) == dict(d.reload().stale)
    d.feed(Outcome(attempt="i5-8.1", node="n1", what="done"))
    assert dict(d.world.stale) == dict(d.reload().stale)
    assert d.at("reader").ran_hash == inputs_hash(d.world, d.at("reader")) or changed
    assert [e.role for e in d.effects if isinstance(e, Start) and e.role == "reader"] == ["reader"] * changed


def test_an_input_that_changes_back_under_an_open_attempt_leaves_nothing_stale() -> None:
    d = open_attempt()
    changes(d, "value")
    d.feed(SetAttribute(who="op", layer="operator", scope="n1", name="x", clear=True))
    assert ("n1", "reader") not in d.world.stale
    d.feed(Outcome(attempt="i5-8.1", node="n1", what="done"))
    assert done(d.world, d.at("reader"))


def test_a_next_leg_is_compared_with_what_its_attempt_began_with() -> None:
    d = open_attempt()
    d.feed(Outcome(attempt="i5-8.1", node="n1", what="again", after=1.0))
    changes(d, "value")
    d.tick("n1/reader", 2.0)
    assert d.at("reader").state is State.TRANSITION
    assert d.at("reader").leg == 2
    assert ("n1", "reader") in d.world.stale
    assert dict(d.world.stale) == dict(d.reload().stale)


def test_a_receipt_tells_of_an_open_attempt_that_runs_again() -> None:
    d = open_attempt()
    d.feed(SetAttribute(who="op", layer="operator", scope="n1", name="x", value=5))
    assert "1 role runs again" in d.one(Accept).message


def test_a_diff_tells_of_an_open_attempt_that_runs_again() -> None:
    d = open_attempt()
    wanted = d.world.plan
    assert wanted is not None
    found = diff(d.world, replace(wanted, attributes={**wanted.attributes, "y": 7}))
    assert ("reader", "again") in {(one.role, one.what) for one in found.roles}
