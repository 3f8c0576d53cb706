"""The four tests of every role at the level of the engine, over the catalogue that is shipped: run it twice, an error at each step, redeploy it
twice, power off at each step. A step of a role is here one of its attempts on a machine: run, verify, run again.

A barclamp that is added is covered when it is read. Nothing is written down here about any role. Every fifth of them is in `make test`: the
engine treats all roles alike, and `tests/catalog/test_catalog_generic.py` asks the same of every role's own script.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
from thinned import thinned

from engine.core.roles.derive import committed, done
from engine.core.roles.guards import blockers
from engine.definitions import Catalog
from engine.jigs import Order
from engine.model import Kind, State
from engine.plan import Approve

from . import boots
from .machine import Machine
from .racks import Case, read, usual_plan
from .simulation import Simulation

NEVER_BOUND = frozenset({"abstract", "discovery", "bootstrap"})
"""Flags of roles that no plan names: they come by themselves, or are a template."""

OF_DEVICES = frozenset(role.name for role in read().roles.values() if role.jig == "device")
"""Their delegates need a switch, and these machines hear none. tests/core/test_core_switch_ports.py is about them."""


@functools.cache
def everything() -> Case:
    """A plan that asks for each role that can be asked for."""
    catalog: Catalog = read()
    bound = [role for role in catalog.roles.values() if not role.flags & NEVER_BOUND and role.name not in OF_DEVICES]
    named = {role.name: ("admin",) if role.admin_only else ("all",) for role in bound}
    plan = usual_plan(named, approve=Approve(wipe="all"))
    return Case(catalog, plan, 1, {})


ROLES = [name for name, role in sorted(read().roles.items()) if "abstract" not in role.flags and name not in OF_DEVICES] + ["network-admin"]
WORKED = [name for name in ROLES if name == "network-admin" or read().roles[name].jig_kind.alive]
"""Roles whose tasks are carried out on a machine."""


FOR_NEW = {"burn-in-write": "burn_in_data"}
"""Roles that a machine with data never has run again, and the reason that it shows."""


class Bench:
    """One machine on which everything is done, and what came of it."""

    def __init__(self, seed: int = 8) -> None:
        self.sim = Simulation(seed, keep=[], rack=everything())
        self.sim.machines[0].broken = ""
        self.sim.machines[0].gets_disks(self.sim.random("disks"), 4)  # as many as any role wishes for
        self.orders: list[Order] = []
        self.at: Callable[[Machine, Order, int], None] = lambda _machine, _order, _number: None
        self.sim.begun = self._begun
        self.sim.admin.start()
        self.sim.people.calm()
        boots.power_cycle(self.sim, self.machine)

    @property
    def machine(self) -> Machine:
        return self.sim.machines[0]

    def _begun(self, machine: Machine, order: Order) -> None:
        self.orders.append(order)
        self.at(machine, order, len(self.orders))

    def ready(self, rounds: int = 6) -> None:
        for _ in range(rounds):
            if self.sim._until(self.sim._settled, 1500.0):
                return
            self.sim.people.tend()
        raise AssertionError("\n".join(self.sim.state()))

    def node(self) -> str:
        return next(n.id for n in self.sim.admin.world.nodes.values() if n.kind is Kind.SERVER)

    def where(self, role: str) -> str:
        """The node that bears the role."""
        return next(key[0] for key in sorted(self.sim.admin.world.node_roles) if key[1] == role)

    def count(self, role: str, action: str = "run") -> int:
        return sum(o.role.name == role and o.start.action == action for o in self.orders)

    def ending(self) -> dict[str, tuple[State, bool, str]]:
        world = self.sim.admin.world
        return {
            f"{role.node}/{role.role}": (role.state, done(world, role), repr(sorted(role.gave)))
            for role in world.node_roles.values()
            if committed(role)
        }

    def well(self) -> None:
        self.sim.invariants.everything(self.sim.admin.world)
        self.sim.invariants.indexes(self.sim.admin.world)
        self.sim.invariants.views(self.sim.admin.world)
        self.sim.invariants.same_again()


@functools.cache
def usual() -> tuple[dict[str, tuple[State, bool, str]], int]:
    """What all roles come to with no fault, and how many attempts that takes."""
    bench = Bench()
    bench.ready()
    bench.well()
    return bench.ending(), len(bench.orders)


def test_every_role_is_bound() -> None:
    bound = {key.split("/")[1] for key in usual()[0]}
    assert bound == set(ROLES)
    assert all(is_done for _, is_done, _ in usual()[0].values())


@pytest.mark.parametrize("role", thinned(WORKED, each=5))
def test_run_twice(role: str) -> None:
    """The machine ends the role's first attempt, and dies before it can say so: it is looked at or run again, and nothing is wiped twice."""
    bench = Bench()

    def dies(machine: Machine, order: Order, _number: int) -> None:
        if order.role.name == role and bench.count(role) == 1 and order.start.action == "run":
            machine.dies_after = 1

    bench.at = dies
    bench.ready()
    assert bench.sim.counters["died before it could say so"] == 1
    in_memory = read().roles.get(role, read().roles["network"]).jig == "agent"
    assert bench.count(role) + bench.count(role, "verify") >= 1 + in_memory, (
        "an installed system has kept the outcome, sledgehammer has not"
    )
    assert bench.ending() == usual()[0]
    bench.well()


