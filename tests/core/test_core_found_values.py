"""Attributes that are taken from what discovery reported (`from`): the layer `discovery`."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig, tables

from engine.core.roles.attributes import effective, inputs_hash
from engine.core.world.load import load_world
from engine.definitions import AttributeDef
from engine.effects import Ignore
from engine.events import Outcome, Started
from engine.model import State, Value
from engine.views.explain import explain_attribute

SIZE = AttributeDef(name="first-disk", path="first-disk", schema={"type": "integer"}, source="disks", pointer="/0/size")


def rig() -> WorldRig:
    some = catalog(
        role("inventory", "discovery", flags=["discovery"], gives=("disks",)),
        role("reader", "system", wants=["first-disk"]),
    )
    known = some.attributes | {"first-disk": SIZE}
    d = WorldRig(replace(some, attributes=known), plan({"reader": ("all",)}))
    d.server("n1", allocated=True)
    d.role("inventory", state=State.TRANSITION, attempt="i5-9", leg=1, action="run", try_hash="")
    d.role("reader")
    return d


def reports(d: WorldRig, disks: Any) -> None:
    d.change(role="inventory", state=State.TRANSITION, attempt="i5-9", leg=1, action="run", try_hash="")
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done", gives={"disks": disks}))


def layer(d: WorldRig) -> Any:
    return next(one for one in explain_attribute(d.world, d.at("reader"), "first-disk").layers if one.layer == "discovery")


def test_a_place_of_what_a_node_reports_is_a_value_of_it() -> None:
    d = rig()
    assert layer(d).how == "role inventory has not reported disks of this node, where it is taken from disks#/0/size"
    reports(d, [{"size": 480}])
    assert effective(d.world, d.at("reader"), "first-disk") == 480
    assert (layer(d).by, layer(d).value) == ("inventory", 480)
    d.put(Value(layer="hint", scope="n1", name="first-disk", value=5, who="op"))
    assert effective(d.world, d.at("reader"), "first-disk") == 5, "discovery is the weakest but the default"


def test_another_report_changes_it_and_makes_its_readers_stale() -> None:
    d = rig()
    reports(d, [{"size": 480}])
    d.change(role="reader", state=State.ACTIVE, succeeded=True, ran_hash=inputs_hash(d.world, d.at("reader")))
    reports(d, [{"size": 480, "model": "new"}])
    assert not d.world.stale
    reports(d, [{"size": 960}])
    assert dict(d.world.stale) == {("n1", "reader"): True} == dict(d.reload().stale)


@pytest.mark.parametrize(
    ("disks", "why"),
    [
        ([], "what role inventory reported has nothing at disks#/0/size"),
        ("nonsense", "what role inventory reported has nothing at disks#/0/size"),
        ([{"size": "big"}], "attribute first-disk must be a whole number, not 'big'"),
        ([{"size": {"$secret": "bmc-password"}}], "attribute first-disk must be a whole number, not {'$secret': 'bmc-password'}"),
    ],
)
def test_a_machine_is_not_believed(disks: Any, why: str) -> None:
    d = rig()
    reports(d, [{"size": 480}])
    reports(d, disks)
    assert effective(d.world, d.at("reader"), "first-disk") is None
    assert layer(d).how == why
    if why.startswith("attribute"):
        assert d.one(Ignore).reason.code == "bad_value"


def test_a_start_takes_what_a_new_barclamp_asks_for_from_old_reports() -> None:
    d = rig()
    reports(d, [{"size": 480, "name": "sda"}])
    name = AttributeDef(name="first-name", path="first-name", source="disks", pointer="/0/name")
    newer = replace(d.world.base, attributes=d.world.base.attributes | {"first-name": name})
    d.world = load_world(newer, tables(d.world))
    d.feed(Started(installation="i5", admin="admin.example.net"))
    assert d.world.attributes[("discovery", "n1", "first-name")].value == "sda"
