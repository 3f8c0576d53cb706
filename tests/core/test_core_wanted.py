"""Binding is a function of the plan and of the allocated nodes: whatever comes first, the graph is the same in the end."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from catalogs import catalog, plan, role
from generated import random_catalog
from thinned import thinned
from world_rig import WorldRig

from engine.core.plan.diff import diff
from engine.core.plan.rebind import asked
from engine.core.plan.wanted import Own, Wanted
from engine.core.roles.guards import blockers
from engine.core.world.world import World
from engine.definitions import Catalog, On, Requirement
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate
from engine.model import Place, State
from engine.plan import DeploymentDef, Plan, Rule
from engine.requests import Asker, Request

APPS: Catalog = catalog(
    role("m-db", "system", gives=("dsn",)),
    role("m-app", "system", wants=["dsn"]),
    role("member", "system", flags=["cluster"]),
    role("user", "system", requires=(Requirement(role="member"),)),
)
PLACED = plan({"m-db": ("group:db",), "m-app": ("group:app",)})


def allocate(d: WorldRig, node: str) -> Accept | Refuse:
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node=node))
    (answer,) = [one for one in d.effects if isinstance(one, Accept | Refuse)]
    return answer


def rack(what: Catalog, wanted: Plan, groups: dict[str, str], order: list[str]) -> WorldRig:
    """Held nodes with these groups, allocated in this order."""
    d = WorldRig(what, wanted)
    for node in sorted(groups):
        d.server(node, hold=True, group=groups[node])
    for node in order:
        assert isinstance(allocate(d, node), Accept)
    return d


def graph(world: World) -> dict[Any, Any]:
    return {key: (one.deployment, one.parents, one.seeks, one.kept) for key, one in sorted(world.node_roles.items())}


def by_plan(world: World) -> dict[Any, Any]:
    """The whole graph, computed at once from the plan and the nodes."""
    world.memo.clear()
    wanted, out = Wanted(world), {}
    for node in world.nodes.values():
        own = wanted.own(node, asked(world, node))
        assert isinstance(own, Own)
        for name, deployment in own.roles.items():
            out[(node.id, name)] = (deployment, *wanted.parents(node, own, name), "")
    return dict(sorted(out.items()))


# -- a role that the plan places ------------------------------------------------------------------------------------------


def test_the_first_app_node_waits_for_the_database_of_the_plan() -> None:
    """It once got a database of its own."""
    d = rack(APPS, PLACED, {"n1": "app", "n2": "db"}, ["n1"])
    assert ("n1", "m-db") not in d.world.node_roles
    d.change(node="n1", hold=False)
    assert [one.code for one in blockers(d.world, d.at("m-app"))][-1] == "parent_elsewhere"
    assert isinstance(allocate(d, "n2"), Accept)
    assert d.at("m-app").parents == (("n2", "m-db"),)
    assert "parent_elsewhere" not in [one.code for one in blockers(d.world, d.at("m-app"))]


def test_a_cluster_has_the_members_of_the_plan_and_no_others() -> None:
    wanted = plan({"member": ("group:db",), "user": ("all",)})
    groups = {"n1": "app", "n2": "db", "n3": "db"}
    members = (("n2", "member"), ("n3", "member"))
    for order in (["n1", "n2", "n3"], ["n3", "n1", "n2"]):
        d = rack(APPS, wanted, groups, order)
        assert {key for key in d.world.node_roles if key[1] == "member"} == set(members)
        assert [d.at("user", node).parents for node in groups] == [members] * 3


def test_a_role_that_the_plan_places_nowhere_is_made_on_the_same_node() -> None:
    d = rack(APPS, plan({"m-app": ("all",)}), {"n1": "", "n2": ""}, ["n2", "n1"])
    assert [d.at("m-app", node).parents for node in ("n1", "n2")] == [(("n1", "m-db"),), (("n2", "m-db"),)]


def test_the_first_machine_of_the_rack_serves_the_others_whenever_it_comes() -> None:
    d = WorldRig(APPS, PLACED)
    for number, group in ((1, "app"), (2, "db"), (3, "db")):
        d.server(f"n{number}", hold=True, group=group, place=Place(rack="r1", unit=10 - number))
    for node in ("n1", "n2"):
        allocate(d, node)
    assert d.at("m-app").parents == (("n2", "m-db"),)
    allocate(d, "n3")
    assert d.at("m-app").parents == (("n3", "m-db"),), "it is lower in the rack"
    d.feed(Operate(who="op", verb="delete", node="n3"))
    assert d.at("m-app").parents == (("n2", "m-db"),)
    d.feed(Operate(who="op", verb="delete", node="n2"))
    assert d.at("m-app").parents == ()
    assert graph(d.world) == by_plan(d.world)


def test_the_nearest_deployment_that_places_it_serves() -> None:
    deployments = {
        "system": DeploymentDef(name="system", roles={"m-db": ("node:node-1",)}),
        "cloud": DeploymentDef(name="cloud", roles={"m-db": ("node:node-2",)}),
        "leaf": DeploymentDef(name="leaf", parent="cloud", roles={"m-app": ("node:node-3",)}),
        "other": DeploymentDef(name="other", roles={"m-app": ("node:node-4",)}),
    }
    d = rack(APPS, plan({}, deployments=deployments), dict.fromkeys(["n1", "n2", "n3", "n4"], ""), ["n4", "n3", "n2", "n1"])
    assert d.at("m-app", "n3").parents == (("n2", "m-db"),)
    assert d.at("m-app", "n4").parents == (("n1", "m-db"),)


def test_a_role_that_moves_to_another_deployment_keeps_its_state() -> None:
    d = rack(APPS, plan({"m-db": ("all",)}), {"n1": ""}, ["n1"])
    d.change(role="m-db", state=State.ACTIVE)
    d.feed(Commit(who="op", plan=plan({}, deployments={"data": DeploymentDef(name="data", roles={"m-db": ("all",)})})))
    assert (d.at("m-db").deployment, d.at("m-db").state) == ("data", State.ACTIVE)


# -- abstract roles -----------------------------------------------------------------------------------------------------

ABSTRACT = [role("store", "system", flags=["abstract"]), role("needs", "system", requires=(Requirement(role="store"),))]


def test_the_provider_of_an_abstract_role_is_bound_and_not_the_name() -> None:
    d = rack(catalog(*ABSTRACT, role("disk-store", "system", provides=("store",))), plan({"needs": ("all",)}), {"n1": ""}, ["n1"])
    assert d.at("needs").parents == (("n1", "disk-store"),)
    assert ("n1", "store") not in d.world.node_roles


@pytest.mark.parametrize(
    ("providers", "placed", "outcome"),
    [
        ((), (), "no_provider"),
        (("one", "two"), (), "which_provider"),
        (("one", "two"), ("two",), ""),
    ],
)
def test_without_one_clear_provider_the_plan_is_refused(providers: Any, placed: Any, outcome: str) -> None:
    d = WorldRig(catalog(*ABSTRACT, *(role(one, "system", provides=("store",)) for one in providers)), plan({}))
    d.server("n1", hold=True)
    allocate(d, "n1")
    d.feed(Commit(request=Request(Asker.OPERATOR, 2), who="op", plan=plan(dict.fromkeys(("needs", *placed), ("all",)))))
    (answer,) = [one for one in d.effects if isinstance(one, Accept | Refuse)]
    assert (answer.reason.code if isinstance(answer, Refuse) else "") == outcome
    assert (("n1", "needs") in d.world.node_roles) == (not outcome)


# -- rules --------------------------------------------------------------------------------------------------------------


def ruled(**rule: Any) -> Plan:
    return plan({"m-db": ("group:db",), "member": ("group:app",)}, rules=(Rule(**rule),))


def test_a_commit_reads_the_rules_again() -> None:
    d = WorldRig(APPS, ruled(group="db", name="node-{number}", attributes={"knob": 1}))
    d.server("n1", hold=True)
    allocate(d, "n1")
    wanted = ruled(group="app", name="app-{number}", attributes={"other": 2})
    told = diff(d.world, wanted)
    assert [(one.node, one.what, one.before, one.after) for one in told.chosen] == [
        ("node-1.r1.example.net", "name", "node-1.r1.example.net", "app-1.r1.example.net"),
        ("node-1.r1.example.net", "group", "db", "app"),
        ("node-1.r1.example.net", "knob", 1, None),
        ("node-1.r1.example.net", "other", None, 2),
    ]
    assert {(one.role, one.what) for one in told.roles} >= {("m-db", "gone"), ("member", "new")}
    d.feed(Commit(who="op", plan=wanted))
    node = d.node()
    assert (node.group, node.name) == ("app", "app-1.r1.example.net")
    assert ("rule", "n1", "knob") not in d.world.attributes
    assert d.world.attributes[("rule", "n1", "other")].value == 2
    assert {key[1] for key in d.world.node_roles if key[0] == "n1"} == {"member"}
    assert diff(d.world, wanted).same
    d.feed(Commit(who="op", plan=plan({}, rules=())))
    assert (d.node().group, d.node().name.split(".")[0]) == ("", f"d{node.boot_mac.replace(':', '-')}")


def test_a_redeploy_reads_the_rules_again() -> None:
    """The facts may have changed since the last commit: here a disk was added."""
    rules = (Rule(match={"serial": "NEW"}, group="app"), Rule(group="db"))
    d = WorldRig(APPS, plan({"m-db": ("group:db",), "member": ("group:app",)}, rules=rules))
    d.server("n1", hold=True)
    allocate(d, "n1")
    assert d.node().group == "db"
    d.change(serial="NEW")
    d.feed(Operate(request=Request(Asker.OPERATOR, 2), who="op", verb="redeploy", node="n1"))
    assert d.one(Accept)
    assert d.node().group == "app"
    assert {key[1] for key in d.world.node_roles if key[0] == "n1"} == {"member"}


def test_two_nodes_exchange_their_names() -> None:
    def named(one: str, other: str) -> Plan:
        return plan({}, rules=(Rule(match={"serial": "S1"}, name=one), Rule(match={"serial": "S2"}, name=other)))

    d = WorldRig(APPS, named("red", "blue"))
    for number in (1, 2):
        d.server(f"n{number}", hold=True, serial=f"S{number}")
        allocate(d, f"n{number}")
    d.feed(Commit(who="op", plan=named("blue", "red")))
    assert {d.world.names[name]: name for name in ("blue", "red")} == {"n1": "blue", "n2": "red"}
    d.feed(Commit(who="op", plan=named("one", "one")))
    assert [d.node(one).name.split(".")[0] for one in ("n1", "n2")] == ["one", "one-n2"]
    assert diff(d.world, named("one", "one")).same


# -- properties ---------------------------------------------------------------------------------------------------------


def services(random: Random) -> tuple[Catalog, list[str]]:
    """Roles of the last stage that require earlier ones in every way, and through an abstract name."""
    roles = [role("os-install", "install", wants=["target-os"]), role("store", "system", flags=["abstract"])]
    names: list[str] = []
    for name in (f"r{i}" for i in range(random.randint(3, 8))):
        how = [On.SAME, None, None, None, On.PEERS, On.DEPLOYMENT, On.ADMIN]
        requires = [Requirement(role=one, on=random.choice(how)) for one in names if random.random() < 0.4]
        requires += [Requirement(role="store")] if "r1" in names and random.random() < 0.2 else []
        flags = [flag for flag, often in (("cluster", 0.25), ("implicit", 0.1)) if random.random() < often]
        later = tuple(one for one in names if random.random() < 0.1 and not any(one == need.role for need in requires))
        provides = ("store",) if name == "r1" else ()
        roles.append(role(name, "system", flags=flags, requires=tuple(requires), provides=provides, precedes=later))
        names.append(name)
    return catalog(*roles), names


def random_plan(random: Random, names: list[str]) -> Plan:
    """Some roles on all nodes, some on groups, some nowhere, in two deployments."""
    where = [("all",), ("group:a",), ("group:b",), ("node:n2",), ("group:a", "group:c"), ()]
    parts: list[dict[str, tuple[str, ...]]] = [{}, {}]
    for name in names:
        selectors = random.choice(where)
        if selectors:
            parts[random.random() < 0.3][name] = selectors
    deployments = {"cloud": DeploymentDef(name="cloud", roles=parts[0]), "leaf": DeploymentDef(name="leaf", parent="cloud", roles=parts[1])}
    return plan({}, deployments=deployments, rules=(), limits={"jobs": 64, "gate": 1})


@pytest.mark.parametrize("seed", thinned(range(150), each=5))
def test_any_order_of_arrivals_commits_and_deletions_ends_in_the_same_graph(seed: int) -> None:
    random = Random(seed)
    what, names = services(random) if seed % 4 else random_catalog(random)
    wanted, other = random_plan(random, names), random_plan(random, names)
    groups = {f"n{i}": random.choice(["a", "b", "c", ""]) for i in range(1, random.randint(2, 7))}
    found = []
    for _ in range(4):
        d = WorldRig(what, plan({}))
        d.change("admin", hold=True)
        d.feed(Commit(who="t", plan=random.choice([wanted, other])))
        for node in sorted([*groups, "n8"]):
            d.server(node, name=f"{node}.r1.example.net", hold=True, group=groups.get(node, "a"), pinned=True)
        todo: list[Any] = [*groups, "n8"]
        random.shuffle(todo)
        at = sorted(random.randint(0, len(todo)) for _ in range(2))
        todo.insert(at[1], Commit(who="t", plan=wanted))
        todo.insert(at[0], Commit(who="t", plan=other))
        todo.insert(random.randint(todo.index("n8") + 1, len(todo)), Operate(who="t", verb="delete", node="n8"))
        refused = False
        for one in todo:
            d.feed(one if not isinstance(one, str) else Operate(who="t", verb="allocate", node=one))
            refused = refused or any(isinstance(effect, Refuse) for effect in d.effects)
            if random.random() < 0.2:
                d.world = d.reload()
        if refused:  # a cycle, or a conflict: of one of the two plans
            return
        assert graph(d.world) == by_plan(d.world)
        again = d.reload()
        assert (again.children, again.kept, again.bound) == (d.world.children, d.world.kept, d.world.bound)
        found.append(graph(d.world))
    assert all(one == found[0] for one in found)


def test_the_random_plans_are_rarely_refused_and_bind_across_nodes() -> None:
    """Else the property would say nothing."""
    legal = across = 0
    for seed in range(150):
        random = Random(seed)
        what, names = services(random) if seed % 4 else random_catalog(random)
        d = WorldRig(what, random_plan(random, names))
        for number in range(1, 5):
            d.server(f"n{number}", hold=True, group=random.choice(["a", "b", "c", ""]), pinned=True)
        legal += all(isinstance(allocate(d, f"n{number}"), Accept) for number in range(1, 5))
        across += any(key[0] != one.node for one in d.world.node_roles.values() for key in one.parents)
    assert legal > 100
    assert across > 60
