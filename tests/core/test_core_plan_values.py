"""An operator's value stands above the plan's and never replaces it: for deployments, nodes and node roles."""

from __future__ import annotations

from typing import Any

from catalogs import catalog, plan, role
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.plan.diff import diff
from engine.core.plan.save import saved
from engine.core.roles.attributes import effective, layers, of_node
from engine.core.world.load import load_world
from engine.definitions import Json
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate, SetAttribute, Started
from engine.model import Value
from engine.plan import DeploymentDef, Plan, RoleSettings, Rule
from engine.reasons import sentence
from engine.requests import Asker, Request
from engine.views.attribute_view import deployment_attributes

CATALOG = catalog(role("serve", "system", wants=["knob", "other"]), defaults={"knob": "default"})
STARTED = Started(installation="x", admin="a")


def planned(system: Json = None, cloud: Json = None, rule: Json = None, of_role: Json = None) -> Plan:
    """A plan that gives `knob` for the root, the leaf, the nodes and their role serve; None: not there."""

    def given_as(value: Json) -> dict[str, Json]:
        return {} if value is None else {"knob": value}

    return plan(
        {},
        attributes=given_as(system),
        deployments={"cloud": DeploymentDef(name="cloud", parent="system", attributes=given_as(cloud), roles={"serve": ("all",)})},
        rules=(Rule(name="node-{number}", attributes=given_as(rule), roles={"serve": RoleSettings(attributes=given_as(of_role))}),),
    )


def rig(wanted: Plan) -> WorldRig:
    d = WorldRig(CATALOG, wanted)
    d.server("n1", stage="system", runs="debian-12")
    d.feed(Operate(who="op", verb="allocate", node="n1"))
    assert d.node().allocated
    return d


def says(d: WorldRig, scope: str, value: Json = None, name: str = "knob", layer: Any = "deployment") -> Accept | Refuse:
    d.feed(
        SetAttribute(request=Request(Asker.OPERATOR, 7), who="op", layer=layer, scope=scope, name=name, value=value, clear=value is None)
    )
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


def knob(d: WorldRig) -> Json:
    return effective(d.world, d.at("serve"), "knob")


def test_taking_an_operators_value_back_uncovers_the_plans() -> None:
    d = rig(planned(cloud="plan"))
    assert isinstance(says(d, "cloud", "mine"), Accept)
    assert knob(d) == "mine"
    assert isinstance(says(d, "cloud"), Accept)
    assert knob(d) == "plan"


def test_the_plans_value_cannot_be_taken_back_by_an_operator() -> None:
    d = rig(planned(cloud="plan", rule="ruled"))
    answer = says(d, "cloud")
    assert isinstance(answer, Refuse)
    assert sentence(answer.reason) == "the plan sets knob of cloud; no operator set it"
    answer = says(d, "n1", layer="operator")
    assert isinstance(answer, Refuse)
    assert answer.reason.code == "set_by_plan"
    says(d, "n1", "mine", layer="operator")
    says(d, "n1", layer="operator")
    assert knob(d) == "ruled"


def test_a_commit_leaves_the_operators_value_above_the_new_plans() -> None:
    d = rig(planned(cloud="plan"))
    says(d, "cloud", "mine")
    d.feed(Commit(who="op", plan=planned(cloud="newer")))
    assert knob(d) == "mine"
    says(d, "cloud")
    assert knob(d) == "newer"


def test_another_order_of_deployments_is_another_plan() -> None:
    """Where two deployments place a role on one node, the first has it. So a restart must find the order of the last commit."""
    one, two = (DeploymentDef(name=name, roles={"serve": ("all",)}) for name in ("cloud", "other"))
    d = rig(plan({}, deployments={"cloud": one, "other": two}))
    turned = plan({}, deployments={"other": two, "cloud": one})
    shown = diff(d.world, turned)
    assert (shown.same, shown.revision, shown.plan) == (False, 2, ("deployments: in the order cloud, other -> other, cloud",))
    d.feed(Commit(who="op", plan=turned))
    assert (len(d.world.revisions), d.at("serve").deployment) == (2, "other")
    assert list(d.reload().plan.deployments) == ["other", "cloud"]


def test_each_layer_is_told_with_who_set_it() -> None:
    d = rig(planned(system="root", cloud="plan"))
    says(d, "system", "mine")
    says(d, "cloud", "mine too")
    assert list(layers(d.world, d.at("serve"), "knob")) == [
        ("default", "", "default"),
        ("deployment", "system", "root"),
        ("setting", "op for system", "mine"),
        ("deployment", "cloud", "plan"),
        ("setting", "op for cloud", "mine too"),
    ]
    assert of_node(d.world, d.node(), "knob") == "mine"
    row = next(r for r in deployment_attributes(d.world, "cloud") if r.name == "knob")
    assert (row.value, row.layer, row.by, row.own) == ("mine too", "setting", "op", True)
    says(d, "cloud")
    row = next(r for r in deployment_attributes(d.world, "cloud") if r.name == "knob")
    assert (row.value, row.layer, row.by, row.own) == ("plan", "deployment", "plan", False)


