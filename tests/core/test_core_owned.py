"""Deployments own nodes and networks: who is selected, where roles are bound, what they read, and what is refused."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from catalogs import ADMIN, BMCS, NETWORK, catalog, plan, role, same
from msgspec.structs import replace
from thinned import thinned
from world_rig import WorldRig, mac, uuid

from engine.core.plan.diff import diff
from engine.core.plan.save import saved
from engine.core.roles.attributes import effective
from engine.effects import Accept, Refuse
from engine.events import Commit, Operate
from engine.model import Place
from engine.plan import DeploymentDef, Network, Plan, Range, Rule
from engine.reasons import Reason
from engine.requests import Asker, Request
from engine.views.plan_view import deployed, plan_page
from engine.views.rules_view import try_rules
from engine.views.summary import node_row

CATALOG = catalog(
    role("os-install", "install", wants=["target-os"]),
    NETWORK,
    role("base", "system", requires=(same("os-install"),)),
    role("db", "system", requires=(same("os-install"),), gives=("dsn",)),
    role("app", "system", wants=["dsn", "size"]),
    role("fabric", "system", requires=(same("network-storage"),)),
    defaults={"size": 1},
)
STORAGE = Network(name="storage", subnet="10.0.2.0/24", ranges={"host": Range(first="10.0.2.101", last="10.0.2.250")}, deployment="left")
NETWORKS = {"admin": ADMIN, "bmc": BMCS, "storage": STORAGE}


def tree(**roles: dict[str, tuple[str, ...]]) -> dict[str, DeploymentDef]:
    parents = {"top": "system", "left": "top", "low": "left", "right": "top", "other": "system"}
    return {name: DeploymentDef(name=name, parent=above, roles=roles.get(name, {})) for name, above in parents.items()}


def owned(owners: dict[int, str], networks: dict[str, Network] = NETWORKS, **roles: Any) -> Plan:
    rules = tuple(Rule(match={"serial": f"SN{n}"}, name=f"node-{n}", group=f"g{n % 2}", deployment=owner) for n, owner in owners.items())
    return plan({}, deployments=tree(**roles), rules=(*rules, Rule(name="node-{number}")), networks=networks)


def rig(wanted: Plan, nodes: int) -> WorldRig:
    d = WorldRig(CATALOG, wanted)
    for number in range(1, nodes + 1):
        d.server(f"n{number}", hold=True)
    for number in range(1, nodes + 1):
        d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node=f"n{number}"))
        assert d.one(Accept)
    return d


def commit(d: WorldRig, wanted: Plan) -> Reason | None:
    d.feed(Commit(request=Request(Asker.OPERATOR, 2), who="op", plan=wanted))
    (answer,) = [one for one in d.effects if isinstance(one, Accept | Refuse)]
    return answer.reason if isinstance(answer, Refuse) else None


@pytest.mark.parametrize(
    ("owner", "selecting"),
    [
        ("system", "top left low right other"),
        ("top", "top left low right"),
        ("left", "top left low"),
        ("low", "top left low"),
        ("right", "top right"),
        ("other", "other"),
    ],
)
def test_a_node_serves_its_owner_those_above_and_those_below(owner: str, selecting: str) -> None:
    names = ["top", "left", "low", "right", "other"]
    for place in names:
        d = rig(owned({1: owner}, **{place: {"base": ("all",)}}), 1)
        assert d.node().deployment == owner
        assert (("n1", "base") in d.world.node_roles) == (place in selecting.split()), place


def test_a_commit_gives_a_node_to_another_deployment_and_the_preview_says_so() -> None:
    roles = {"left": {"db": ("all",)}, "right": {"base": ("all",)}}
    d = rig(owned({1: "left"}, **roles), 1)
    after = owned({1: "right"}, **roles)
    told = diff(d.world, after)
    assert [(one.what, one.before, one.after) for one in told.chosen] == [("deployment", "left", "right")]
    assert told.chosen[0].words == "deployment: left -> right"
    assert {(one.role, one.what) for one in told.roles} == {("db", "gone"), ("base", "new")}
    assert commit(d, after) is None
    assert (d.node().deployment, d.at("base").deployment, d.at("os-install").deployment) == ("right", "right", "right")
    assert commit(d, plan({}, rules=())) is None
    assert d.node().deployment == "system"


def test_a_deployment_elsewhere_cannot_name_the_node() -> None:
    wanted = owned({1: "left"}, right={"base": ("node:node-1",)})
    d = WorldRig(CATALOG, wanted)
    d.server("n1", hold=True)
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb="allocate", node="n1"))
    refused = d.one(Refuse).reason
    assert (refused.code, refused.fields["owner"], refused.fields["deployment"]) == ("node_owned", "left", "right")
    d = rig(owned({1: "left"}), 1)
    assert diff(d.world, wanted).refused == refused
    assert commit(d, wanted) == refused


def test_the_owner_has_the_roles_that_several_deployments_place() -> None:
    wanted = owned({1: "low"}, top={"base": ("all",)}, low={"db": ("all",), "base": ("all",)})
    wanted.deployments["low"].attributes["target-os"] = "alma-9"
    d = rig(wanted, 2)
    assert {d.at(name, "n1").deployment for name in ("base", "db", "os-install")} == {"low"}
    assert effective(d.world, d.at("os-install", "n1"), "target-os") == "alma-9"
    assert d.at("base", "n2").deployment == "top"


def test_the_owner_has_what_its_roles_bring_in_however_far() -> None:
    """`top` requires the install directly, and the owner only through another role."""
    d = rig(owned({1: "low"}, top={"base": ("all",)}, low={"app": ("all",)}), 2)
    assert d.at("base", "n1").deployment == "top"
    assert {d.at(name, "n1").deployment for name in ("app", "db", "os-install")} == {"low"}
    assert d.at("os-install", "n2").deployment == "top"


def test_a_role_of_a_deployment_above_does_not_read_the_owners_settings() -> None:
    wanted = owned({1: "low"}, top={"db": ("all",)}, low={"app": ("all",)})
    wanted.deployments["low"].attributes.update({"target-os": "alma-9", "size": 5})
    d = rig(wanted, 1)
    assert d.at("os-install").deployment == "top"
    assert effective(d.world, d.at("os-install"), "target-os") == "debian-12"
    assert effective(d.world, d.at("app"), "size") == 5


def test_a_role_that_a_deployment_above_places_on_an_owned_node_serves_all_below_it() -> None:
    d = rig(owned({1: "left", 2: "right"}, top={"db": ("node:node-1",)}, right={"app": ("all",)}), 2)
    assert d.at("app", "n2").parents == (("n1", "db"),)
    assert ("n1", "app") not in d.world.node_roles


def test_only_a_node_that_serves_the_deployment_meets_a_requirement_there() -> None:
    d = rig(owned({1: "right"}, left={"db": ("all",), "app": ("node:node-2",)}), 2)
    assert d.at("app", "n2").parents == (("n2", "db"),)


@pytest.mark.parametrize("what", ["what rule 1 matches", "network storage"])
def test_an_owner_that_the_plan_has_not_is_refused_and_nothing_changes(what: str) -> None:
    """A plan need not come from a file that was checked: a deployment may have been taken out of the present one."""
    d = rig(owned({1: "right"}, top={"base": ("all",)}), 1)
    before = d.world
    gone = "right" if "rule" in what else "left"
    whole = owned({1: "right"})
    wanted = replace(whole, deployments={name: one for name, one in whole.deployments.items() if name not in (gone, "low")})
    assert commit(d, wanted) == Reason("owner_unknown", {"what": what, "deployment": gone})
    assert (d.world.node_roles, d.world.revisions, d.node()) == (before.node_roles, before.revisions, before.nodes["n1"])


# -- networks -----------------------------------------------------------------------------------------------------------


def test_the_role_of_an_owned_network_is_bound_in_the_deployment_that_owns_it() -> None:
    d = rig(owned({}, low={"fabric": ("node:node-1",), "network-storage": ("node:node-2",)}), 2)
    assert d.at("fabric", "n1").deployment == "low"
    assert {d.at("network-storage", node).deployment for node in ("n1", "n2")} == {"left"}


@pytest.mark.parametrize(("place", "name"), [("top", "fabric"), ("right", "fabric"), ("other", "network-storage")])
def test_a_deployment_elsewhere_cannot_use_the_network(place: str, name: str) -> None:
    d = rig(owned({}), 1)
    refused = commit(d, owned({}, **{place: {name: ("all",)}}))
    assert refused is not None
    assert (refused.code, refused.fields["network"], refused.fields["owner"]) == ("network_owned", "storage", "left")
    assert (refused.fields["role"], refused.fields["deployment"]) == (name, place)


def test_only_nodes_that_serve_its_owner_get_an_address_on_an_owned_network() -> None:
    d = rig(owned({1: "right", 2: "low", 3: "other"}), 4)
    assert {node for node, network in d.world.address_of if network == "storage"} == {"n2", "n4"}
    assert commit(d, owned({1: "left", 2: "low", 3: "other"})) is None
    assert ("n1", "storage") in d.world.address_of
    kept = d.world.address_of[("n2", "storage")]
    assert commit(d, owned({2: "other"})) is None
    assert d.world.address_of[("n2", "storage")] == kept


def test_a_network_that_the_plan_has_not_is_refused_by_name() -> None:
    d = rig(owned({}), 1)
    wanted = owned({}, {"admin": ADMIN, "bmc": BMCS, "storrage": STORAGE}, low={"fabric": ("all",)})
    refused = commit(d, wanted)
    assert refused is not None
    assert refused == Reason("network_unknown", {"role": "fabric", "network": "storage", "nearest": "storrage"})


# -- keeping an owner ---------------------------------------------------------------------------------------------------


def test_a_node_that_takes_anothers_place_keeps_its_owner() -> None:
    wanted = owned({1: "left"}, left={"base": ("all",)})
    d = rig(wanted, 1)
    d.server("n2", serial="NEW")
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb="replace", node="n1", value="n2"))
    assert d.one(Accept)
    assert (d.node("n2").deployment, d.at("base", "n2").deployment) == ("left", "left")
    assert commit(d, wanted) is None
    assert d.node("n2").deployment == "left"
    gone = plan({"base": ("all",)}, rules=(Rule(name="node-{number}"),))
    assert [one.words for one in diff(d.world, gone).chosen] == ["deployment: left -> system"]
    assert commit(d, gone) is None
    assert d.node("n2").deployment == "system"
    assert ("n2", "base") in d.world.node_roles


def test_a_redeploy_reads_the_owner_again_and_gives_it_its_addresses() -> None:
    d = rig(owned({2: "left", 1: "right"}, left={"fabric": ("all",)}), 1)
    assert ("n1", "storage") not in d.world.address_of
    d.change(serial="SN2")
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb="redeploy", node="n1"))
    assert d.one(Accept)
    assert (d.node().deployment, d.at("fabric").deployment) == ("left", "left")
    assert ("n1", "storage") in d.world.address_of


def test_a_saved_plan_keeps_the_owners_and_replays_without_a_difference() -> None:
    rules = (
        Rule(match={"place": 1}, name="one", deployment="left"),
        Rule(match={"place": 2}, name="two", deployment="system"),
        Rule(name="more-{place}", deployment="top"),
    )
    wanted = plan({}, deployments=tree(top={"base": ("all",)}, left={"fabric": ("all",)}), rules=rules, networks=NETWORKS)

    def rack(of: Plan, order: list[int]) -> WorldRig:
        d = WorldRig(CATALOG, of)
        for number, unit in enumerate(order, 1):
            more = {"serial": f"S{unit}", "uuid": uuid(unit), "macs": (mac(unit),), "boot_mac": mac(unit), "bmc": None}
            d.server(f"n{number}", hold=True, place=Place(rack="r1", unit=unit), **more)
            d.feed(Operate(who="op", verb="allocate", node=f"n{number}"))
        return d

    first = rack(wanted, [1, 2, 3])
    written = saved(first.world)
    assert written is not None
    assert [rule.deployment for rule in written.rules[:3]] == ["left", "system", "top"]
    told = diff(first.world, written)
    assert (told.roles, told.chosen) == ((), ())
    again = rack(written, [3, 1, 2])
    assert diff(again.world, written).same
    assert sorted((one.name, one.deployment) for one in again.world.nodes.values()) == sorted(
        (one.name, one.deployment) for one in first.world.nodes.values()
    )


def test_a_plan_without_owners_is_saved_without_owners() -> None:
    d = rig(plan({}, networks=NETWORKS, deployments=tree()), 1)
    written = saved(d.world)
    assert written is not None
    assert {rule.deployment for rule in written.rules} == {""}


# -- shown --------------------------------------------------------------------------------------------------------------


def test_the_views_tell_the_owner() -> None:
    d = rig(owned({1: "low", 2: "right"}, top={"base": ("all",)}, left={"db": ("node:node-3",)}), 3)
    assert [node_row(d.world, d.node(f"n{n}")).deployment for n in (1, 2, 3)] == ["low", "right", "system"]
    assert node_row(d.world, d.node("admin")).deployment == ""
    names = {place: [name.split(".")[0] for name in deployed(d.world, place)] for place in ("low", "left", "right", "top", "")}
    assert names == {
        "low": ["node-1"],
        "left": ["node-1", "node-3"],
        "right": ["node-2"],
        "top": ["node-1", "node-2", "node-3"],
        "": ["node-1", "node-2", "node-3"],
    }
    shown = {one.name: (one.owned_nodes, one.owned_networks) for one in plan_page(d.world).deployments}
    assert (shown["low"], shown["left"], shown["right"]) == ((1, ()), (0, ("storage",)), (1, ()))
    assert d.world.plan is not None
    (chosen,) = [one for one in try_rules(d.world, d.world.plan, d.node("n1")).chosen if one.what == "deployment"]
    assert (chosen.value, chosen.rule, chosen.now) == ("low", 1, "low")
    assert all(one.what != "deployment" for one in try_rules(d.world, d.world.plan, d.node("n3")).chosen)


# -- property -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", thinned(range(40), each=5))
def test_owners_and_graph_do_not_depend_on_the_order(seed: int) -> None:
    random = Random(seed)
    names = ["top", "left", "low", "right", "other"]

    def some() -> Plan:
        selectors = [("all",), ("group:g0",), ("group:g1", "admin"), ()]
        roles = {name: {one: random.choice(selectors) for one in ("base", "db", "app", "network-admin")} for name in names}
        roles["low"]["fabric"] = random.choice(selectors)
        placed = {name: {one: where for one, where in mine.items() if where} for name, mine in roles.items()}
        return owned({n: random.choice([*names, "system"]) for n in range(1, 6) if random.random() < 0.8}, **placed)

    wanted, other = some(), some()
    found = []
    for _ in range(4):
        d = WorldRig(CATALOG, random.choice([wanted, other]))
        todo: list[Any] = [f"n{n}" for n in range(1, 6)]
        random.shuffle(todo)
        todo.insert(random.randint(0, 5), Commit(who="t", plan=other))
        todo.append(Commit(who="t", plan=wanted))
        if random.random() < 0.5:
            todo.insert(-1, todo.pop())
        for node in sorted(one for one in todo if isinstance(one, str)):
            d.server(node, hold=True)
        for one in todo:
            d.feed(one if not isinstance(one, str) else Operate(request=Request(Asker.OPERATOR, 1), who="t", verb="allocate", node=one))
            assert not d.all(Refuse)
            if random.random() < 0.2:
                d.world = d.reload()
        assert commit(d, wanted) is None
        graph = {key: (one.deployment, one.parents, one.seeks, one.kept) for key, one in sorted(d.world.node_roles.items())}
        found.append((graph, {node.id: node.deployment for node in d.world.nodes.values()}))
    assert all(one == found[0] for one in found)
    assert len(found[0][0]) > 10
