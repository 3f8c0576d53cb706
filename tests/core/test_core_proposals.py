"""Edits of single deployments: they wait and change nothing, a commit of some makes a revision, and nothing is undone unseen."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role, same
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig, tables

from engine.core.plan.diff import diff, diff_proposals
from engine.core.plan.proposed import as_wanted, definition
from engine.definitions import Json, Requirement
from engine.effects import Accept, Refuse
from engine.events import Commit, CommitProposals, Operate, Propose, Recall, SetAttribute
from engine.model import State
from engine.plan import DeploymentDef, Network, Plan, Rule
from engine.reasons import sentence
from engine.requests import Asker, Request

CATALOG = catalog(
    role("serve", "system", wants=["knob"]),
    role("wipe", "hardware", flags=["destructive"]),
    role("base", "system", wants=["knob"]),
    role("app", "system", requires=(same("base"),)),
    role("client", "system", requires=(Requirement(role="server"),)),
    role("server", "system"),
    defaults={"knob": "default"},
)
ASKS = Request(Asker.OPERATOR, 7)


def dep(name: str, *roles: str, parent: str = "system", on: str = "all", **attributes: Json) -> DeploymentDef:
    return DeploymentDef(name=name, parent=parent, attributes=attributes, roles=dict.fromkeys(roles, (on,)))


def of(*deployments: DeploymentDef, **more: Any) -> Plan:
    return plan({}, deployments={one.name: one for one in deployments}, **more)


def rig(*deployments: DeploymentDef, nodes: int = 1, **more: Any) -> WorldRig:
    d = WorldRig(CATALOG, of(*deployments, **more))
    for i in range(1, nodes + 1):
        d.server(f"n{i}", stage="system", runs="debian-12")
        d.feed(Operate(who="op", verb="allocate", node=f"n{i}"))
    return d


def says(d: WorldRig, event: Any) -> Accept | Refuse:
    d.now += 1
    before = d.world
    d.feed(replace(event, request=ASKS))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    if isinstance(answer, Refuse):
        assert tables(before) == tables(d.world), "what is refused changes nothing"
    assert tables(d.reload()) == tables(d.world)
    return answer


def propose(d: WorldRig, wanted: DeploymentDef | str, who: str = "ann", **more: Any) -> Accept | Refuse:
    """A text: delete that deployment."""
    name = wanted if isinstance(wanted, str) else wanted.name
    return says(d, Propose(who=who, deployment=name, wanted=None if isinstance(wanted, str) else wanted, **more))


def commit(d: WorldRig, *names: str, who: str = "bob", **more: Any) -> Accept | Refuse:
    shown = diff_proposals(d.world, names)
    answer = says(d, CommitProposals(who=who, deployments=names, **more))
    if not more:
        assert (shown.refused is None) == isinstance(answer, Accept), "the preview says what the commit does"
        assert shown.refused is None or shown.refused == refused(answer)
    return answer


def refused(answer: Accept | Refuse) -> Any:
    assert isinstance(answer, Refuse), answer
    return answer.reason


def bound(d: WorldRig, node: str = "n1") -> set[str]:
    return {one for at, one in d.world.node_roles if at == node}


# -- propose and recall ---------------------------------------------------------------------------------------------


def test_an_edit_waits_and_changes_nothing_that_runs() -> None:
    d = rig(dep("web", "serve"))
    before = tables(d.world)
    assert isinstance(propose(d, dep("web", "app")), Accept)
    after = tables(d.world)
    (waits,) = after.pop("proposals").values()
    assert (waits.deployment, waits.base, waits.who) == ("web", 1, "ann")
    before.pop("proposals")
    assert {**after, "meta": 0} == {**before, "meta": 0}
    assert isinstance(says(d, Recall(who="bob", deployment="web")), Accept)
    assert not tables(d.world)["proposals"]
    assert refused(says(d, Recall(who="bob", deployment="web"))).code == "not_proposed"


def test_an_edit_that_equals_the_plan_is_none() -> None:
    d = rig(dep("web", "serve"))
    propose(d, dep("web", "app"))
    answer = propose(d, dep("web", "serve"))
    assert isinstance(answer, Accept)
    assert "no edit of it waits" in answer.message
    assert not tables(d.world)["proposals"]
    propose(d, dep("new"))
    answer = propose(d, "new")
    assert isinstance(answer, Accept)
    assert answer.message == "the edit of new is recalled"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Propose(who="a", deployment="system", wanted=None), "root_stays"),
        (Propose(who="a", deployment="system", wanted=dep("system", "serve", parent="")), "root_stays"),
        (Propose(who="a", deployment="nothing", wanted=None), "unknown_thing"),
        (Propose(who="a", deployment="web", wanted=dep("web"), base=9), "unknown_thing"),
        (CommitProposals(who="a", deployments=()), "not_proposed"),
        (CommitProposals(who="a", deployments=("web",)), "not_proposed"),
    ],
)
def test_refused_acts(event: Any, code: str) -> None:
    assert refused(says(rig(dep("web")), event)).code == code


def test_without_a_plan_there_is_nothing_to_edit() -> None:
    from engine.core.world.world import World

    d = WorldRig(world=World.new(CATALOG))
    assert refused(propose(d, dep("web"))).code == "no_plan"
    assert refused(commit(d, "web")).code == "no_plan"


def test_an_edit_does_not_replace_another_unseen() -> None:
    d = rig(dep("web"))
    propose(d, dep("web", knob="anns"))
    seen = d.world.proposals["web"].at
    reason = refused(propose(d, dep("web", knob="bobs"), who="bob", over=0.0))
    assert (reason.code, reason.fields["who"]) == ("proposed_since", "ann")
    assert isinstance(propose(d, dep("web", knob="bobs"), who="bob", over=seen), Accept)
    assert d.world.proposals["web"].who == "bob"
    assert refused(commit(d, "web", seen={"web": seen})).code == "proposed_since"
    assert isinstance(commit(d, "web", seen={"web": d.world.proposals["web"].at}), Accept)


# -- commit ---------------------------------------------------------------------------------------------------------


def test_a_commit_takes_the_named_edits_and_no_others() -> None:
    d = rig(dep("web", "serve"), dep("db"))
    for one in (dep("web", "app", knob="web"), dep("db", "server"), dep("system", parent="", knob="root")):
        propose(d, one)
    answer = commit(d, "web", "system")
    assert isinstance(answer, Accept)
    assert answer.message == "committed as revision 2: web, system"
    assert d.world.plan == of(dep("web", "app", knob="web"), dep("db"), attributes={"knob": "root"})
    assert (d.world.revisions[2].who, bound(d)) == ("bob", {"app", "base"})
    assert set(tables(d.world)["proposals"]) == {"db"}
    assert isinstance(commit(d, "db"), Accept), "revision 2 did not change it"
    assert "server" in bound(d)


def test_what_another_revision_changed_is_not_undone_unseen() -> None:
    d = rig(dep("web", "serve"))
    propose(d, dep("web", knob="anns"))
    d.feed(Commit(who="bob", plan=of(dep("web", "serve"), dep("more"))))
    d.feed(Commit(who="carl", plan=of(dep("web", "serve", knob="carls"))))
    d.feed(Commit(who="dora", plan=of(dep("web", "serve", knob="carls"), dep("more"))))
    reason = refused(commit(d, "web"))
    assert {k: reason.fields[k] for k in ("who", "revision", "base")} == {"who": "carl", "revision": 3, "base": 1}
    assert sentence(reason).startswith("carl changed deployment web in revision 3 (20")
    assert refused(propose(d, dep("web", knob="more"), base=1)).code == "deployment_changed"
    propose(d, dep("web", knob="anns"))  # taken up again, on the present plan
    assert isinstance(commit(d, "web"), Accept)
    assert definition(d.world.plan, "web") == dep("web", knob="anns")


def test_a_whole_plan_that_has_the_edit_ends_it() -> None:
    d = rig(dep("web"))
    propose(d, dep("web", knob="x"))
    propose(d, dep("db"))
    d.feed(Commit(who="bob", plan=of(dep("web", knob="x"))))
    assert set(tables(d.world)["proposals"]) == {"db"}


def test_a_change_that_was_taken_back_is_none() -> None:
    d = rig(dep("web"))
    propose(d, dep("web", knob="x"))
    for knob in ({"knob": "y"}, {}):
        d.feed(Commit(who="bob", plan=of(dep("web", **knob))))
    assert isinstance(commit(d, "web"), Accept)


def test_a_refused_commit_changes_nothing() -> None:
    d = rig(dep("web"))
    propose(d, dep("web", "no-such-role"))
    assert refused(commit(d, "web")).code == "role_unknown"


@pytest.mark.parametrize(
    ("edits", "commits", "code"),
    [
        ([dep("leaf", parent="new")], ["leaf"], "no_parent"),
        ([dep("leaf", parent="new"), dep("new")], ["leaf"], "no_parent"),
        ([dep("leaf", parent="new"), dep("new")], ["leaf", "new"], ""),
        ([dep("top", parent="leaf")], ["top"], "parents_cycle"),
        ([dep("top", parent="top")], ["top"], "parents_cycle"),
        (["top"], ["top"], "has_children"),
        (["top", "leaf"], ["top"], "has_children"),
        (["top", "leaf"], ["top", "leaf"], ""),
        (["top", dep("leaf")], ["leaf", "top"], ""),
        (["leaf"], ["leaf"], ""),
    ],
)
def test_the_tree_stays_whole(edits: list[Any], commits: list[str], code: str) -> None:
    d = rig(dep("top"), dep("leaf", parent="top"))
    for one in edits:
        assert isinstance(propose(d, one), Accept)
    answer = commit(d, *commits)
    assert (refused(answer).code if code else isinstance(answer, Accept)) == (code or True)
    if not code:
        assert set(d.world.deployments) == {"system", *d.world.plan.deployments}
        assert all(one.parent in d.world.deployments for one in d.world.deployments.values() if one.name != "system")


# -- deletion -------------------------------------------------------------------------------------------------------


def test_it_goes_with_its_roles_and_all_its_values() -> None:
    d = rig(dep("web", "serve", knob="plan"), dep("db"))
    says(d, SetAttribute(who="op", layer="deployment", scope="web", name="knob", value="mine"))
    propose(d, "web")
    shown = diff_proposals(d.world, ["web"])
    assert shown.drops == ("web knob: op set mine, which goes with the deployment",)
    assert [(one.role, one.what) for one in shown.roles] == [("serve", "gone")]
    assert isinstance(commit(d, "web"), Accept)
    assert not bound(d)
    assert set(d.world.deployments) == {"system", "db"}
    assert not [v for v in tables(d.world)["attributes"].values() if v.scope == "web"]


def test_a_whole_plan_drops_it_too() -> None:
    d = rig(dep("web", "serve", knob="plan"), dep("leaf", parent="web"))
    says(d, SetAttribute(who="op", layer="deployment", scope="leaf", name="knob", value="mine"))
    assert diff(d.world, of()).drops
    d.feed(Commit(who="op", plan=of()))
    assert set(d.world.deployments) == {"system"}
    assert not [v for v in tables(d.world)["attributes"].values() if v.layer in ("deployment", "setting")]


def test_its_record_and_values_stay_while_a_kept_role_needs_them() -> None:
    d = rig(dep("top", knob="top"), dep("web", "wipe", "base", parent="top"))
    d.change(role="wipe", state=State.ACTIVE, succeeded=True, attempt="i5-1", parents=(("n1", "base"),))
    for name in ("web", "top"):
        propose(d, name)
    shown = diff_proposals(d.world, ["web", "top"])
    assert {one.role: one.what for one in shown.roles} == {"wipe": "left", "base": "left"}
    assert isinstance(commit(d, "web", "top"), Accept)
    assert {"web", "top"} <= set(d.world.deployments)
    assert d.world.attributes[("deployment", "top", "knob")].value == "top"
    d.feed(Operate(who="op", verb="unavailable", node="n1"), Operate(who="op", verb="available", node="n1"))
    d.feed(Operate(who="op", verb="delete", node="n1"))
    assert set(d.world.deployments) == {"system"}
    assert ("deployment", "top", "knob") not in d.world.attributes
    assert tables(d.reload()) == tables(d.world)


def test_it_stays_while_others_require_its_roles_on_other_nodes() -> None:
    top, leaf = dep("top", "server", on="node:node-1"), dep("leaf", "client", parent="top", on="node:node-2")
    d = rig(top, leaf, nodes=2, rules=(Rule(name="node-{number}"),))
    assert ("n1", "server") in d.at("client", "n2").parents
    propose(d, replace(leaf, parent="system"))
    propose(d, "top")
    reason = refused(commit(d, "leaf", "top"))
    assert reason.code == "still_required"
    assert "client on node-2 requires server on node-1" in sentence(reason)
    propose(d, "leaf")
    assert isinstance(commit(d, "leaf", "top"), Accept)
    assert not bound(d) | bound(d, "n2")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"networks": {"storage": Network(name="storage", subnet="10.1.0.0/24", deployment="web")}}, "network storage"),
        ({"rules": (Rule(group="a"), Rule(deployment="web"))}, "the nodes of rule 2"),
    ],
)
def test_a_deployment_that_owns_something_stays(more: dict[str, Any], words: str) -> None:
    d = rig(dep("web"), **more)
    says(d, Propose(who="op", deployment="web", wanted=None))
    refused = diff_proposals(d.world, ["web"]).refused
    assert refused is not None
    assert refused.code == "still_owns"
    assert f"the plan gives it {words}" in sentence(refused)
    answer = says(d, CommitProposals(who="op", deployments=("web",)))
    assert isinstance(answer, Refuse)
    assert answer.reason == refused


def test_its_roles_on_the_same_node_are_no_obstacle() -> None:
    d = rig(dep("top", "base"), dep("leaf", "app", parent="top"))
    propose(d, dep("leaf", "app"))
    propose(d, "top")
    assert isinstance(commit(d, "leaf", "top"), Accept)
    assert {one.deployment for key, one in d.world.node_roles.items() if key[0] == "n1"} == {"leaf"}
    assert bound(d) == {"app", "base"}


# -- any order ------------------------------------------------------------------------------------------------------

NAMES = ("web", "db", "leaf")
_DEFINITIONS = st.builds(
    lambda roles, parent, knob: {"roles": tuple(roles), "parent": parent, "knob": knob},
    st.lists(st.sampled_from(("serve", "base", "app")), unique=True, max_size=2),
    st.sampled_from(("system", *NAMES)),
    st.sampled_from(("a", "b")),
)
_ACTS = st.one_of(
    st.tuples(st.just("propose"), st.sampled_from(NAMES), st.none() | _DEFINITIONS),
    st.tuples(st.just("recall"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("commit"), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(tuple), st.none()),
    st.tuples(st.just("plan"), st.sampled_from(NAMES), st.none() | _DEFINITIONS),
)


def _made(name: str, made: dict[str, Any] | None) -> DeploymentDef | None:
    return None if made is None else dep(name, *made["roles"], parent=made["parent"], knob=made["knob"])


@settings(max_examples=60, deadline=None)
@given(st.lists(_ACTS, max_size=12))
def test_any_order_of_acts_ends_in_the_plan_with_the_last_committed_definitions(acts: list[Any]) -> None:
    d = rig(dep("web", "serve"))
    committed, waiting = {"web": dep("web", "serve")}, {}
    for what, name, made in acts:
        if what == "propose":
            if isinstance(propose(d, _made(name, made) or name), Accept):
                waiting[name] = _made(name, made)
        elif what == "recall":
            if isinstance(says(d, Recall(who="op", deployment=name)), Accept):
                waiting.pop(name)
        elif what == "commit":
            if isinstance(commit(d, *name), Accept):
                for one in name:
                    committed[one] = waiting.pop(one)
        else:
            there = {k: v for k, v in {**committed, name: _made(name, made)}.items() if v is not None}
            if all(v.parent == "system" for v in there.values()):
                d.feed(Commit(who="op", plan=of(*there.values())))
                committed = dict(there)
        committed = {k: v for k, v in committed.items() if v is not None}
        waiting = {k: v for k, v in waiting.items() if as_wanted(v) != as_wanted(committed.get(k))}
        assert d.world.plan.deployments == committed
        assert {k: v.wanted for k, v in tables(d.world)["proposals"].items()} == {k: as_wanted(v) for k, v in waiting.items()}
    whole = rig(*d.world.plan.deployments.values())  # a rank is an estimate of the revision that bound the role
    assert {k: replace(v, revision=0, since=0.0, rank=0.0) for k, v in tables(d.world)["node_roles"].items()} == {
        k: replace(v, revision=0, since=0.0, rank=0.0) for k, v in tables(whole.world)["node_roles"].items()
    }
    assert d.world.deployments == whole.world.deployments
