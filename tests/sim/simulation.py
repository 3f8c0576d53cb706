"""One simulation: a rack, faults for a while, then people who mend. Everything follows from the seed (and from the faults that are kept)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from engine.core.roles.derive import committed, done
from engine.core.roles.guards import blockers
from engine.jigs import Order
from engine.model import Kind, State
from engine.wire.dhcp import DhcpReply

from . import agent, boots, faults
from .admin import Admin
from .clock import Clock
from .counters import Counters
from .invariants import Invariants
from .machine import Machine, Record
from .net import Net
from .people import People
from .racks import Case, case
from .store import SimStore

ROUND_S = 1500.0
ROUNDS = 24
"""Rounds of a person after the last fault within which all is well, or a person is told why not."""
NOTICED_S = 600.0
"""Within that the engine has noticed who is silent, and the last late packet has come."""
IDLE_S = 3600.0
MOST_EVENTS = 12_000
"""More of them is a livelock."""


class Broken(BaseException):
    """An invariant does not hold. Not an Exception: the loop would take it for a defect of a callback."""


class Simulation:
    def __init__(
        self,
        seed: int,
        *,
        keep: Sequence[int] | None = None,
        say: Callable[[str], None] | None = None,
        twins: bool = True,
        rack: Case | None = None,
    ) -> None:
        """`keep`: the numbers of the faults that befall; None: all. `twins`: machines that show the same UUID or serial. `rack`: instead of the seed's."""
        self.seed, self._say = seed, say
        self._randoms: dict[str, Random] = {}
        self.case = rack or case(seed, self.random("rack"))
        self.behaviour = self.case.behaviour
        self.catalog = self.case.catalog
        self.clock, self.counters = Clock(), Counters()
        self.net = Net(self.clock, self.random("net"), self.counters)
        self.machines = [Machine(i + 1) for i in range(self.case.machines)]
        for machine in self.machines if rack is None else ():
            machine.gets_disks(self.random("disks"), self.random("disks").choice([1, 1, 2, 3, 4]))
        if twins and len(self.machines) > 1 and rack is None and self.random("twins").random() < 0.4:
            kind = self.random("twins").choice(faults.TWINS)
            self.counters.hit(f"twins: {kind}")
            for machine in self.machines[1:]:
                machine.uuid, machine.serial = faults.twins(kind, machine, self.machines[0])
        self.store = SimStore(mirror=seed % 50 == 7)
        self.store.survives = lambda: self.random("store").random() < 0.5
        self.invariants = Invariants(self)
        self.store.recorded = self.invariants.recorded
        self.people = People(self)
        self.owners: dict[str, Machine] = {}
        """Node -> the machine that it is: the truth."""
        self.listeners: dict[str, Callable[[DhcpReply], None]] = {}
        self.xids = self.boots = 0
        self.begun: Callable[[Machine, Order], None] = lambda _machine, _order: None
        """Told of each attempt that starts on a machine."""
        self._seen: dict[str, set[str]] = {}
        self.admin = Admin(self)
        drawn = faults.make(self.random("faults"), len(self.machines), twins)
        if twins and rack is None:
            drawn = sorted([*drawn, *faults.ports(self.random("ports"), len(self.machines))], key=lambda fault: fault.at)
        self.faults = drawn if keep is None else [f for i, f in enumerate(drawn) if i in set(keep)]
        self.drawn = len(drawn)
        if self.random("rack").random() < 0.04:
            broken = self.random("rack").choice(self.machines)
            broken.broken = self.random("rack").choice(sorted(r.name for r in self.catalog.roles.values() if r.jig_kind.alive))

    def random(self, name: str) -> Random:
        """A stream of its own for each subject."""
        found = self._randoms.get(name)
        if found is None:
            found = self._randoms[name] = Random(f"{self.seed}/{name}")
        return found

    def trace(self, words: Callable[[], str]) -> None:
        if self._say is not None:
            self._say(f"{self.clock.now:10.2f}  {words()}")

    def broken(self, what: str) -> None:
        self.trace(lambda: f"BROKEN {what}")
        raise Broken(what)

    # -- what the parts tell one another --------------------------------------------------------------------------

    def hears(self, machine: Machine, reply: DhcpReply) -> None:
        listener = self.listeners.get(machine.mac)
        if listener is not None:
            listener(reply)

    def ended(self, machine: Machine, record: Record) -> None:
        """A task ended on a machine: in sledgehammer its agent says so, an installed system is asked."""
        if record.attempt in machine.memory:
            agent.tell(self, machine, record)

    # -- its course -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        self.admin.start()
        self.people.calm()
        if self.case.plan.site.trust == "confirmed":
            self.people.compare()
        for machine in self.machines:
            self.clock.after(self.random("boots").uniform(0, 30), lambda m=machine: boots.power_cycle(self, m))
        last = 0.0
        for fault in self.faults:
            last = max(last, fault.at)
            self.clock.after(fault.at, lambda f=fault: faults.befall(self, f))
        self.people.wander(last)
        self._until(lambda: False, last + 1.0)
        self._mend()
        self._settle()
        if not any(machine.broken for machine in self.machines):
            self._disturb()
        self._end()

    def _settle(self) -> None:
        """Until all is well, or a person is told why not."""
        for _ in range(ROUNDS):
            if self._until(self._settled, ROUND_S):
                return
            self.people.tend()
        self.broken("it waits for ever:\n" + "\n".join([*self.invariants.unnoticed(self.admin.world), *self.state()]))

    def _disturb(self) -> None:
        """All is done. Then a daemon ends, or a person changes a file: the engine notices by itself."""
        random = self.random("daemons")
        for machine in self.machines:
            if random.random() < 0.4:
                faults.KINDS[random.choice(["daemon dies", "changed by hand"])](self, machine, random)
        self._settle()

    def _mend(self) -> None:
        """From now on nothing goes wrong any more."""
        self.trace(lambda: "no more faults")
        self.net.fair()
        self.admin.armed, self.admin.stall_s, self.store.fails = "", 0.0, 0
        for machine in self.machines:
            machine.well()
        self._until(lambda: self.admin.up, 3000.0)
        self.people.calm()
        self._until(lambda: False, NOTICED_S)

    def _until(self, there: Callable[[], bool], seconds: float) -> bool:
        end, checked = self.clock.now + seconds, -1
        while True:
            if self.invariants.steps != checked:
                checked = self.invariants.steps
                if there():
                    return True
            if self.invariants.steps > MOST_EVENTS:
                self.broken(f"{MOST_EVENTS} batches, and no end:\n" + "\n".join(self.state()))
            due = self.clock.next()
            if due is None or due > end:
                self.clock.now = end
                return there()
            self.clock.step()

    def _settled(self) -> bool:
        """All machines are what the plan says, or a person is told why not."""
        if not self.admin.up:
            return False
        world = self.admin.world
        servers = [n for n in world.nodes.values() if n.kind is Kind.SERVER]
        if {self.owners.get(n.id) for n in servers} != set(self.machines) or len(servers) != len(self.machines):
            return False
        if not all(n.allocated or self.owners[n.id].broken for n in servers):
            return False
        left = [r for r in world.node_roles.values() if committed(r) and not done(world, r)]
        if not left:
            # The engine looks at no node that is not available: its record says that it is alive whatever became of the machine.
            there = all(n.available and self.owners[n.id].runs for n in servers)
            there = there and not self.invariants.unnoticed(world)
            return there and all(n.alive and n.boot is None and n.problem is None and not n.intent.fresh for n in servers)
        broken = {(node, m.broken) for node, m in self.owners.items() if m.broken}
        failed = {r.key for r in left if r.state is State.ERROR}
        # What waits for a role that fails for ever, on whatever node, waits with right; nothing else may.
        return bool(broken) and bool(failed & broken) and all(r.state is not State.TRANSITION and blockers(world, r) for r in left)

    def _end(self) -> None:
        world = self.admin.world
        self.invariants.everything(world)
        self.invariants.views(world)
        self.invariants.graph(world)
        self.invariants.indexes(world)
        broken = any(m.broken for m in self.machines)
        before = self.ordered
        rows = self.store.seq
        self._until(lambda: False, IDLE_S)
        if not broken and self.ordered != before:
            self.broken("all was done, and something was ordered again:\n" + "\n".join(self.state()))
        self.invariants.watched(self.admin.world)
        if self.store.seq - rows > 200:
            self.broken(f"all was done, and {self.store.seq - rows} rows were written in an hour")
        if self.seed % 8 == 0:
            self.invariants.same_again()
        if self.store.mirror is not None:
            wrong = self.store.mirror.verify()
            if wrong or self.store.mirror.load() != self.store.tables or self.store.mirror.seq != self.store.seq:
                self.broken(f"the store's journal and tables differ: {wrong[:3]}")
            self.store.mirror.close()
        self.counters.hit("ended ready" if not broken else "ended with a role that fails for ever")

    @property
    def ordered(self) -> int:
        """Attempts and boots. Looks at what is active go on for ever."""
        return self.counters["effect Start"] - self.counters["look ordered"] + self.counters["effect BootNode"]

    def seen_boots(self, node: str) -> set[str]:
        return self._seen.setdefault(node, set())

    def was_there(self, node: str) -> bool:
        return node in self._seen or node in self.owners

    def state(self) -> list[str]:
        """For a person who looks for the cause."""
        out = [f"now {self.clock.now:.0f}, engine {'up' if self.admin.up else 'down'}, {self.invariants.steps} batches"]
        world = self.admin.world
        for node in world.nodes.values():
            if node.kind is not Kind.ADMIN:
                out.append(
                    f"{node.id} stage={node.stage} runs={node.runs} alive={node.alive} available={node.available} allocated={node.allocated} "
                    f"hold={node.hold} off={node.off} boot={node.boot} problem={node.problem} notice={node.notice} probe={node.probe} "
                    f"missed={node.missed} fresh={node.intent.fresh} machine={self.owners[node.id].number if node.id in self.owners else None}"
                )
        for role in world.node_roles.values():
            if committed(role) and not done(world, role):
                why = [(r.code, dict(r.fields)) for r in blockers(world, role)]
                out.append(f"  {role.key} {role.state.value} recheck={role.recheck} resume={role.resume} {why}")
        for m in self.machines:
            out.append(
                f"  {m.name} node={m.node} power={m.power} runs={m.runs} token={m.token} system={m.system and m.system.os} broken={m.broken}"
            )
        out += [f"  sighting {s.mac} {s.reason}" for s in world.sightings.values() if not s.node]
        return out
