"""A large commit in pieces, and a start on a graph that is not the wanted one: both end in the graph that one step would make."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from catalogs import catalog, plan, role
from generated import random_catalog
from msgspec.structs import replace
from naive import naive
from test_core_wanted import APPS, PLACED, by_plan, graph, rack, random_plan, services
from thinned import thinned
from world_rig import WorldRig

from engine import reasons
from engine.core.plan import pieces
from engine.core.plan.bound_by import bound_by
from engine.core.roles.guards import blockers
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.effects import Accept, Refuse, Start
from engine.events import Commit, CommitProposals, Continue, Event, Operate, Propose, Started
from engine.model import State
from engine.plan import Plan, RoleSettings, Rule
from engine.requests import Asker, Request

ASKED = Request(Asker.OPERATOR, 7)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit is a large one, and each piece is one node."""
    monkeypatch.setattr(pieces, "LARGE", -1)
    monkeypatch.setattr(pieces, "AT_ONCE", 1)


def checked(world: World, wanted: Plan) -> Event:
    check = pieces.checked(world, Commit(request=ASKED, who="t", plan=wanted))
    assert check is not None
    return check()


def finish(d: WorldRig, between: Callable[[], None] = lambda: None) -> list[Any]:
    """Until nothing is left to be bound. Returns the answers."""
    answers = [one for one in d.effects if isinstance(one, Accept | Refuse)]
    while d.world.binding:
        between()
        answers += [one for one in d.feed(Continue()) if isinstance(one, Accept | Refuse)]
    return answers


def indexes_agree(d: WorldRig) -> None:
    fresh = d.reload()
    for name in ("roles_of", "undone", "ready", "children", "kept", "seekers", "bound", "stale", "values_of"):
        assert dict(getattr(fresh, name)) == dict(getattr(d.world, name)), name
    for name, index in naive(d.world).items():
        assert dict(getattr(d.world, name)) == index, name


def case(seed: int) -> tuple[WorldRig, Plan, Random]:
    """Allocated nodes on one plan, with outcomes, and another plan."""
    random = Random(seed)
    what, names = services(random) if seed % 4 else random_catalog(random)
    rules = (Rule(attributes={"knob-0": 5}, roles={names[0]: RoleSettings(attributes={"knob-1": 6})}),) if seed % 3 else ()
    d = WorldRig(what, plan({}))
    d.change("admin", hold=True)
    for number in range(1, random.randint(3, 7)):
        d.server(f"n{number}", hold=True, group=random.choice(["a", "b", "c", ""]), pinned=True)
    d.feed(Commit(who="t", plan=random_plan(random, names)))
    for node in sorted(d.world.nodes):
        d.feed(Operate(who="t", verb="allocate", node=node))
    for key in sorted(d.world.node_roles):
        if random.random() < 0.4:
            d.change(*key, state=State.ACTIVE, ran_hash="of other inputs", succeeded=True)
    d.feed(Operate(who="t", verb="hold", node="n1"))
    other = random_plan(random, names)
    return d, replace(other, rules=rules), random


def all_of(world: World) -> Any:
    roles = {key: (one.deployment, one.parents, one.seeks, one.kept, one.state, one.approved) for key, one in world.node_roles.items()}
    return roles, dict(world.attributes), dict(world.stale), dict(world.allocations), world.meta.bound


@pytest.mark.parametrize("seed", thinned(range(60), each=5))
def test_pieces_end_in_the_graph_of_one_step_whatever_comes_between(seed: int) -> None:
    d, wanted, random = case(seed)
    whole = WorldRig(world=d.world)
    whole.feed(Commit(request=ASKED, who="t", plan=wanted))
    event = checked(d.world, wanted)
    d.feed(event)

    def killed() -> None:
        if random.random() < 0.3:
            d.world = d.reload()
            d.feed(Started(installation="x", admin="a"))

    answers = finish(d, killed if seed % 2 else lambda: None)
    if isinstance(whole.one(Accept if not isinstance(event, Commit) or event.refused is None else Refuse), Refuse):
        assert [type(one) for one in answers] == [Refuse]
        assert d.world.node_roles == WorldRig(world=d.world).world.node_roles
        return
    assert all_of(d.world) == all_of(whole.world)
    assert graph(d.world) == by_plan(d.world) or d.world.kept
    if not seed % 2:
        assert [type(one) for one in answers] == [Accept]
    indexes_agree(d)


def test_most_random_commits_in_pieces_are_accepted() -> None:
    """Else the property would say nothing."""
    events = [checked(d.world, wanted) for d, wanted, _ in map(case, range(60))]
    assert sum(isinstance(event, Commit) and event.refused is None for event in events) > 35


def test_nothing_starts_and_no_receipt_is_given_before_the_graph_is_whole() -> None:
    """Half a graph has no edge to a role that is not bound yet."""
    d = rack(catalog(role("one"), role("two")), plan({}), {"n1": "", "n2": "", "n3": ""}, ["n1", "n2", "n3"])
    for node in ("n1", "n2", "n3"):
        d.change(node, hold=False, stage="hardware")
    d.feed(checked(d.world, plan({"one": ("all",), "two": ("all",)})))
    seen: list[list[Any]] = [d.effects]
    while d.world.binding:
        waits = [blockers(d.world, one) for one in d.world.node_roles.values() if "one" in one.role]
        assert all(reasons.plan_follows() in found for found in waits)
        seen.append(d.feed(Continue()))
    assert len(seen) > 3
    assert not any(isinstance(one, Accept | Start) for effects in seen[:-1] for one in effects)
    assert [one for one in seen[-1] if isinstance(one, Accept)] == [Accept(request=ASKED, message="committed")]
    assert len([one for one in seen[-1] if isinstance(one, Start)]) == 3, "one for each node"


