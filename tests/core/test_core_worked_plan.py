"""One worked plan for thirty machines: three deployments on two levels, a cluster, values between nodes, roles of switches."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from catalogs import ADMIN, catalog, plan, role, same
from msgspec.structs import replace
from thinned import thinned
from world_rig import WorldRig, mac, uuid

from engine.core.plan.diff import diff
from engine.core.plan.save import saved
from engine.core.roles.attributes import inputs_hash
from engine.core.roles.derive import done
from engine.core.world.world import World
from engine.definitions import On, Requirement
from engine.effects import Accept
from engine.events import Commit, Operate, SetAttribute
from engine.model import Node, Place, State
from engine.plan import DeploymentDef, Plan, Range, Rule
from engine.requests import Asker, Request

CATALOG = catalog(
    role("lldp", "discovery", flags=["discovery"], gives=("neighbours",)),
    role("os-install", "install", wants=["target-os"]),
    role("switch-port", "system", "device"),
    role("base", "system", requires=(same("os-install"),)),
    role("names", "system", "local", flags=["bootstrap"], gives=("resolvers",)),
    role("db", "system", flags=["cluster"], requires=(same("base"),), gives=("dsn",)),
    role("queue", "system", requires=(same("base"),), gives=("broker",)),
    role("api", "system", wants=["dsn", "broker", "workers"], requires=(same("base"), Requirement(role="names", on=On.ADMIN))),
    role("agent", "system", wants=["broker"], requires=(Requirement(role="api"), same("base"))),
    role("disk", "system", requires=(Requirement(role="switch-port", on=On.LINKED, kind="switch"), same("base"))),
    role("proof", "system", "noop", requires=(Requirement(role="agent", on=On.PEERS), Requirement(role="api", on=On.DEPLOYMENT))),
    defaults={"workers": 4},
)
WIDE = {**ADMIN.ranges, "host": Range(first="10.0.0.101", last="10.0.0.250")}
RULES = (
    Rule(match={"place": {"max": 3}}, group="control", name="control-{place}"),
    Rule(match={"place": {"max": 20}}, group="compute", name="compute-{place}"),
    Rule(group="storage", name="storage-{place}"),
)
DEPLOYMENTS = {
    "base": DeploymentDef(name="base", roles={"db": ("group:control",), "queue": ("node:control-2", "node:control-3")}),
    "cloud": DeploymentDef(
        name="cloud", parent="base", roles={"api": ("group:control",), "agent": ("group:compute",), "proof": ("node:control-1",)}
    ),
    "storage": DeploymentDef(name="storage", parent="base", roles={"disk": ("group:storage",), "agent": ("group:storage",)}),
}
TOR = "52:54:ff:00:00:01"


def worked(**more: Any) -> Plan:
    return plan({}, deployments=DEPLOYMENTS, rules=RULES, **more)


def arrives(d: WorldRig, number: int, machine: int) -> None:
    """The machine of that rack unit is the node of that number: discovered, and allocated."""
    node = appears(d, number, machine, machine)
    act(d, "allocate", node.id)


def act(d: WorldRig, verb: str, node: str, value: Any = None) -> None:
    d.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb=verb, node=node, value=value))
    assert d.one(Accept)


def appears(d: WorldRig, number: int, machine: int, unit: int) -> Node:
    """The machine is discovered in that rack unit."""
    return d.server(
        f"n{number}",
        name=f"d{mac(machine).replace(':', '-')}.r1.example.net",
        hold=True,
        place=Place(rack="r1", unit=unit),
        serial=f"S{machine:02}",
        uuid=uuid(machine),
        macs=(mac(machine),),
        boot_mac=mac(machine),
        bmc=None,
    )


OTHERS = (
    worked(),
    replace(
        worked(), rules=(Rule(match={"place": {"max": 9}}, group="control", name="c-{place}"), Rule(group="compute", name="x-{number}"))
    ),
    replace(worked(), deployments={name: DEPLOYMENTS[name] for name in ("base", "storage")}),
    replace(worked(), deployments={"other": DeploymentDef(name="other", roles={"db": ("all",), "proof": ("all",)})}),
    replace(worked(), deployments=DEPLOYMENTS | {"base": replace(DEPLOYMENTS["base"], parent="deep"), "deep": DeploymentDef(name="deep")}),
)
"""Plans in force on the way: other groups and names, a deployment less, other deployments, another tree."""


def rack(order: list[int], wanted: Plan | None = None) -> WorldRig:
    d = WorldRig(CATALOG, wanted or worked())
    for number, machine in enumerate(order, 1):
        arrives(d, number, machine)
    return d


def graph(world: World) -> dict[Any, Any]:
    """By the names of the nodes: their ids follow their arrival."""

    def named(key: tuple[str, str]) -> tuple[str, str]:
        return (world.nodes[key[0]].name, key[1])

    return {named(key): (one.deployment, sorted(map(named, one.parents)), one.seeks) for key, one in world.node_roles.items()}


@pytest.fixture(scope="module")
def first() -> dict[Any, Any]:
    return graph(rack(list(range(1, 31))).world)


def test_the_graph_is_what_the_plan_says(first: dict[Any, Any]) -> None:
    def parents(node: str, role: str) -> list[str]:
        found: list[tuple[str, str]] = first[(f"{node}.r1.example.net", role)][1]
        return [f"{name.split('.')[0]}/{one}" for name, one in found]

    assert sum(role == "db" for _, role in first) == 3
    members = ["control-1/db", "control-2/db", "control-3/db"]
    assert parents("control-1", "api") == ["admin/names", "control-1/base", *members[:2], "control-2/queue", members[2]]
    assert parents("control-3", "api") == ["admin/names", *members[:2], "control-3/base", members[2], "control-3/queue"]
    assert parents("compute-9", "agent") == ["compute-9/base", "control-1/api", "control-2/queue"]
    assert parents("storage-25", "agent") == ["control-2/queue", "storage-25/api", "storage-25/base"]
    assert len(parents("control-1", "proof")) == 18


@pytest.mark.parametrize("seed", thinned(range(50), each=5))
def test_thirty_machines_in_any_order_end_in_the_same_graph(seed: int, first: dict[Any, Any]) -> None:
    """With restarts and commits of other plans in between."""
    random = Random(seed)
    order = list(range(1, 31))
    random.shuffle(order)
    d = WorldRig(CATALOG, random.choice(OTHERS))
    for number, machine in enumerate(order, 1):
        arrives(d, number, machine)
        if random.random() < 0.15:
            d.world = d.reload()
        if random.random() < 0.15:
            d.feed(Commit(request=Request(Asker.OPERATOR, 4), who="op", plan=random.choice(OTHERS)))
            assert d.one(Accept)
    d.feed(Commit(request=Request(Asker.OPERATOR, 5), who="op", plan=worked()))
    assert graph(d.world) == first
    assert graph(d.reload()) == first
    named = {node.name.split(".")[0] for node in d.world.nodes.values() if node.id != "admin"}
    assert named == {f"{'control' if n <= 3 else 'compute' if n <= 20 else 'storage'}-{n}" for n in range(1, 31)}


@pytest.mark.parametrize("seed", thinned(range(10), each=5))
def test_machines_that_are_deleted_discovered_again_or_replaced_end_in_the_same_graph(seed: int, first: dict[Any, Any]) -> None:
    random = Random(seed)
    d = rack(random.sample(range(1, 31), 30))
    for number in range(31, 39):
        machine = random.randint(1, 30)
        old = next(node for node in d.world.nodes.values() if node.place is not None and node.place.unit == machine)
        if random.random() < 0.5:
            act(d, "delete", old.id)
            if random.random() < 0.5:
                d.world = d.reload()
            arrives(d, number, machine)
        else:
            new = appears(d, number, 40 + number, machine)
            act(d, "replace", old.id, new.name)
        assert graph(d.world) == first, (number, old.name)
    d.feed(Commit(request=Request(Asker.OPERATOR, 5), who="op", plan=worked()))
    assert graph(d.world) == first
    assert graph(d.reload()) == first
    again = saved(d.world)
    assert again is not None
    assert graph(rack(random.sample(range(1, 31), 30), again).world) == first


def test_the_plan_again_changes_nothing_and_its_saved_form_neither() -> None:
    d = rack(list(range(1, 31)))
    before = d.world
    d.feed(Commit(request=Request(Asker.OPERATOR, 2), who="op", plan=worked()))
    assert d.rows == []
    assert d.world.node_roles == before.node_roles
    again = saved(d.world)
    assert again is not None
    told = diff(d.world, again)
    assert (told.roles, told.chosen, told.destroys) == ((), (), ())
    other = rack(list(range(30, 0, -1)), again)
    assert graph(other.world) == graph(d.world)
    assert diff(other.world, again).same


def test_one_value_runs_exactly_its_readers_again() -> None:
    d = rack([1, 2, 3, 4, 5])
    for node, name in list(d.world.node_roles):
        d.change(node, name, state=State.ACTIVE, succeeded=True)
    for node, name in list(d.world.node_roles):
        d.change(node, name, ran_hash=inputs_hash(d.world, d.at(name, node)))
    d.put(*d.world.node_roles.values())
    assert all(done(d.world, one) for one in d.world.node_roles.values())
    d.feed(SetAttribute(request=Request(Asker.OPERATOR, 3), who="op", layer="deployment", scope="cloud", name="workers", value=8))
    assert {key for key, one in d.world.node_roles.items() if not done(d.world, one)} == {("n1", "api"), ("n2", "api"), ("n3", "api")}
