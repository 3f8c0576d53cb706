"""JSON pointers (RFC 6901): the places in a value, one place set by an operator, and a role that reads one place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from catalogs import catalog, plan, role
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig, tables

from engine.core.roles import pointer
from engine.core.roles.attributes import document, effective, inputs_hash
from engine.core.roles.pointer import PointerError
from engine.definitions import AttributeDef, Want
from engine.effects import Accept, Refuse
from engine.events import SetAttribute
from engine.model import State, Value
from engine.plan import DeploymentDef
from engine.reasons import sentence
from engine.requests import Asker, Request
from engine.views.explain import explain_attribute

# -- the pointers themselves ---------------------------------------------------------------------------------------

RFC = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}
"""The example of RFC 6901, section 5."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", RFC),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/foo/2", None),
        ("/foo/-", None),
        ("/foo/00", None),
        ("/foo/-1", None),
        ("/foo/0/x", None),
        ("/nothing/there", None),
    ],
)
def test_what_stands_at_a_place(text: str, found: Any) -> None:
    assert pointer.at(RFC, text) == found


@pytest.mark.parametrize("text", ["foo", "~1", "/a~", "/a~2", "/" * 33, "/" + "x" * 1024])
def test_what_is_no_pointer(text: str) -> None:
    with pytest.raises(PointerError):
        pointer.at(RFC, text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~0", max_size=2), inner, max_size=3),
    max_leaves=12,
)


