"""The layers of an attribute, for random stacks of values: the highest one wins, and a change makes exactly its readers stale.

The oracle knows the order of the layers as a list, and nothing of how the core looks for values.
"""

from __future__ import annotations

from typing import Any

from catalogs import catalog, plan, role
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.roles.attributes import LAYERS, effective, every_layer, inputs_hash
from engine.core.world.work import Work
from engine.definitions import Want
from engine.model import Key, State, Value
from engine.plan import DeploymentDef

READERS = (("n1", "reader", "leaf"), ("n1", "other", "cloud"), ("n2", "reader", "cloud"), ("n2", "place", "leaf"))
ABOVE = {"leaf": ("system", "cloud", "leaf"), "cloud": ("system", "cloud")}
GIVERS = ("n1", "n2")
"""Both nodes have the role that gives the attribute, and each of their readers has both as its parents."""
Place = tuple[str, str]


def order(node: str, name: str, deployment: str) -> list[Place]:
    """All places that count for a node role, weakest first. A node is the scope of a giver."""
    far, near = sorted(GIVERS, key=lambda one: one == node)
    return [
        ("default", ""),
        ("discovery", node),
        ("hint", node),
        ("parent", far),
        ("parent", near),
        *((layer, scope) for scope in ABOVE[deployment] for layer in ("deployment", "setting")),
        ("wish", node),
        ("rule", node),
        ("rule", f"{node}/{name}"),
        ("role", f"{node}/{name}"),
        ("operator", node),
        ("operator", f"{node}/{name}"),
    ]


PLACES = sorted({place for one in READERS for place in order(*one)} - {("default", "")})


def rig() -> WorldRig:
    place = replace(role("place", "system"), wants=(Want(name="x", pointer="/part"),))
    some = catalog(
        role("giver", "system", gives=("x",)),
        role("reader", "system", wants=["x", "hostname"]),
        role("other", "system", wants=["x"]),
        place,
        defaults={"x": {"part": 0}},
    )
    d = WorldRig(some, plan({}, deployments={"cloud": DeploymentDef(name="cloud"), "leaf": DeploymentDef(name="leaf", parent="cloud")}))
    for node in GIVERS:
        d.server(node, stage="system", runs="debian-12", allocated=True)
        d.role("giver", node, state=State.ACTIVE, succeeded=True)
    for node, name, deployment in READERS:
        d.role(name, node, deployment=deployment, state=State.ACTIVE, succeeded=True, parents=tuple((n, "giver") for n in GIVERS))
    return d


def put(d: WorldRig, place: Place, value: Any) -> None:
    """Sets the value at a place, or takes it away (None)."""
    layer, scope = place
    work = Work(d.world)
    if layer == "parent":
        giver = work.node_roles[(scope, "giver")]
        work.put_role(replace(giver, gave={} if value is None else {"x": value}))
    elif value is None:
        work.drop("attributes", (layer, scope, "x"))
    else:
        work.put_value(Value(layer=layer, scope=scope, name="x", value=value, who="t"))
    d.world = work.finish(keep_touched=False)


def settle(d: WorldRig) -> dict[Key, str]:
    """Every reader succeeded with what it reads now."""
    for node, name, _ in READERS:
        d.change(node, name, ran_hash=inputs_hash(d.world, d.at(name, node)))
    assert not d.world.stale
    return {key: inputs_hash(d.world, d.world.node_roles[key]) for key in ((node, name) for node, name, _ in READERS)}


VALUES = st.none() | st.fixed_dictionaries({"part": st.integers(0, 2), "rest": st.integers(0, 2)})
CHANGES = st.lists(st.tuples(st.sampled_from(PLACES), VALUES), max_size=14)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(CHANGES, CHANGES)
def test_the_highest_layer_wins_and_exactly_the_readers_of_a_change_are_stale(before: Any, after: Any) -> None:
    d = rig()
    there: dict[Place, Any] = {("default", ""): {"part": 0}}
    for place, value in before:
        put(d, place, value)
        there[place] = value
    hashes = settle(d)
    for place, value in after:
        put(d, place, value)
        there[place] = value
        stale = set()
        for node, name, deployment in READERS:
            record = d.at(name, node)
            set_ = [one for one in order(node, name, deployment) if there.get(one) is not None]
            assert effective(d.world, record, "x") == there[set_[-1]]
            told = [((layer, scope), one[2]) for (layer, scope), one in every_layer(d.world, record, "x") if one is not None]
            assert [found for _, found in told] == [there[one] for one in set_]
            assert [where[0] for where, _ in told] == [layer for layer, _ in set_]
            if inputs_hash(d.world, record) != hashes[(node, name)]:
                stale.add((node, name))
        assert set(d.world.stale) == stale == set(d.reload().stale)


def test_a_change_at_each_place_reaches_those_for_whom_it_counts_and_nobody_else() -> None:
    for place in PLACES:
        d = rig()
        settle(d)
        put(d, place, {"part": 7})
        mine = {(node, name) for node, name, deployment in READERS if place in order(node, name, deployment)}
        assert set(d.world.stale) == mine, place
        put(d, place, {"part": 0, "beside": 1})
        assert set(d.world.stale) == mine - {("n2", "place")}, f"{place}: the reader of one place reads nothing new"
        put(d, place, None)
        assert not d.world.stale, place


def test_the_places_are_all_layers_but_the_engine_s() -> None:
    assert {layer for layer, _ in PLACES} == set(LAYERS) - {"engine", "default"}


def test_what_the_engine_computes_makes_its_readers_stale_and_no_others() -> None:
    d = rig()
    settle(d)
    d.put(replace(d.node("n1"), name="other.r1.example.net"))
    assert set(d.world.stale) == {("n1", "reader")} == set(d.reload().stale)