def test_a_refused_commit_changes_nothing_and_is_answered_at_once() -> None:
    cyclic = catalog(role("one", "system", requires=()), role("two", "system", conflicts=("one",)))
    d = rack(cyclic, plan({"one": ("all",)}), {"n1": ""}, ["n1"])
    before = d.world
    d.feed(checked(d.world, plan({"one": ("all",), "two": ("all",)})))
    assert d.one(Refuse).reason.code == "conflicts"
    assert (d.world.node_roles, d.world.revisions, d.world.plan) == (before.node_roles, before.revisions, before.plan)
    assert not d.world.binding


def test_edits_of_deployments_are_committed_in_pieces_too() -> None:
    d = rack(catalog(role("one"), role("two")), plan({"one": ("all",)}), {"n1": "", "n2": ""}, ["n1", "n2"])
    (name,) = d.world.plan.deployments
    wanted = replace(d.world.plan.deployments[name], roles={"one": ("all",), "two": ("all",)})
    edit = Propose(who="ann", deployment=name, wanted=wanted)
    asked = CommitProposals(request=ASKED, who="t", deployments=(name,))
    d.feed(edit)
    whole = pieces.checked(d.world, asked)
    assert whole is not None
    ready = whole()
    d.now += 1
    d.feed(replace(edit, who="bob", wanted=replace(wanted, roles={"two": ("all",)})))
    (refused,) = [one for one in d.feed(ready) if isinstance(one, Refuse)]
    assert refused.reason.code == "proposed_since", "bob's edit is not what was checked"
    again = pieces.checked(d.world, asked)
    assert again is not None
    seen = [d.feed(again())]
    while d.world.binding:
        seen.append(d.feed(Continue()))
    assert len(seen) > 2
    assert [one for one in seen[-1] if isinstance(one, Accept)] == [Accept(request=ASKED, message=f"committed as revision 2: {name}")]
    assert d.world.plan.deployments[name].roles == {"two": ("all",)}
    assert {key[1] for key in d.world.node_roles if key[0] != "admin"} == {"two"}
    assert not dict(d.world.proposals)
    assert d.world.meta.bound == d.reload().meta.bound == bound_by(Work(d.world))


def test_edges_that_turn_round_are_no_cycle_in_between() -> None:
    """A piece that meets an old edge waits for the others, and is bound with them at the end."""

    def chain(first: str, last: str) -> Plan:
        return plan({"member": (f"node:{first}",), "user": (f"node:{last}",), "m-db": (f"node:{last}",), "m-app": (f"node:{first}",)})

    d = rack(APPS, chain("node-1", "node-2"), {"n1": "", "n2": ""}, ["n1", "n2"])
    d.feed(checked(d.world, chain("node-2", "node-1")))
    assert [type(one) for one in finish(d)] == [Accept]
    assert graph(d.world) == by_plan(d.world)


def test_a_commit_while_another_is_bound_is_the_wanted_state_and_both_are_answered() -> None:
    d = rack(APPS, plan({}), {"n1": "app", "n2": "db", "n3": "app"}, ["n1", "n2", "n3"])
    d.feed(checked(d.world, PLACED))
    d.feed(Continue())
    d.feed(checked(d.world, plan({"member": ("all",)})))
    assert [type(one) for one in finish(d)] == [Accept, Accept]
    assert {key[1] for key in d.world.node_roles} == {"member"}


# -- starts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", thinned(range(12), each=5))
def test_a_start_gives_a_store_with_a_wrong_graph_the_wanted_one(seed: int) -> None:
    """As an older version left it: no commit is needed."""
    d, wanted, random = case(seed * 4 + 1)
    d.feed(Commit(who="t", plan=wanted))
    right = graph(d.world)
    for key in random.sample(sorted(d.world.node_roles), len(d.world.node_roles) // 3):
        d.change(*key, parents=(), seeks=(), deployment="system")
    d.put(replace(d.world.meta, bound=""))
    extra = next(name for name in sorted(d.world.catalog.roles) if ("n1", name) not in d.world.node_roles)
    d.role(extra, "n1", deployment="system")
    d.world = d.reload()
    d.feed(Started(installation="x", admin="a"))
    finish(d)
    assert graph(d.world) == right
    assert d.world.meta.bound


def test_a_start_on_the_right_graph_changes_nothing_and_looks_at_no_node_role() -> None:
    d = rack(APPS, PLACED, {"n1": "app", "n2": "db"}, ["n1", "n2"])
    d.feed(Commit(who="t", plan=PLACED))
    d.world = d.reload()
    d.feed(Started(installation="x", admin="a"))
    assert not d.world.binding
    assert {table for table, _, _ in d.rows} == {"meta"}
