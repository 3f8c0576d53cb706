"""Random legal graphs of roles, for property tests and for the simulation: roles in all stages with random edges, kinds and flags. Most random
graphs are cyclic, so edges are dropped until the graph is legal."""

from __future__ import annotations

from random import Random
from typing import Any

from catalogs import INSTALL, INVENTORY, catalog, plan, role, same
from msgspec.structs import replace

from engine.core.plan.bind import allocate, bind_discovery
from engine.core.step import step
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog, On, Requirement, RoleDef
from engine.events import Commit, Happened, Started
from engine.model import Kind, Node
from engine.plan import DeploymentDef, Plan


def random_catalog(random: Random) -> tuple[Catalog, list[str]]:
    """Roles in all stages with random edges, kinds and behaviours; an install at their bottom where one needs a system."""
    count = random.randint(1, 7)
    roles: list[RoleDef] = [INVENTORY]
    names: list[str] = []
    for i in range(count):
        stage = random.choice(["hardware", "install", "system", "system"])
        jig = random.choice(["agent"] * 4 + ["noop"]) if stage != "system" else random.choice(["script"] * 4 + ["noop"])
        verify = random.random() < 0.6
        flags = ["destructive"] if stage != "system" and random.random() < 0.3 and jig == "agent" else []
        flags += ["cluster"] if random.random() < 0.15 else []
        flags += ["once"] if not verify and random.random() < 0.2 else []
        requires: list[Requirement] = [same("os-install")] if stage == "system" else []
        for earlier in names:
            if random.random() < 0.35:
                on = random.choice([On.SAME, None, None, On.PEERS, On.DEPLOYMENT])
                requires.append(Requirement(role=earlier, on=on))
        wants = [f"knob-{random.randint(0, 2)}"] if random.random() < 0.5 else []
        wants += [f"gift-{name}" for name in names if random.random() < 0.2]
        name = f"r{i}"
        roles.append(
            role(
                name,
                stage,
                jig,
                flags=flags,
                requires=tuple(requires),
                wants=wants,
                gives=(f"gift-{name}",) if jig != "noop" and random.random() < 0.6 else (),
                verify=verify and jig != "noop",
                reverify=verify and jig != "noop" and random.random() < 0.4,
                attempts=random.randint(1, 3),
                delay_s=random.choice([1.0, 30.0]),
                timeout_s=random.choice([40.0, 900.0]),
                holds=("gate",) if random.random() < 0.3 else (),
                seconds=float(random.randint(1, 100)),
            )
        )
        names.append(name)
    roles.append(role("os-install", "install", flags=["destructive"], wants=["target-os"], gives=INSTALL.gives, verify=True, attempts=2))
    defaults: dict[str, Any] = {f"knob-{i}": i for i in range(3)}
    known = {g for r in roles for g in r.gives} | defaults.keys() | {"target-os"}
    roles = [_only_known(r, known) for r in roles]
    return catalog(*roles, defaults=defaults), names


def _only_known(one: RoleDef, known: set[str]) -> RoleDef:
    return replace(one, wants=tuple(w for w in one.wants if w.name in known))


def legal(what: Catalog, wanted: Plan, nodes: int) -> bool:
    """Bind everything in a world aside: is there a cycle?"""
    work = Work(World.new(what))
    for event in (Started(installation="i", admin="admin"), Commit(who="t", plan=wanted)):
        step(work, Happened(0.0, 0.0, event))
    for i in range(nodes):
        node = Node(id=f"n{i}", name=f"n{i}", kind=Kind.SERVER, stage="discovery", identity="uuid")
        work.put_node(node)
        if bind_discovery(work, node) is not None or allocate(work, node, "t") is not None:
            return False
    return True


def random_case(seed: int, most_nodes: int = 5) -> tuple[Catalog, Plan, int, Random]:
    random = Random(seed)
    what, names = random_catalog(random)
    nodes = random.randint(1, most_nodes)
    wanted = plan(dict.fromkeys(names, ("all",)), limits={"jobs": random.choice([1, 2, 64]), "gate": 1})
    wanted = replace(wanted, deployments={"cloud": DeploymentDef(name="cloud", roles=dict.fromkeys(names, ("all",)))})
    while not legal(what, wanted, nodes):
        edges: list[tuple[str, Any]] = [(r.name, e) for r in what.roles.values() for e in r.requires if e.role != "os-install"]
        edges += [(r.name, w) for r in what.roles.values() for w in r.wants if what.attributes[w.name].role]
        name, edge = random.choice(edges)
        victim = what.roles[name]
        fewer = replace(
            victim,
            requires=tuple(e for e in victim.requires if e is not edge),
            wants=tuple(e for e in victim.wants if e is not edge),
        )
        what = replace(what, roles={**what.roles, name: fewer})
    return what, wanted, nodes, random