@pytest.mark.parametrize("role", thinned(WORKED, each=5))
def test_an_error_at_each_step(role: str) -> None:
    """Each attempt of the role fails once more than it is retried: that is told, by a reason, and a person who retries it is enough."""
    bench = Bench()
    definition = bench.sim.catalog.roles.get(role) or bench.sim.catalog.roles["network"]
    bench.machine.fails[role] = definition.attempts
    bench.sim._until(lambda: any(r.role == role and r.state is State.ERROR for r in bench.sim.admin.world.node_roles.values()), 6000.0)
    failed = bench.sim.admin.world.node_roles[(bench.node(), role)]
    assert failed.state is State.ERROR
    assert failed.failure is not None
    assert failed.failure.code in ("script_failed", "timed_out"), "some tasks of the simulation take long"
    assert failed.tries == definition.attempts
    bench.ready()
    assert bench.ending() == usual()[0]
    bench.well()


@pytest.mark.parametrize("role", thinned(ROLES, each=5))
def test_redeployed_twice(role: str) -> None:
    bench = Bench()
    bench.ready()
    for _ in range(2):
        before = bench.sim.store.seq
        bench.sim.people.operate("redeploy", bench.where(role), role)
        bench.sim._until(lambda seq=before: bench.sim.store.seq > seq, 60.0)
        if role in FOR_NEW:
            world = bench.sim.admin.world
            assert FOR_NEW[role] in [one.code for one in blockers(world, world.node_roles[(bench.node(), role)])]
            bench.sim.people.operate("skip", bench.where(role), role)
        bench.ready()
    assert bench.sim.counters["accepted redeploy"] == 2
    if role in FOR_NEW:
        assert bench.count(role) == 1, "its data was not touched"
        return
    if role in WORKED:
        assert bench.count(role) >= 3
    assert bench.ending() == usual()[0]
    bench.well()


@pytest.mark.parametrize("number", thinned(range(1, usual()[1] + 1), each=5))
def test_power_off_at_each_step(number: int) -> None:
    """The power goes in the middle of attempt `number` of all that a machine is to do, and comes back."""
    bench = Bench()

    done: list[Order] = []

    def cut(machine: Machine, order: Order, at: int) -> None:
        if at == number:
            done.append(order)
            bench.sim.clock.after(0.2, lambda: boots.off(bench.sim, machine))
            bench.sim.clock.after(60.0, lambda: boots.power_cycle(bench.sim, machine))

    bench.at = cut
    bench.ready()
    assert sum((one.role.name, one.node.id) == (done[0].role.name, done[0].node.id) for one in bench.orders) > 1, "it was done again"
    assert bench.ending() == usual()[0]
    bench.well()
