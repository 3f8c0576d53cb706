"""Random legal graphs on random racks with random faults: what must hold whatever happens.

The oracles of `rack` hold at every step: never two holders of a node, never two tasks on a machine, never an unapproved or second wipe, no node
role without a reason, none that could start and is forgotten.
"""

from __future__ import annotations

from random import Random
from typing import Any

from catalogs import INSTALL, INVENTORY, catalog, plan, role, same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rack import Rack

from engine.core.bind import allocate, bind_discovery
from engine.core.derive import done
from engine.core.step import step
from engine.core.work import Work
from engine.core.world import World
from engine.definitions import Catalog, On, Requirement, RoleDef
from engine.events import Commit, Happened, Operate, SetAttribute, Started
from engine.model import Kind, Node
from engine.plan import DeploymentDef, Plan

CORE = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), max_examples=60)
SEEDS = st.integers(min_value=0, max_value=2**32 - 1)


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
                name, stage, jig, flags=flags, requires=tuple(requires), wants=wants,
                gives=(f"gift-{name}",) if jig != "noop" and random.random() < 0.6 else (),
                verify=verify and jig != "noop", reverify=verify and jig != "noop" and random.random() < 0.4,
                attempts=random.randint(1, 3), delay_s=random.choice([1.0, 30.0]), timeout_s=random.choice([40.0, 900.0]),
                holds=("gate",) if random.random() < 0.3 else (), seconds=float(random.randint(1, 100)),
            )
        )  # fmt: skip
        names.append(name)
    roles.append(role("os-install", "install", flags=["destructive"], wants=["target-os"], gives=INSTALL.gives, verify=True, attempts=2))
    defaults: dict[str, Any] = {f"knob-{i}": i for i in range(3)}
    known = {g for r in roles for g in r.gives} | defaults.keys() | {"target-os"}
    roles = [_only_known(r, known) for r in roles]
    return catalog(*roles, defaults=defaults), names


def _only_known(one: RoleDef, known: set[str]) -> RoleDef:
    from msgspec.structs import replace

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


def random_case(seed: int) -> tuple[Catalog, Plan, int, Random]:
    from msgspec.structs import replace

    random = Random(seed)
    what, names = random_catalog(random)
    nodes = random.randint(1, 5)
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


def new_rack(seed: int, check: bool = True) -> tuple[Rack, Random]:
    what, wanted, nodes, random = random_case(seed)
    rack = Rack(what, wanted, nodes=nodes, seed=seed, check=check)
    for name in what.roles:
        rack.behaviour[name] = random.choice(["", "", "", "again", "again reboot", "bios"])
    for machine in rack.machines:
        for name, definition in what.roles.items():
            if random.random() < 0.1:
                machine.fails[name] = random.randint(1, 2)
            if random.random() < 0.1 and definition.reverify and not definition.destructive:
                machine.false_claims[name] = 1
    return rack, random


def disturb(rack: Rack, random: Random, faults: int) -> None:
    """Faults at random events, then none any more."""
    left = [faults]
    busy = [False]

    def hook() -> None:
        if left[0] and not busy[0] and random.random() < 0.04:
            left[0] -= 1
            busy[0] = True
            rack.after(0.0, lambda: _one(rack, random, busy))

    rack.hook = hook


def _one(rack: Rack, random: Random, busy: list[bool]) -> None:
    busy[0] = False
    if random.random() < 0.1:
        name = f"knob-{random.randint(0, 2)}"
        rack.feed(SetAttribute(who="op", layer="deployment", scope="system", name=name, value=random.randint(0, 5)))
    elif random.random() < 0.05 and rack.world.nodes.get("n1"):
        verb = random.choice(["hold", "unavailable"])
        rack.feed(Operate(who="op", verb=verb, node="n1"))
        undo = {"hold": "release", "unavailable": "available"}[verb]
        rack.after(300.0, lambda: rack.feed(Operate(who="op", verb=undo, node="n1")))
    else:
        rack.fault()


def finish(rack: Rack) -> None:
    rack.bring_up()
    rack.indexes_agree()
    for machine in rack.machines:
        for name in machine.wipes:
            assert machine.wipes[name] >= 1


@CORE
@given(SEEDS)
def test_without_faults_all_become_done(seed: int) -> None:
    rack, _ = new_rack(seed)
    finish(rack)


@settings(CORE, max_examples=150)
@given(SEEDS)
def test_with_finite_faults_all_become_done(seed: int) -> None:
    rack, random = new_rack(seed)
    disturb(rack, random, faults=random.randint(1, 12))
    finish(rack)


@settings(CORE, max_examples=25)
@given(SEEDS)
def test_kept_indexes_equal_rebuilt_ones_after_every_step(seed: int) -> None:
    rack, random = new_rack(seed)
    disturb(rack, random, faults=random.randint(1, 8))
    hook = rack.hook

    def both() -> None:
        rack.indexes_agree()
        hook()

    rack.hook = both
    rack.bring_up()


@settings(CORE, max_examples=25)
@given(SEEDS)
def test_the_same_recorded_events_give_the_same_world(seed: int) -> None:
    rack, random = new_rack(seed, check=False)
    disturb(rack, random, faults=random.randint(0, 6))
    rack.bring_up()
    world = World.new(rack.catalog)
    for happened in rack.journal:
        if isinstance(happened.event, Started):  # a load: what is remembered beside the tables begins anew
            world = World.load(rack.catalog, {t: dict(getattr(world, t)) if t != "meta" else {(): world.meta} for t in rack.tables})
        work = Work(world)
        step(work, happened)
        world = work.finish()
    for table in rack.tables:
        assert getattr(world, table) == getattr(rack.world, table), table


@settings(CORE, max_examples=30)
@given(SEEDS)
def test_a_restart_at_any_event_changes_nothing_in_the_end(seed: int) -> None:
    plain, _ = new_rack(seed)
    finish(plain)
    events = len(plain.journal)
    every = Random(seed).randint(1, 3)
    rack, _ = new_rack(seed)
    count = [0]

    def hook() -> None:
        count[0] += 1
        if count[0] % (10 * every) == 0 and count[0] < 4 * events:
            rack.after(0.0, rack.restart)

    rack.hook = hook
    finish(rack)
    assert ending(rack) == ending(plain)
    for one, other in zip(rack.machines, plain.machines, strict=True):
        assert one.applied.keys() == other.applied.keys()


def ending(rack: Rack) -> dict[Any, Any]:
    """What is the same however it went: node roles by machine, not by the order in which machines were met."""
    out = {}
    for record in rack.world.node_roles.values():
        machine = rack.machine_of(record.node)
        out[(machine.number if machine else 0, record.role)] = (record.state, done(rack.world, record))
    return out