def test_a_saved_plan_takes_the_operators_value_up_and_a_diff_tells_of_it() -> None:
    d = rig(planned(system="root", cloud="plan"))
    says(d, "cloud", "mine")
    found = diff(d.world, planned(system="root", cloud="plan"))
    assert found.same
    assert found.above == ("cloud knob: op set mine, which stays above the plan's plan",)
    found = diff(d.world, planned(system="root", cloud="newer"))
    assert not [r for r in found.roles if r.what == "again"]  # what stands above covers the change
    kept = saved(d.world)
    assert kept is not None
    assert (kept.attributes, kept.deployments["cloud"].attributes) == ({"knob": "root"}, {"knob": "mine"})
    d.feed(Commit(who="op", plan=kept))
    assert diff(d.world, kept).above == ()
    assert knob(d) == "mine"


def test_a_deployment_that_is_called_like_a_node_keeps_its_values_when_the_node_goes() -> None:
    wanted = planned(system="root")
    wanted = replace(wanted, deployments={**wanted.deployments, "n1": DeploymentDef(name="n1", attributes={"knob": "its own"})})
    d = rig(wanted)
    says(d, "n1", "mine")
    assert d.world.attributes[("setting", "n1", "knob")].value == "mine"
    d.feed(Operate(who="op", verb="delete", node="n1"))
    assert "n1" not in d.world.nodes
    assert {key for key in d.world.attributes if key[1] == "n1"} == {("deployment", "n1", "knob"), ("setting", "n1", "knob")}


def test_an_old_store_keeps_what_counted_in_it_and_gets_the_plans_value_back() -> None:
    """Before, an operator's value lay where the plan's was, and clearing it left nothing."""
    d = rig(planned(system="root", cloud="plan"))
    d.put(Value(layer="deployment", scope="cloud", name="knob", value="mine", who="op"))
    d.put(Value(layer="deployment", scope="system", name="other", value=5, who="op"))
    d.world = d.reload()
    before = {name: effective(d.world, d.at("serve"), name) for name in ("knob", "other")}
    assert before == {"knob": "mine", "other": 5}
    d.feed(STARTED)
    assert {name: effective(d.world, d.at("serve"), name) for name in before} == before
    assert isinstance(says(d, "system", name="other"), Accept)
    assert isinstance(says(d, "cloud"), Accept)
    assert knob(d) == "plan"


def test_what_an_old_engine_deleted_of_the_plan_is_there_again_after_a_start_or_a_commit() -> None:
    for event in (STARTED, Commit(who="op", plan=planned(cloud="plan"))):
        d = rig(planned(cloud="plan"))
        gone = {t: dict(rows) for t, rows in _tables(d).items()}
        del gone["attributes"][("deployment", "cloud", "knob")]
        d.world = load_world(CATALOG, gone)
        assert knob(d) == "default"
        d.feed(event)
        assert knob(d) == "plan"


def _tables(d: WorldRig) -> dict[str, dict[Any, Any]]:
    from world_rig import tables

    return tables(d.world)


VALUES = st.sampled_from([None, "a", "b", "c"])
PLACES = {
    ("deployment", "system"): "system",
    ("deployment", "cloud"): "cloud",
    ("operator", "n1"): "n1",
    ("operator", "n1/serve"): "n1/serve",
    ("role", "n1/serve"): "role",
    ("hint", "n1"): "hint",
}
ORDER = ("hint", "plan system", "system", "plan cloud", "cloud", "rule", "rule role", "role", "n1", "n1/serve")
STEPS = st.lists(
    st.tuples(st.just("commit"), st.tuples(VALUES, VALUES), VALUES)
    | st.tuples(st.just("set"), st.sampled_from(sorted(PLACES)), VALUES)
    | st.tuples(st.just("start"), st.none(), st.none()),
    max_size=14,
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(STEPS)
def test_any_sequence_of_commits_sets_clears_and_restarts_gives_the_values_of_a_model(steps: list[tuple[str, Any, Any]]) -> None:
    """The model: each layer has a value of its own, and the last one that has one wins."""
    d = rig(planned(rule="ruled"))
    model: dict[str, Json] = {"rule": "ruled"}
    for what, one, two in steps:
        if what == "commit":
            d.feed(Commit(who="op", plan=planned(*one, "ruled", two)))
            model |= {"plan system": one[0], "plan cloud": one[1], "rule role": two}
        elif what == "start":
            d.world = d.reload()
            d.feed(STARTED)
        else:
            answer = says(d, one[1], two, layer=one[0])
            assert isinstance(answer, Refuse) == (two is None and model.get(PLACES[one]) is None)
            model[PLACES[one]] = two
        wins = [model[name] for name in ORDER if model.get(name) is not None]
        assert knob(d) == wins[-1]
