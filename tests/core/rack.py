"""A rack that is nowhere: machines that answer effects with events, in one thread, in simulated time, with faults to order.

    rack = Rack(catalog, plan, nodes=3, seed=7); rack.run(); rack.world

Machines keep what real ones keep: attempts of sledgehammer in memory (gone with a boot), those of an installed system on its disk, settings, a disk with a
count of wipes. What is between the engine and a machine (orders, answers, ticks) is dropped by `restart`; what is in a machine goes on.

Oracles hold at every step: never two tasks on one machine, never a wipe without approval or a second one, never a node role without a reason.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from machines import Machine, Machines
from naive import naive

from engine import reasons
from engine.core.roles.derive import committed, done, resources, size
from engine.core.roles.guards import blockers, node_holder
from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog, RoleDef
from engine.effects import Accept, Acknowledge, BootNode, BootScript, Effect, Probe, Prove, Refuse, SendDhcp, Start, Welcome
from engine.events import Bye, Commit, Continue, Event, Happened, Hello, Missed, Operate, Outcome, Powered, Probed, Proved, Started, Tick
from engine.model import TABLES, Key, Kind, State, Way
from engine.plan import Plan
from engine.requests import Asker, Request

INDEXES = (
    "roles_of",
    "children",
    "bound",
    "names",
    "macs",
    "uuids",
    "serials",
    "lease_of",
    "declined_by",
    "strangers",
    "address_of",
    "nonces",
    "bmcs",
    "values_of",
    "stale",
    "running",
    "holders",
    "undone",
    "ready",
    "above",
)


class Rack(Machines):
    def __init__(self, catalog: Catalog, plan: Plan, nodes: int = 1, seed: int = 0, check: bool = True) -> None:
        self.catalog, self.plan, self.random, self.check = catalog, plan, Random(seed), check
        self.machines = [Machine(i + 1) for i in range(nodes)]
        self.world = World.new(catalog)
        self.tables: dict[str, dict[Any, Any]] = {name: {} for name in TABLES}
        self.journal: list[Happened] = []
        self.now, self.seq = 0.0, 0
        self.heap: list[tuple[float, int, str, Callable[[], None]]] = []
        self.waiting: dict[Any, tuple[Machine, int, Callable[[Effect], None]]] = {}
        self.ordered: dict[str, Start] = {}
        self.mailbox: dict[str, list[tuple[Start, str]]] = {}
        self.kexecs: dict[str, tuple[int, str]] = {}
        """Node -> the boot and the boot_id of an order for a kexec that waits for its agent, in the engine's process."""
        self.effects: list[Effect] = []
        self.rows: list[Any] = []
        """What the last batch changed: table, key, record."""
        self.most_starts = 0
        self.wiped: list[tuple[int, str]] = []
        self.lose_answers = 0
        self.hook: Callable[[], None] = lambda: None
        self.admin_did: dict[str, Outcome] = {}
        self.behaviour: dict[str, str] = {}
        self.feed(Started(installation="i5", admin="admin.example.net"))
        self.feed(Commit(who="test", plan=plan))
        for machine in self.machines:
            self.after(0.0, lambda m=machine: self.power_on(m))
        self.after(20.0, self._listen, "engine")

    # -- time ------------------------------------------------------------------------------------------------------

    def after(self, seconds: float, call: Callable[[], None], owner: str = "machine") -> None:
        """`owner` engine: dropped by a restart."""
        self.seq += 1
        self.when(self.now + seconds, call, owner)

    def when(self, time: float, call: Callable[[], None], owner: str = "machine") -> None:
        heapq.heappush(self.heap, (max(time, self.now), self.seq, owner, call))

    def between(self, low: float, high: float, *of: object) -> float:
        return round(self.random.uniform(low, high), 2)

    def run(self, until: Callable[[], bool] | None = None, seconds: float = 3600.0) -> bool:
        """Until `until` is true (default: all node roles done), or so many simulated seconds have gone."""
        until = until or self.all_done
        end = self.now + seconds
        while self.heap and not until():
            if self.heap[0][0] > end:
                self.now = end
                return False
            self.now, _, _, call = heapq.heappop(self.heap)
            call()
        return until()

    def all_done(self) -> bool:
        world = self.world
        if sum(n.kind is Kind.SERVER for n in world.nodes.values()) < len(self.machines):
            return False
        return all(n.allocated for n in world.nodes.values()) and all(done(world, r) for r in world.node_roles.values() if committed(r))

    def bring_up(self, rounds: int = 12) -> None:
        """Until all is done, with an operator who looks in now and then and does what the reasons advise."""
        for _ in range(rounds):
            if self.run(seconds=5400.0):
                return
            self.tend()
        raise AssertionError("\n".join(self.state()))

    def state(self) -> list[str]:
        out = [f"now {self.now}"]
        for node in self.world.nodes.values():
            out.append(
                f"{node.id} stage={node.stage} runs={node.runs} alive={node.alive} allocated={node.allocated} boot={node.boot} "
                f"problem={node.problem} notice={node.notice} probe={node.probe} missed={node.missed} fresh={node.intent.fresh}"
            )
        for role in self.world.node_roles.values():
            if not done(self.world, role):
                why = [(r.code, dict(r.fields)) for r in blockers(self.world, role)]
                out.append(f"  {role.key} {role.state.value} recheck={role.recheck} resume={role.resume} {why}")
        for m in self.machines:
            out.append(f"  machine {m.number} {m.node} runs={m.runs} boot_id={m.boot_id} reachable={m.reachable}")
        out += [f"  sighting {s.mac} {s.reason}" for s in self.world.sightings.values() if not s.node]
        return out

    # -- the engine ------------------------------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Effect]:
        """One event as one batch; what it orders is set going. The effects are returned as well."""
        work = Work(self.world)
        happened = Happened(1000.0 + self.now, self.now, event)
        before, was = self.world.meta.attempts, self.world
        rows = self.rows = step(work, happened)
        self.journal.append(happened)
        for table, key, row in rows:
            if row is None:
                self.tables[table].pop(key, None)
            else:
                self.tables[table][key] = row
        self.world = work.finish()
        starts = sum(isinstance(e, Start) and not e.resume for e in work.effects)
        if not isinstance(event, Started):
            self.most_starts = max(self.most_starts, starts)
        assert self.world.meta.attempts - before <= 64 * 2
        for when, subject in work.wakes:
            self.seq += 1
            self.when(when, lambda s=subject: self.feed(Tick(subjects=(s,))), "engine")
        effects = list(work.effects)
        self.effects += effects
        if self.check:
            self.oracles()
            if not isinstance(event, Probed | Hello):  # the last of three that failed; it runs something else by now
                self.no_needless_boot(was, effects)
        for effect in effects:
            self.carry_out(effect)
        self.hook()
        if work.rest and not isinstance(event, Continue):
            while self.world.touched or self.world.released or self.world.looked or self.world.binding:
                effects += self.feed(Continue())
        return effects

    def restart(self) -> None:
        """kill -9 and start: orders, answers and ticks on their way are gone; the tables are what is left."""
        self.heap = [entry for entry in self.heap if entry[2] == "machine"]
        heapq.heapify(self.heap)
        self.waiting.clear()
        self.mailbox.clear()
        self.kexecs.clear()
        self.ordered.clear()
        self.admin_did.clear()
        self.world = load_world(self.catalog, self.tables)
        self.feed(Started(installation="other", admin="admin.example.net"))
        self.after(20.0, self._listen, "engine")

    def oracles(self) -> None:
        world = self.world
        queued = {entry[-1] for queue in world.queues.values() for entry in queue}
        for role in world.node_roles.values():
            if not committed(role) or done(world, role):
                continue
            found = blockers(world, role)
            if role.key in world.touched:
                continue
            assert found, f"{role.key} {role.state} could start, and nobody looks at it"
            if {r.code for r in found} == {"held"} and node_holder(world, role.node) is None:
                full = [r for r in resources(world.catalog.roles[role.role], role) if (world.running.get(r) or 0) >= size(world, r)]
                assert role.key in queued, f"{role.key} waits for {full} in no queue"
        for node in world.nodes.values():
            holders = [k for k in world.roles_of.get(node.id) or () if world.node_roles[k].state is State.TRANSITION]
            assert len(holders) <= 1, f"two node roles hold {node.id}: {holders}"

    def no_needless_boot(self, was: World, effects: list[Effect]) -> None:
        """A node that ran what it is booted into, and was there, is booted only where a fresh boot was asked for."""
        for effect in effects:
            if isinstance(effect, BootNode) and effect.node in was.nodes:
                old, new = was.nodes[effect.node], self.world.nodes[effect.node]
                fits = old.boot is None and old.runs == effect.environment and old.alive
                assert not fits or new.intent.fresh or old.intent.fresh, f"{effect} for nothing"

    def indexes_agree(self) -> None:
        fresh = load_world(self.catalog, self.tables)
        for table in TABLES:
            assert getattr(fresh, table) == getattr(self.world, table), table
        for name in INDEXES:
            assert dict(getattr(fresh, name)) == dict(getattr(self.world, name)), name
        for name, index in naive(self.world).items():
            assert dict(getattr(self.world, name)) == index, name

    def _listen(self) -> None:
        """The loop tells of nodes that are silent for too long."""
        for node in sorted(self.world.nodes.values(), key=lambda n: n.id):
            if node.kind is Kind.SERVER and node.alive and not node.probe and not self.answers(node.id):
                self.feed(Missed(node=node.id))
        self.after(20.0, self._listen, "engine")

    def answers(self, node_id: str) -> bool:
        node, machine = self.world.nodes[node_id], self.machine_of(node_id)
        return (
            machine is not None
            and machine.reachable
            and bool(machine.runs)
            and machine.boot_id == node.boot_id
            and machine.runs == node.runs
        )

    def machine_of(self, node_id: str) -> Machine | None:
        node = self.world.nodes.get(node_id)
        return next((m for m in self.machines if node is not None and m.mac in node.macs), None)

    def operate(self, verb: str, node: str, role: str = "", value: Any = None) -> Effect:
        effects = self.feed(Operate(request=Request(Asker.OPERATOR, 1), who="op", verb=verb, node=node, role=role, value=value))
        return next(e for e in effects if isinstance(e, Accept | Refuse))

    def tend(self) -> None:
        """What a person does about what the console says."""
        for node in sorted(self.world.nodes.values(), key=lambda n: n.id):
            machine = self.machine_of(node.id)
            if node.kind is not Kind.SERVER or machine is None:
                continue
            machine.bmc_lies = machine.bmc_dead = machine.kexec_hangs = machine.wrong = 0
            machine.reachable = True
            unwell = node.problem is not None or any(
                self.world.node_roles[k].state is State.ERROR for k in self.world.roles_of.get(node.id) or ()
            )
            if unwell:
                assert isinstance(self.operate("retry", node.id), Accept)
            for key in self.world.roles_of.get(node.id) or ():
                role = self.world.node_roles[key]
                found = [] if done(self.world, role) else blockers(self.world, role, first=True)
                if found and found[0].code == "unverifiable":
                    self.operate("retry", node.id, key[1])
                    machine.whole.discard(key[1])  # a person has looked, and says that it may run again
                if any(r.code == "backward" for r in (blockers(self.world, role) if found else ())):
                    self.operate("approve", node.id)
        for machine in self.machines:
            node = self.world.nodes.get(machine.node)
            silent = not machine.runs or not machine.welcomed
            if silent and (node is None or node.boot is None):
                self.power_on(machine)

    # -- effects ---------------------------------------------------------------------------------------------------

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case SendDhcp():
                self._answer(("dhcp", effect.reply.to.mac), effect)
            case BootScript() | Welcome() | Refuse():
                asked = effect.request
                self._answer(asked.number if asked is not None and asked.asker is Asker.HTTP else 0, effect)
            case BootNode():
                self.after(self.between(1, 5), lambda: self._boot(effect), "engine")
            case Probe():
                self.after(self.between(1, 3), lambda: self._probe(effect), "engine")
            case Prove():
                self.after(self.between(0.1, 2), lambda: self._prove(effect), "engine")
            case Acknowledge():
                machine = self.machine_of(effect.node)
                record = machine.attempts.get(effect.attempt) if machine else None
                if record is not None and machine is not None and machine.reachable:
                    record.acknowledged = True
            case Start():
                self._start(effect)
            case _:
                pass

    def _answer(self, request: Any, effect: Effect) -> None:
        found = self.waiting.pop(request, None)
        if found is None:
            return
        machine, epoch, call = found
        if self.lose_answers:
            self.lose_answers -= 1
            return
        self.after(0.1, lambda: call(effect) if machine.epoch == epoch and machine.reachable else None, "engine")

    def _boot(self, effect: BootNode) -> None:
        machine = self.machine_of(effect.node)
        if machine is None:
            return
        failure = None
        if effect.way is Way.KEXEC:
            if self.answers_now(machine) and machine.runs == "sledgehammer":
                self.kexecs[effect.node] = (effect.generation, self.world.nodes[effect.node].boot_id)
                self.after(self.between(0.1, 1), lambda: self.empty(effect.node), "engine")
            else:
                failure = reasons.unreachable_node(node=effect.node, address="", message="no agent")
        elif machine.bmc_dead:
            machine.bmc_dead -= 1
            failure = reasons.power_failed(node=effect.node, address="10.0.1.1", message="no answer")
        elif machine.bmc_lies:
            machine.bmc_lies -= 1
        else:
            self.power_on(machine, disk=effect.way is Way.DISK)
        self.feed(Powered(node=effect.node, generation=effect.generation, failure=failure))

    def answers_now(self, machine: Machine) -> bool:
        return machine.reachable and bool(machine.runs) and machine.welcomed

    def _probe(self, effect: Probe) -> None:
        self.feed(Probed(node=effect.node, probe=effect.probe, alive=self.answers(effect.node)))

    def _prove(self, effect: Prove) -> None:
        """The agent writes, and the BMC shows it."""
        machine = self.machine_of(effect.node)
        if machine is not None and machine.boot_id == effect.boot_id and self.answers_now(machine) and not machine.bmc_dead:
            self.feed(Proved(node=effect.node, number=effect.number))

    def _start(self, effect: Start) -> None:
        role = self.world.node_roles[(effect.node, effect.role)]
        definition = self.world.catalog.roles[effect.role]
        if definition.destructive and effect.action == "run":
            assert role.approved, f"{role.key} would destroy what nobody approved"
        if definition.jig in ("noop", "local"):
            self.after(self.between(0, 2), lambda: self._local(effect, definition), "engine")
            return
        boot_id = self.world.nodes[effect.node].boot_id
        if definition.jig_kind.serves == "installed":
            self.ordered[effect.attempt] = effect  # a later order of the same leg takes the place of an earlier one
            self.after(self.between(0.1, 1), lambda: self._ssh(effect), "engine")
            return
        box = self.mailbox.setdefault(effect.node, [])
        box[:] = [one for one in box if one[0].attempt != effect.attempt]
        box.append((effect, boot_id))
        self.after(self.between(0.1, 1), lambda: self.empty(effect.node), "engine")

    def empty(self, node_id: str) -> None:
        """The agent asks what is next; a command is for one boot."""
        machine = self.machine_of(node_id)
        if machine is None or not self.answers_now(machine) or machine.runs != "sledgehammer":
            return
        for start, boot_id in self.mailbox.pop(node_id, []):
            if boot_id == machine.boot_id:
                self.order(machine, start)
        boot = self.world.nodes[node_id].boot
        if boot is not None and self.kexecs.get(node_id) == (boot.generation, machine.boot_id):
            self._kexec(machine)

    def _kexec(self, machine: Machine) -> None:
        machine.epoch += 1
        machine.runs, machine.welcomed, machine.memory = "", False, {}
        if machine.kexec_hangs:
            machine.kexec_hangs -= 1
        else:
            self._in(machine, 3.0, lambda: self._disk(machine))

    def _ssh(self, effect: Start) -> None:
        if self.ordered.get(effect.attempt) is not effect:
            return
        machine = self.machine_of(effect.node)
        if machine is None or not machine.reachable or machine.runs in ("", "sledgehammer"):
            failure = reasons.unreachable_node(node=effect.node, address="", message="no route")
            self.feed(Outcome(attempt=effect.attempt, node=effect.node, what="failed", failure=failure, unreachable=True))
        else:
            self.order(machine, effect)

    def _local(self, effect: Start, definition: RoleDef) -> None:
        gives = {name: self.admin_value(name) for name in definition.gives}
        self.feed(self.admin_did.setdefault(effect.attempt, Outcome(attempt=effect.attempt, node=effect.node, what="done", gives=gives)))

    def admin_value(self, name: str) -> Any:
        """What a role of the admin node gives."""
        return f"{name} of admin"

    # -- faults ----------------------------------------------------------------------------------------------------

    def fault(self) -> str:
        """One thing goes wrong, at random."""
        random = self.random
        machine = random.choice(self.machines)
        kind = random.choice(
            "restart restart restart reboot power partition long-partition lies dead kexec lose duplicate wrong fails late dies".split()
        )
        match kind:
            case "restart":
                self.restart()
            case "reboot":
                self.reboot(machine)
            case "power":
                self.power_on(machine)
            case "partition":
                self.partition(machine, self.between(1, 60))
            case "long-partition":
                self.partition(machine, self.between(60, 1200))
            case "lies":
                machine.bmc_lies += random.randint(1, 4)
            case "dead":
                machine.bmc_dead += random.randint(1, 2)
            case "dies":
                machine.dies_after += random.randint(1, 2)
            case "kexec":
                machine.kexec_hangs += 1
            case "lose":
                self.lose_answers += 1
            case "wrong":
                machine.wrong += random.randint(1, 4)
            case "fails":
                names = sorted(self.world.catalog.roles)
                machine.fails[random.choice(names)] = random.randint(1, 2)
            case "duplicate" | "late":
                old = [h.event for h in self.journal if isinstance(h.event, Outcome | Powered | Probed | Bye)]
                if old:
                    event = random.choice(old)
                    self.after(0.0 if kind == "duplicate" else self.between(5, 600), lambda: self.feed(event), "engine")
        return kind


def keys_of(rack: Rack, node: str) -> list[Key]:
    return list(rack.world.roles_of.get(node) or ())
