"""Attributes that an operator sets: typed by their schemas, refused with a reason, and answered with their consequences."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig, tables

from engine.core.roles.attributes import effective, inputs_hash
from engine.core.roles.typed import kind
from engine.definitions import AttributeDef, ImageDef
from engine.effects import Accept, Refuse
from engine.events import SetAttribute
from engine.model import State
from engine.reasons import sentence
from engine.requests import Asker, Request

SCHEMAS: dict[str, dict[str, Any]] = {
    "level": {"enum": ["jbod", "raid1"]},
    "size": {"type": "integer", "minimum": 1, "maximum": 9},
    "layout": {"type": "object", "required": ["root"], "properties": {"root": {"type": "string"}}, "additionalProperties": False},
    "label": {"type": "string", "pattern": "^[a-z]+$"},
    "anything": {},
}


def rig() -> WorldRig:
    some = catalog(
        role("serve", "system", wants=["level", "size"]),
        role("wipe", "hardware", flags=["destructive"], wants=["layout"]),
        role("idle", "system", wants=["label"]),
        defaults={"level": "jbod"},
    )
    attributes = {
        name: AttributeDef(name=name, path=name, schema=schema, default={"level": "jbod"}.get(name)) for name, schema in SCHEMAS.items()
    }
    attributes["password"] = AttributeDef(name="password", path="password", secret=True)
    d = WorldRig(replace(some, attributes=some.attributes | attributes), plan({}))
    d.server("n1", stage="system", runs="debian-12", allocated=True)
    for name in ("serve", "wipe"):
        d.role(name, state=State.ACTIVE, succeeded=True)
        d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
        d.put(d.at(name))
    return d


def says(d: WorldRig, name: str, value: Any = None, scope: str = "n1", layer: Any = "operator", clear: bool = False) -> Any:
    d.feed(SetAttribute(request=Request(Asker.OPERATOR, 3), who="op", layer=layer, scope=scope, name=name, value=value, clear=clear))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("level", "raid7", "attribute level must be one of jbod, raid1, not 'raid7'"),
        ("size", "3", "attribute size must be a whole number, not '3'"),
        ("size", 0, "attribute size must be at least 1, not 0"),
        ("size", 10, "attribute size must be at most 9, not 10"),
        ("layout", {"root": 5}, "attribute layout.root must be text, not 5"),
        ("layout", {}, "attribute layout must be a map with root, not {}"),
        ("layout", {"root": "sda", "boot": 1}, "attribute layout must be a map of root"),
        ("label", "Ä", "attribute label must be text like ^[a-z]+$, not 'Ä'"),
        ("password", "geheim", "attribute password holds a secret, which is never given in the open"),
        ("lvel", "jbod", "there is no attribute lvel"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason_and_changes_nothing(name: str, value: Any, said: str) -> None:
    d = rig()
    before = tables(d.world)
    answer = says(d, name, value)
    assert isinstance(answer, Refuse)
    assert sentence(answer.reason).startswith(said)
    assert "geheim" not in sentence(answer.reason)
    assert tables(d.world) == before


def test_what_fits_is_set_and_says_what_runs_again() -> None:
    d = rig()
    answer = says(d, "level", "raid1")
    assert answer.message == f"level of {d.world.nodes['n1'].name} is set; 1 role runs again"
    assert effective(d.world, d.at("serve"), "level") == "raid1"
    answer = says(d, "level", clear=True)
    assert "is no longer set" in answer.message
    assert effective(d.world, d.at("serve"), "level") == "jbod"


def test_what_destroys_is_only_told_to_differ() -> None:
    d = rig()
    assert "wipe is done and differs; only a redeploy changes it" in says(d, "layout", {"root": "sda"}).message
    assert d.at("wipe").state is State.ACTIVE


def test_what_nobody_reads_is_told() -> None:
    assert "no role of the rack reads it yet" in says(rig(), "label", "abc").message


def test_of_one_role_and_of_a_deployment() -> None:
    d = rig()
    assert "level of serve on " in says(d, "level", "raid1", scope="n1/serve").message
    assert "level of system is set" in says(d, "level", "raid1", scope="system", layer="deployment").message


def test_a_value_that_is_not_set_cannot_be_taken_back() -> None:
    assert isinstance(says(rig(), "level", clear=True), Refuse)


@pytest.mark.parametrize(
    ("name", "said"),
    [("level", "one of jbod, raid1"), ("size", "a whole number, at least 1, at most 9"), ("layout", "a map"), ("anything", "anything")],
)
def test_its_kind_in_words(name: str, said: str) -> None:
    assert kind(AttributeDef(name=name, path=name, schema=SCHEMAS[name])) == said


@pytest.mark.parametrize("layer", ["operator", "hint", "deployment"])
def test_a_system_without_an_image_is_refused_in_each_layer_with_the_nearest(layer: str) -> None:
    d = rig()
    images = {name: ImageDef(name=name, kind="system") for name in ("debian-12", "ubuntu-24")}
    known = d.world.base.attributes | {"target-os": AttributeDef(name="target-os", path="target-os", schema={"type": "string"})}
    d = WorldRig(replace(d.world.base, images=images, attributes=known), plan({}))
    d.server("n1")
    scope = "system" if layer == "deployment" else "n1"
    before = tables(d.world)
    answer = says(d, "target-os", "debian-99", scope, layer)
    assert isinstance(answer, Refuse)
    assert sentence(answer.reason) == "there is no image debian-99"
    assert answer.reason.fields["nearest"] == "debian-12"
    assert tables(d.world) == before
    assert isinstance(says(d, "target-os", "ubuntu-24", scope, layer), Accept)
