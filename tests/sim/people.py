"""Operators: one who does anything at any moment, and one who looks in now and then and does what the reasons advise."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from engine.core.plan.proposed import definition_in
from engine.core.roles.derive import committed, done
from engine.core.roles.guards import blockers
from engine.effects import Accept, Refuse
from engine.events import Commit, CommitProposals, Operate, Propose, Recall, SetAttribute
from engine.model import Kind, Node, NodeRole, State
from engine.plan import Approve, DeploymentDef
from engine.requests import Asker, Request

from . import boots, plans
from .machine import Machine

if TYPE_CHECKING:
    from .simulation import Simulation

NODE_VERBS = (
    "hold",
    "release",
    "unavailable",
    "available",
    "reset",
    "reinstall",
    "redeploy",
    "redeploy",
    "delete",
    "retry",
    "approve",
    "allocate",
    "install",
    "ban",
    "unban",
    "identify",
    "confirm",
    "acknowledge",
)
ROLE_VERBS = ("redeploy", "redeploy", "retry", "skip", "approve")
COMPARES_S = 45.0
POWER = ("on", "off", "cycle", "soft", "status")


class People:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.number = 0
        self.asked: dict[int, Any] = {}
        self.seen: dict[str, int] = {}
        """Node -> in how many rounds it had a problem."""
        self.moves = sim.random("moves").random() < 0.5
        """True if people commit plans with other rules and deployments too."""
        self.compared: set[tuple[str, str]] = set()
        """Node and fingerprint, where somebody saw that the machine's own screen shows it."""

    def say(self, event: Any) -> None:
        self.number += 1
        event = replace(event, request=Request(Asker.OPERATOR, self.number))
        self.asked[self.number] = event
        self.sim.trace(lambda: f"operator: {_words(event)}")
        self.sim.admin.submit(event)

    def operate(self, verb: str, node: str, role: str = "", value: Any = None) -> None:
        self.say(Operate(who="op", verb=verb, node=node, role=role, value=value))

    def answered(self, effect: Accept | Refuse) -> None:
        event = self.asked.get(effect.request.number) if effect.request is not None else None
        if event is None:
            return
        what = event.verb if isinstance(event, Operate) else type(event).__name__
        self.sim.counters.hit(f"{'accepted' if isinstance(effect, Accept) else 'refused'} {what}")
        if isinstance(event, Commit) and isinstance(effect, Accept) and self.sim.admin.up:
            self.sim.invariants.graph(self.sim.admin.world)
            if "more" in event.plan.deployments:
                self.sim.counters.hit("accepted Commit of another tree")
            if event.plan.rules != self.sim.case.plan.rules:
                self.sim.counters.hit("accepted Commit of other rules")
        if isinstance(effect, Refuse):
            self.sim.counters.hit(f"refusal {effect.reason.code}")
            if effect.reason.code == "not_available" and isinstance(event, Operate) and event.verb in ("delete", "merge"):
                self.operate("available", str(effect.reason.fields["node"]))  # as the reason says
            if effect.reason.code == "banned":
                self.operate("unban", str(effect.reason.fields["mac"]))  # as the reason says

    def waits_for_power(self, request: Request) -> bool:
        """Its answer comes with the outcome, which is another event."""
        event = self.asked.get(request.number)
        return isinstance(event, Operate) and event.verb in ("power", "identify")

    # -- anything, at any moment ----------------------------------------------------------------------------------

    def anything(self, random: Random) -> None:
        sim = self.sim
        if not sim.admin.up:
            return
        world = sim.admin.world
        nodes = sorted(n.id for n in world.nodes.values() if n.kind is Kind.SERVER)
        what = random.random()
        if what < 0.06:
            self._edit(random)
        elif what < 0.12:
            self.say(Commit(who="op", plan=self._other_plan(random)))
        elif what < 0.27:
            self._set(random, nodes)
        elif not nodes:
            return
        elif what < 0.40:
            action = random.choice(POWER)
            self.operate("power", random.choice(nodes), value={"action": action, "force": True} if random.random() < 0.3 else action)
        elif what < 0.65:
            node = random.choice(nodes)
            roles = sorted(key[1] for key in world.roles_of.get(node) or ())
            if roles:
                self.operate(random.choice(ROLE_VERBS), node, random.choice(roles))
        elif what < 0.95:
            verb, node = random.choice(NODE_VERBS), random.choice(nodes)
            self.operate(verb, node, value="not-seen" if verb in ("confirm", "acknowledge") else None)  # of a screen nobody looked at
        else:
            self.operate("split", random.choice(nodes), value=random.choice([None, "uuid", "serial"]))

    def wander(self, seconds: float) -> None:
        """Commits other plans in this time, if these people do so at all."""
        random = self.sim.random("wander")
        for _ in range(random.randint(1, 4) if self.moves else 0):
            self.sim.clock.after(random.uniform(0, seconds), self._wander)

    def _wander(self) -> None:
        if self.sim.admin.up:
            self.say(Commit(who="op", plan=plans.other(self.sim.case.plan, self.sim.random("plans"))))

    def _other_plan(self, random: Random) -> Any:
        plan = self.sim.case.plan
        if random.random() < 0.5:
            plan = replace(plan, limits={**plan.limits, "jobs": random.choice([1, 2, 64])})
        if random.random() < 0.5:
            plan = replace(plan, approve=Approve(wipe=random.choice(["nothing", "blank", "all"])))
        if random.random() < 0.4:
            cloud = plan.deployments["cloud"]
            left = {name: who for name, who in cloud.roles.items() if random.random() < 0.7}
            plan = replace(plan, deployments={"cloud": replace(cloud, roles=left)})
        return plans.other(plan, self.sim.random("plans")) if self.moves else plan

    def _edit(self, random: Random) -> None:
        """Anything with single deployments: two that the plan has or not, below each other or not."""
        world = self.sim.admin.world
        name, act = random.choice(["cloud", "extra"]), random.random()
        waits = sorted(world.proposals)
        if act < 0.35 and waits:
            chosen = tuple(random.sample(waits, random.randint(1, len(waits))))
            self.say(CommitProposals(who="op", deployments=chosen, seen={chosen[0]: world.proposals[chosen[0]].at}))
        elif act < 0.45:
            self.say(Recall(who="op", deployment=name))
        elif act < 0.6 and world.revisions:
            self.say(Propose(who="op", deployment=name, wanted=definition_in(random.choice(list(world.revisions.values())), name)))
        else:
            cloud = self.sim.case.plan.deployments["cloud"]
            roles = {role: who for role, who in cloud.roles.items() if random.random() < 0.5}
            knob = {"knob-0": random.randint(0, 3)} if "knob-0" in self.sim.case.catalog.attributes else {}
            parent = random.choice(["system", "system", "cloud", "extra"])
            wanted = DeploymentDef(name=name, parent=parent, roles=roles, attributes=knob)
            base = random.choice([0, 0, *world.revisions])
            self.say(Propose(who="op", deployment=name, wanted=wanted if random.random() < 0.8 else None, base=base))
        ends = Recall(who="op", deployment=name) if random.random() < 0.3 else CommitProposals(who="op", deployments=(name,))
        self.sim.clock.after(random.uniform(0.1, 900.0), lambda: self._end_edit(ends))

    def _end_edit(self, ends: Recall | CommitProposals) -> None:
        if self.sim.admin.up:
            self.say(ends)

    def _set(self, random: Random, nodes: list[str]) -> None:
        known = [
            a for a in ("knob-0", "knob-1", "bios-wanted", "ntp-upstream", "etcd-cluster-token") if a in self.sim.case.catalog.attributes
        ]
        if not known:
            return
        name = random.choice(known)
        values = {
            "bios-wanted": {"boot": str(random.randint(0, 3))},
            "ntp-upstream": [f"n{random.randint(0, 3)}"],
            "etcd-cluster-token": f"t{random.randint(0, 3)}",
        }
        value = values.get(name, random.randint(0, 5))
        clear = random.random() < 0.2
        pointer = ""
        if isinstance(value, dict | list) and random.random() < 0.5:
            pointer, value = ("/boot", value["boot"]) if isinstance(value, dict) else (random.choice(["/-", "/0"]), value[0])
        what: dict[str, Any] = {"value": value, "clear": clear, "pointer": pointer}
        if nodes and random.random() < 0.4:
            scope = random.choice(nodes)
            readers = sorted(
                r for n, r in self.sim.admin.world.roles_of.get(scope) or () if name in self.sim.admin.world.catalog.roles[r].reads
            )
            if readers and self.moves and self.sim.random("plans").random() < 0.5:
                scope = f"{scope}/{readers[0]}"
            self.say(SetAttribute(who="op", layer="operator", scope=scope, name=name, **what))
        else:
            scope = self.sim.random("plans").choice(["system", "cloud", "more"]) if self.moves else "system"
            self.say(SetAttribute(who="op", layer="deployment", scope=scope, name=name, **what))

    def compare(self) -> None:
        """Somebody walks past the machines again and again, and confirms those that wait for it and show the console's fingerprint."""
        self.sim.clock.after(COMPARES_S, self.compare)
        world = self.sim.admin.world if self.sim.admin.up else None
        for node in sorted(world.nodes.values(), key=lambda n: n.id) if world is not None else ():
            machine = self.sim.owners.get(node.id)
            if machine is None or not node.fingerprint or node.confirmed or "not_confirmed" not in self._codes(node):
                continue
            if machine.screen != node.fingerprint:
                self.sim.counters.hit("the screen shows another fingerprint")
                continue
            self.compared.add((node.id, node.fingerprint))
            self.operate("confirm", node.id, value=machine.screen)

    # -- what the reasons advise ----------------------------------------------------------------------------------

    def calm(self) -> None:
        """The plan is what it was to be."""
        self.say(Commit(who="op", plan=self.sim.case.plan))

    def tend(self) -> None:
        sim = self.sim
        if not sim.admin.up:
            return
        world = sim.admin.world
        for machine in sim.machines:
            if (sighting := world.sightings.get(machine.mac)) is None:
                continue
            if sighting.banned:
                self.operate("unban", machine.mac)
            if not sighting.node and sighting.reason is not None and sighting.reason.code == "same_or_not":
                self._tell_apart(str(sighting.reason.fields.get("node", "")), machine)
        for node in sorted(world.nodes.values(), key=lambda n: n.id):
            if node.kind is Kind.SERVER:
                self._tend(node)
        for machine in sim.machines:
            node = world.nodes.get(machine.node)
            unknown = machine.token and node is None and machine.node not in sim.owners  # deleted while it runs: it is to boot again
            if unknown or (not machine.token and (node is None or node.boot is None or node.id not in sim.owners)):
                sim.trace(lambda m=machine: f"a person cycles {m.name}")
                boots.power_cycle(sim, machine)

    def _tend(self, node: Node) -> None:
        sim, world = self.sim, self.sim.admin.world
        machine = sim.owners.get(node.id)
        if machine is None or machine.mac not in node.macs:
            if not self._one_machine(node):
                self.operate("delete", node.id)
            return
        if node.hold:
            self.operate("release", node.id)
        if not node.available:
            self.operate("available", node.id)
        if node.off is not None:
            if node.bmc is not None:
                self.operate("power", node.id, value="on")
            else:
                boots.power_cycle(sim, machine)
        roles = [world.node_roles[key] for key in world.roles_of.get(node.id) or ()]
        ill = node.problem is not None or any(r.state is State.ERROR for r in roles)
        lost = bool(node.runs) and not node.alive and node.boot is None
        rounds = self.seen[node.id] = self.seen.get(node.id, 0) + 1 if ill or lost or node.boot is not None else 0
        if any(r is not None and r.code == "same_or_not" for r in (node.notice, node.problem)):
            self._tell_apart(str((node.notice or node.problem).fields.get("node", "")), machine)  # type: ignore[union-attr]
        conflict = any(r is not None and r.code == "identity_conflict" for r in (node.notice, node.problem))
        if rounds >= 3 and (conflict or (not node.allocated and not machine.broken)):
            self.operate("delete", node.id)
            return
        # Each of its reboots is a person's: a reinstall would ask for all of them again. Its screen shows whether a system comes up at all.
        button = node.problem is not None and node.problem.code == "no_power" and machine.system is not None
        vain = lost and node.notice is not None and node.notice.code == "boots_in_vain"
        if rounds in (5, 6, 9, 10) and (node.problem is not None or vain) and node.allocated and not button:
            self.operate("reinstall", node.id)
        elif any(r.failure is not None and "disk of the order" in str(r.failure.fields) for r in roles):
            self.operate("redeploy", node.id, "inventory")  # as it says: discover the machine again
            self.sim.counters.hit("discovered again for its disks")
            sim.clock.after(700.0, lambda: self.operate("retry", node.id))
        elif ill:
            self.operate("retry", node.id)
        if node.problem is not None and node.problem.code in ("no_power", "power_failed", "boot_timeout", "found_off"):
            sim.clock.after(5.0, lambda: self._button(machine, node.id))
        doubts = {r.code for r in (node.notice, node.problem) if r is not None} & {"bmc_unproven", "bmc_is_anothers", "bmc_moved"}
        if doubts and "bmc" in world.catalog.attributes:
            self.say(SetAttribute(who="op", layer="operator", scope=node.id, name="bmc", value={"address": machine.bmc_address}))
            sim.counters.hit("a person enters a BMC's address")
        if lost and rounds >= 2 and machine.token:
            self._button(machine)
        self._let_go_on(node, roles)

    def _let_go_on(self, node: Node, roles: list[NodeRole]) -> None:
        """Give the word that the node or its roles wait for."""
        world = self.sim.admin.world
        codes = self._codes(node)
        if codes & {"approval", "backward"}:
            self.operate("approve", node.id)
        if "not_allocated" in codes or (not node.allocated and roles and all(done(world, r) for r in roles)):
            self.operate("allocate", node.id)
        for role in roles:
            if not done(world, role) and committed(role) and role.recheck and any(b.code == "unverifiable" for b in blockers(world, role)):
                self.operate("retry", node.id, role.role)

    def _tell_apart(self, name: str, machine: Machine) -> None:
        """What this node and a machine without a node both show identifies neither; where it is the node's own machine with other ports, the
        node forgets what it is recognised by, and is merged after the next hello."""
        world = self.sim.admin.world
        node = world.nodes.get(world.names.get(name) or name)
        if node is not None and self.sim.owners.get(node.id) is machine:
            self.operate("split", node.id)
        elif node is not None:
            self.operate("split", node.id, value="uuid" if node.uuid else "serial")

    def _one_machine(self, node: Node) -> bool:
        """Its machine has another record, since its ports were changed or it was told to forget what it is recognised by. False: give it up."""
        machine = self.sim.owners.get(node.id)
        other = next(
            (n for n, m in sorted(self.sim.owners.items()) if m is machine and n != node.id and n in self.sim.admin.world.nodes), ""
        )
        rounds = self.seen[node.id] = self.seen.get(node.id, 0) + 1
        if machine is None or (not other and not machine.ports) or rounds > 6:
            return False
        if other and rounds % 2:
            self.operate("merge", node.id, value=other)  # the history is the old one's, most often
        elif other:
            self.operate("merge", other, value=node.id)
        return True

    def _button(self, machine: Machine, why: str = "") -> None:
        """`why`: for a node, unless that is gone or well by now."""
        node = self.sim.admin.world.nodes.get(why)
        if why and (node is None or node.alive):
            return
        self.sim.trace(lambda: f"a person presses the button of {machine.name}")
        boots.power_cycle(self.sim, machine)

    def _codes(self, node: Node) -> set[str]:
        world = self.sim.admin.world
        out: set[str] = set()
        for key in world.roles_of.get(node.id) or ():
            role = world.node_roles[key]
            if committed(role) and not done(world, role):
                out |= {b.code for b in blockers(world, role)}
        return out


def _words(event: Any) -> str:
    if isinstance(event, Operate):
        return f"{event.verb} {event.node} {event.role} {event.value or ''}"
    if isinstance(event, SetAttribute):
        return f"set {event.layer} {event.scope} {event.name} {'--clear' if event.clear else event.value}"
    if isinstance(event, Propose | Recall):
        wanted = f" {event.wanted or 'gone'}" if isinstance(event, Propose) else ""
        return f"{type(event).__name__.lower()} {event.deployment}{wanted}"
    return f"commit {', '.join(event.deployments)}" if isinstance(event, CommitProposals) else "commit"


Verb = Callable[[], None]
