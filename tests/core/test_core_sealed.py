"""Sealed secrets in the core: set by operators, given by roles, explained, saved and forgotten. The core sees names, never contents."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig, tables

from engine.core.plan.save import left_out, saved
from engine.core.roles import sealed
from engine.core.roles.attributes import document, effective, handles, inputs_hash
from engine.definitions import AttributeDef
from engine.effects import Accept, Refuse
from engine.events import Operate, Outcome, SetAttribute
from engine.model import State, Value
from engine.reasons import sentence
from engine.requests import Asker, Request
from engine.views.attribute_view import node_attributes
from engine.views.explain import explain_attribute

ONE, TWO = sealed.PREFIX + "1" * 32, sealed.PREFIX + "2" * 32


def rig() -> WorldRig:
    some = catalog(
        role("reader", "system", wants=["key", "knob"]),
        role("giver", "system", gives=("made",)),
        role("child", "system", wants=["made"]),
    )
    new = {
        "key": AttributeDef(name="key", path="key", schema={"type": "string"}, secret=True),
        "credential": AttributeDef(name="credential", path="credential", schema={"type": "string"}, secret=True),
        "made": replace(some.attributes["made"], secret=True),
    }
    d = WorldRig(replace(some, attributes=some.attributes | new), plan({}))
    d.server("n1", stage="system", runs="debian-12", allocated=True, serial="S1")
    d.role("reader", state=State.ACTIVE, succeeded=True)
    d.role("giver", state=State.ACTIVE, succeeded=True)
    d.role("child", state=State.ACTIVE, succeeded=True, parents=(("n1", "giver"),))
    for name in ("reader", "giver", "child"):
        d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
        d.put(d.at(name))
    return d


def says(d: WorldRig, name: str = "key", scope: str = "n1", layer: Any = "operator", **more: Any) -> str:
    d.feed(SetAttribute(request=Request(Asker.OPERATOR, 3), who="ada", layer=layer, scope=scope, name=name, **more))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer.message if isinstance(answer, Accept) else sentence(answer.reason)


def test_a_secret_that_the_engine_makes_counts_until_somebody_says_another() -> None:
    d = rig()
    made = AttributeDef(name="key", path="key", schema={"type": "string"}, secret=True, generate=True, default=sealed.generated("key"))
    d = WorldRig(replace(d.world.catalog, attributes=d.world.catalog.attributes | {"key": made}), plan({}))
    d.server("n1", stage="system", runs="debian-12", allocated=True, serial="S1")
    d.role("reader", state=State.ACTIVE, succeeded=True)
    assert handles(d.world, d.at("reader")) == {"key": {"$secret": "made/key"}}
    (row,) = [one for one in node_attributes(d.world, d.world.nodes["n1"]) if one.name == "key"]
    assert (row.value, row.secret) == (None, True), "no screen shows the handle"
    says(d, sealed=ONE)
    assert handles(d.world, d.at("reader")) == {"key": {"$secret": ONE}}
    says(d, clear=True)
    assert handles(d.world, d.at("reader")) == {"key": {"$secret": "made/key"}}
    assert set(sealed.in_use(d.world)) == set()


@pytest.mark.parametrize("name", ["made/other", "bmc-account", "credential", "made/reader"])
def test_no_value_of_a_plan_opens_a_secret_that_was_made_for_another(name: str) -> None:
    d = rig()
    made = AttributeDef(name="key", path="key", schema={"type": "string"}, secret=True, generate=True, default=sealed.generated("key"))
    d = WorldRig(replace(d.world.catalog, attributes=d.world.catalog.attributes | {"key": made}), plan({}))
    d.server("n1", stage="system", runs="debian-12", allocated=True, serial="S1")
    d.role("reader", state=State.ACTIVE, succeeded=True)
    d.put(Value(layer="deployment", scope="system", name="key", value={"$secret": name}, who="plan"))
    assert handles(d.world, d.at("reader")) == {}


@pytest.mark.parametrize(
    ("scope", "layer"), [("n1", "operator"), ("n1/reader", "operator"), ("n1/reader", "role"), ("n1", "hint"), ("system", "deployment")]
)
def test_a_secret_is_a_name_in_each_layer_and_another_one_makes_its_readers_stale(scope: str, layer: str) -> None:
    d = rig()
    assert "1 role runs again" in says(d, scope=scope, layer=layer, sealed=ONE)
    assert handles(d.world, d.at("reader")) == {"key": {"$secret": ONE}}
    d.change(role="reader", state=State.ACTIVE, ran_hash=inputs_hash(d.world, d.at("reader")))
    d.put(d.at("reader"))
    says(d, scope=scope, layer=layer, sealed=ONE)
    assert not d.world.stale, "the same secret again"
    says(d, scope=scope, layer=layer, sealed=TWO)
    assert dict(d.world.stale) == {("n1", "reader"): True} == dict(d.reload().stale)
    assert set(sealed.in_use(d.world)) == {TWO}
    says(d, scope=scope, layer=layer, clear=True)
    assert set(sealed.in_use(d.world)) == set()
    assert effective(d.world, d.at("reader"), "key") is None


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("key", {"value": "geheim"}, "attribute key holds a secret, which is never given in the open"),
        ("key", {"value": {"$secret": ONE}}, "attribute key holds a secret, which is never given in the open"),
        ("knob", {"sealed": ONE}, "attribute knob holds no secret"),
        ("knob", {"value": {"$secret": "bmc-password"}}, "attribute knob must be a value, not a reference to what the engine keeps"),
        ("credential", {"sealed": ONE}, "the engine makes the secret credential itself"),
    ],
)
def test_what_is_refused_is_not_shown_and_changes_nothing(name: str, more: dict[str, Any], said: str) -> None:
    d = rig()
    before = tables(d.world)
    told = says(d, name, **more)
    assert told.startswith(said)
    assert "geheim" not in told
    assert "bmc-password" not in told
    assert tables(d.world) == before


def gives(d: WorldRig, value: Any) -> None:
    d.change(role="giver", state=State.TRANSITION, attempt="i5-9", leg=1, action="run", begun=d.now, try_hash="")
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done", gives={"made": value}))


def test_what_a_role_gives_is_a_name_too() -> None:
    d = rig()
    gives(d, {"$secret": ONE})
    assert d.at("giver").state is State.ACTIVE
    assert handles(d.world, d.at("child")) == {"made": {"$secret": ONE}}
    assert ("n1", "child") in d.world.stale
    assert set(sealed.in_use(d.world)) == {ONE}


@pytest.mark.parametrize("value", ["in the open", {"$secret": "bmc-password"}, 777000777, {"$secret": [ONE]}])
def test_a_secret_that_was_not_sealed_never_reaches_a_record(value: Any) -> None:
    d = rig()
    gives(d, value)
    assert d.at("giver").failure is not None
    assert d.at("giver").gave == {}
    assert str(value) not in str(tables(d.world))


def test_a_machine_cannot_name_what_the_engine_keeps() -> None:
    """An ordinary attribute with the shape of a handle is a value: nothing is opened."""
    some = catalog(role("giver", "system", gives=("x",)), role("child", "system", wants=["x"]))
    d = WorldRig(some, plan({}))
    d.server("n1", stage="system", runs="debian-12", allocated=True)
    d.role("giver", state=State.ACTIVE, gave={"x": {"$secret": "bmc-password"}})
    d.role("child", parents=(("n1", "giver"),))
    assert handles(d.world, d.at("child")) == {}
    assert document(d.world, d.at("child"), {}) == {"x": {"$secret": "bmc-password"}}


@pytest.mark.parametrize("layer", ["operator", "rule", "hint"])
def test_a_person_s_value_in_place_of_a_computed_one_opens_nothing(layer: str) -> None:
    """`image` has a handle of its own. Another handle in its place is a value, whatever layer it is in."""
    some = catalog(role("install", "system", wants=["image", "install-method"]), defaults={"install-method": "installer"})
    d = WorldRig(some, plan({}))
    d.server("n1", stage="system", runs="debian-12", allocated=True)
    d.role("install")
    for name in ("bmc-password", ONE):
        d.put(Value(layer=layer, scope="n1", name="image", value={"$secret": name}, who="op"))
        assert effective(d.world, d.at("install"), "image") == {"$secret": name}
        assert handles(d.world, d.at("install")) == {}
    if layer == "operator":
        d.put(Value(layer=layer, scope="n1", name="image", value={}, who="op"))
        told = says(d, "image", value="bmc-password", pointer="/$secret")
        assert told == "attribute image must be a value, not a reference to what the engine keeps"


def test_it_is_explained_with_who_when_and_fingerprint() -> None:
    d = rig()
    says(d, sealed=ONE)
    (row,) = [one for one in explain_attribute(d.world, d.at("reader"), "key").layers if one.set]
    assert (row.layer, row.by, row.fingerprint, row.wins) == ("operator", "ada", "1" * 8, True)
    assert row.at == d.world.attributes[("operator", "n1", "key")].at > 0
    (shown,) = [one for one in node_attributes(d.world, d.node()) if one.name == "key"]
    assert (shown.value, shown.own, shown.secret) == (None, True, True)


def test_a_saved_plan_names_the_secrets_that_it_cannot_hold() -> None:
    d = rig()
    says(d, sealed=ONE)
    says(d, scope="n1/reader", sealed=TWO)
    says(d, scope="system", layer="deployment", sealed=TWO)
    assert left_out(d.world) == [
        "secrets of deployment system, whose sources a plan names under `secrets`: key",
        "secrets of n1.r1.example.net, whose sources a plan names under `secrets`: key, reader/key",
    ]
    assert sealed.PREFIX not in str(saved(d.world))


def test_a_deleted_node_leaves_no_name() -> None:
    d = rig()
    says(d, sealed=ONE)
    d.feed(Operate(who="op", verb="delete", node="n1"))
    assert set(sealed.in_use(d.world)) == set()