def places(value: Any, path: str = "") -> list[str]:
    """Every place of the value, but the whole."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        here = f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"
        found += [here, *places(inner, here)]
    return found


@given(VALUES, VALUES, st.data())
def test_a_place_that_is_set_holds_the_new_value_and_nothing_else_changes(value: Any, new: Any, data: st.DataObject) -> None:
    there = places(value)
    if not there:
        return
    before, place = json.dumps(value), data.draw(st.sampled_from(there))
    out = pointer.put(value, place, new)
    assert pointer.at(out, place) == new
    assert json.dumps(value) == before, "the old value was changed in place"
    assert pointer.put(out, place, pointer.at(value, place)) == value
    for other in there:
        if not f"{place}/".startswith(f"{other}/") and not f"{other}/".startswith(f"{place}/"):
            assert pointer.at(out, other) == pointer.at(value, other)
    left = pointer.without(value, place)
    assert len(json.dumps(left)) < len(before)


def test_a_list_grows_at_its_end_only() -> None:
    assert pointer.put({"a": [1]}, "/a/-", 2) == pointer.put({"a": [1]}, "/a/1", 2) == {"a": [1, 2]}
    assert pointer.put(None, "/a/b", 1) == {"a": {"b": 1}}
    for text in ("/a/2", "/a/x", "/a/01"):
        with pytest.raises(PointerError, match="a list of 1 items"):
            pointer.put({"a": [1]}, text, 2)
    with pytest.raises(PointerError, match="neither a map nor a list"):
        pointer.put({"a": 1}, "/a/b", 2)


# -- an operator sets one place -----------------------------------------------------------------------------------

LAYOUT = {
    "type": "object",
    "properties": {
        "level": {"enum": ["jbod", "raid1"]},
        "volumes": {"type": "array", "items": {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}}},
    },
    "additionalProperties": False,
}


def rig() -> WorldRig:
    place = replace(role("place", "system"), wants=(Want(name="layout", pointer="/volumes/0/size", at="size"),))
    some = catalog(role("whole", "system", wants=["layout"]), place, role("other", "system", wants=["layout"], gives=("g",)))
    attributes = {
        "layout": AttributeDef(name="layout", path="layout", schema=LAYOUT, default={"level": "jbod", "volumes": [{"size": 1}]}),
        "key": AttributeDef(name="key", path="key", schema={"type": "string"}, secret=True),
    }
    d = WorldRig(replace(some, attributes=some.attributes | attributes), plan({}, deployments={"cloud": DeploymentDef(name="cloud")}))
    d.server("n1", stage="system", runs="debian-12", allocated=True)
    for name in ("whole", "place"):
        d.role(name, state=State.ACTIVE, succeeded=True)
        d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
        d.put(d.at(name))
    return d


def says(d: WorldRig, place: str, value: Any = None, scope: str = "n1", layer: Any = "operator", name: str = "layout") -> Any:
    clear = value is None
    request = Request(Asker.OPERATOR, 3)
    d.feed(SetAttribute(request=request, who="op", layer=layer, scope=scope, name=name, value=value, pointer=place, clear=clear))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer.message if isinstance(answer, Accept) else sentence(answer.reason)


def test_a_place_is_set_in_a_copy_of_what_counts_and_the_receipt_says_so() -> None:
    d = rig()
    assert "the rest of the value is copied from default, and later changes there do not reach it" in says(d, "/level", "raid1")
    assert effective(d.world, d.at("whole"), "layout") == {"level": "raid1", "volumes": [{"size": 1}]}
    assert "copied" not in says(d, "/volumes/-", {"size": 7}), "the layer has a value of its own now"
    assert effective(d.world, d.at("whole"), "layout") == {"level": "raid1", "volumes": [{"size": 1}, {"size": 7}]}
    assert "the rest of the value stays" in says(d, "/volumes/0")
    assert effective(d.world, d.at("whole"), "layout") == {"level": "raid1", "volumes": [{"size": 7}]}
    assert says(d, "").startswith("layout of ")
    assert effective(d.world, d.at("whole"), "layout") == {"level": "jbod", "volumes": [{"size": 1}]}


def test_a_place_of_a_deployment_is_set_in_what_its_parents_and_the_plan_say() -> None:
    d = rig()
    d.put(Value(layer="deployment", scope="cloud", name="layout", value={"level": "raid1"}, who="plan"))
    d.put(Value(layer="operator", scope="n1", name="layout", value={"level": "jbod"}, who="op"))
    assert "copied from deployment cloud" in says(d, "/volumes", [], "cloud", "deployment")
    (found,) = [v for v in d.world.attributes.values() if v.layer == "setting"]
    assert found.value == {"level": "raid1", "volumes": []}


def test_two_operators_who_change_two_places_lose_nothing() -> None:
    d = rig()
    says(d, "/level", "raid1")
    says(d, "/volumes/0/size", 5)
    assert effective(d.world, d.at("whole"), "layout") == {"level": "raid1", "volumes": [{"size": 5}]}


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("/level", "raid7", "attribute layout#/level must be one of jbod, raid1, not 'raid7'"),
        ("/volumes/0/size", "x", "attribute layout#/volumes/0/size must be a whole number, not 'x'"),
        ("/volumes/0/size", None, "there is no value set for layout"),
        ("/volumes/5/size", 1, "attribute layout has no place /volumes/5/size: /volumes is a list of 1 items, and has no item 5"),
        ("/level/x", 1, "attribute layout has no place /level/x: /level is neither a map nor a list"),
        ("level", "jbod", "attribute layout has no place level: a pointer begins with /"),
        ("/lvel", "jbod", "attribute layout must be a map of level, volumes"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_and_changes_nothing(place: str, value: Any, said: str) -> None:
    d = rig()
    before = tables(d.world)
    assert says(d, place, value).startswith(said)
    assert tables(d.world) == before


def test_a_place_that_a_schema_needs_is_not_taken_away() -> None:
    d = rig()
    says(d, "/volumes/0/size", 2)
    assert says(d, "/volumes/0/size").startswith("attribute layout#/volumes/0 must be a map with size")


def test_a_secret_has_no_places() -> None:
    assert says(rig(), "/a", "x", name="key").startswith("attribute key has no place /a: a secret is one text")


def test_roles_that_see_different_values_are_told_apart() -> None:
    d = rig()
    d.put(Value(layer="role", scope="n1/whole", name="layout", value={"level": "raid1"}, who="op"))
    assert "see different values of layout (place, whole)" in says(d, "/level", "jbod")
    assert "copied from role op" in says(d, "/level", "jbod", "n1/whole")


def test_a_value_cannot_grow_without_end() -> None:
    d = rig()
    d.put(Value(layer="operator", scope="n1", name="layout", value={"volumes": [{"size": 1}] * 30_000}, who="op"))
    assert "the whole value would have more than" in says(d, "/volumes/-", {"size": 1})


# -- a role that reads one place ----------------------------------------------------------------------------------


def test_only_a_change_of_its_place_makes_a_reader_of_one_place_stale() -> None:
    d = rig()
    says(d, "/level", "raid1")
    assert dict(d.world.stale) == {("n1", "whole"): True} == dict(d.reload().stale)
    says(d, "/volumes/0/size", 2)
    assert dict(d.world.stale) == {("n1", "place"): True, ("n1", "whole"): True} == dict(d.reload().stale)
    assert document(d.world, d.at("place"), {}) == {"size": 2}


def test_a_reader_of_the_whole_hashes_as_before_there_were_pointers() -> None:
    """Otherwise an upgrade would run every role of a rack again."""
    assert inputs_hash(rig().world, rig().at("whole")) == "a13f3f7d42508c34"


def test_each_layer_is_explained_at_its_place() -> None:
    d = rig()
    says(d, "/volumes/0/size", 9)
    told = explain_attribute(d.world, d.at("place"), "layout", "/volumes/0/size")
    assert [(one.layer, one.value) for one in told.layers if one.set] == [("default", 1), ("operator", 9)]
    assert (told.value, told.reads) == (9, True)
    assert explain_attribute(d.world, d.at("place"), "layout", "/level").reads is False
    assert explain_attribute(d.world, d.at("whole"), "layout", "/level").reads is True
    assert "crowbar set n1 'layout#/level' VALUE" in explain_attribute(d.world, d.at("whole"), "layout", "/level").ways
