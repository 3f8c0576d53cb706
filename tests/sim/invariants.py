"""What holds after each step. Expensive checks run after some steps, and always at the end.

Two checks are elsewhere. `promises`: nothing is promised before its commit. `work.begin`: no machine has two tasks or a wipe without a new
approval, since only the machine knows that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine import reasons
from engine.core.boot.junk import clean_serial, clean_uuid, swapped
from engine.core.hardware.disk_choice import lost_by
from engine.core.plan.proposed import as_wanted, definition
from engine.core.plan.rebind import asked
from engine.core.plan.wanted import Wanted
from engine.core.roles.attributes import OF_DEPLOYMENTS, effective
from engine.core.roles.derive import committed, done, resources, size
from engine.core.roles.guards import blockers, node_holder
from engine.core.roles.reopen import by_agent
from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.events import Commit, Happened, Hello, Operate
from engine.jigs import Order
from engine.model import TABLES, Node, NodeRole, Signal, State
from engine.reasons import Reason
from engine.runtime.loop import Loop
from engine.views.node_view import node_page
from engine.views.summary import node_row, role_row, summary

from .disks import Disk
from .machine import Machine
from .racks import naive

if TYPE_CHECKING:
    from .simulation import Simulation

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
    "values_of",
    "stale",
    "undone",
    "ready",
    "above",
    "wishes",
    "wish_of",
    "running",
    "holders",
    "kept",
    "seekers",
)
ALL_EVERY = 40
"""Steps between two looks at everything."""
VIEWS_EVERY = 160
FORGIVES = frozenset({"redeploy", "reinstall", "delete", "approve", "merge", "replace", "split", "install"})
"""An operator's words after which a machine may be wiped that was whole."""


class Invariants:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.steps = 0
        self.published = 0
        self.approved: dict[tuple[str, str], tuple[str, frozenset[str]]] = {}
        """Node role -> who approved what it destroys, and the serial numbers of the disks whose loss was shown then."""
        self.rows: dict[tuple[str, str], str] = {}
        """Node role -> by whom it is approved in the store's last row."""

    # -- after each step ------------------------------------------------------------------------------------------

    def after(self, before: World, loop: Loop[World]) -> None:
        sim, world = self.sim, loop.world
        self.steps += 1
        if sim.store.seq < self.published:
            sim.broken(f"row {self.published} was published, and {sim.store.seq} is the last")
        self.published = sim.store.seq
        for table, key, row in sim.store.take():
            if table == "node_roles":
                self._role_changed(before.node_roles.get(key), row, world)
            elif table == "nodes" and row is not None:
                self._node_changed(before.nodes.get(key), row)
        if self.steps % ALL_EVERY == 0:
            self.everything(world)
        if self.steps % VIEWS_EVERY == 0:
            self.views(world)

    def _role_changed(self, old: NodeRole | None, new: NodeRole | None, world: World) -> None:
        sim = self.sim
        if new is None:
            return
        definition = world.catalog.roles.get(new.role)
        if (
            new.state is State.ACTIVE
            and definition is not None
            and definition.destructive
            and new.approved
            and (old is None or old.state is not State.ACTIVE)
        ):
            sim.broken(f"{new.key} succeeded, and its approval is not spent")
        self._transition(old, new)
        self._approval(world, new)
        current = world.node_roles.get(new.key)
        if current is not None:
            self.reason(world, current)

    def restarted(self, world: World) -> None:
        """What the last start wrote before it was killed, and nobody has looked at."""
        for table, _, row in self.sim.store.take():
            if table == "node_roles" and row is not None:
                self._approval(world, row)

    def _approval(self, world: World, role: NodeRole) -> None:
        before, self.rows[role.key] = self.rows.get(role.key, ""), role.approved
        node = world.nodes.get(role.node)
        if node is not None and role.approved not in ("", before):
            lost = lost_by(world, node, role.role, effective(world, role, "root-disk"), effective(world, role, "raid-wanted"))
            self.approved[role.key] = (role.approved, frozenset(disk.serial for disk in lost))

    def _transition(self, old: NodeRole | None, new: NodeRole) -> None:
        hit = self.sim.counters.hit
        if old is None:
            return
        if old.state is not new.state:
            hit(f"role {old.state.value} -> {new.state.value}")
        if new.resume and not old.resume:
            hit("suspended")
        if new.resumed and not old.resumed:
            hit("resumed")
        if new.recheck and not old.recheck:
            hit("doubted: verify decides")
        if new.failure is not None and new.failure != old.failure:
            hit(f"failure {new.failure.code}")
        if old.approved and not new.approved and new.state is State.ACTIVE:
            hit("approval spent")
        if old.state is State.TRANSITION and new.state is State.WAITING and not new.failure and old.action == new.action == "run":
            hit("lost, or again")
        if new.action == "verify" and new.state is State.TRANSITION and old.state is not State.TRANSITION:
            hit("verify started after a doubt" if not new.claimed else "second look started")

    def _node_changed(self, old: Any, new: Any) -> None:
        hit = self.sim.counters.hit
        for name in ("problem", "notice"):
            reason = getattr(new, name)
            if reason is not None and (old is None or getattr(old, name) != reason):
                hit(f"{name} {reason.code}")
        if old is None:
            hit("node made")
            return
        if new.boot is not None and (old.boot is None or old.boot.tries != new.boot.tries):
            hit(f"boot by {new.boot.way.value}, try {new.boot.tries}")
        if old.alive and not new.alive and old.boot is None and new.boot is None:
            hit("found dead by probes" if new.missed else "not alive")
        if new.misboots > old.misboots:
            hit("came up in the wrong environment")
        if new.host_key != old.host_key:
            hit("host key pinned")
            claims = {(one.id, one.fingerprint) for one in (old, new)}
            by_bmc = "bmc" in (old.confirmed, new.confirmed)
            if self.sim.case.plan.site.trust == "confirmed" and not by_bmc and not claims & self.sim.people.compared:
                self.sim.broken(f"the host key of {new.id} is pinned, and nobody confirmed who told it")
        if new.confirmed and (old.confirmed, old.fingerprint) != (new.confirmed, new.fingerprint):
            hit(f"confirmed by {new.confirmed}")
            if new.confirmed == "bmc":
                self._confirmed_by_bmc(new)
        if new.stage != old.stage:
            hit(f"stage {old.stage} -> {new.stage}")
        if old.problem is not None and new.problem is None:
            hit("a problem ended")

    def reason(self, world: World, role: NodeRole) -> None:
        """A role that waits has a reason, or is looked at next; one that waits for a resource alone stands in its queue."""
        if not committed(role) or done(world, role):
            return
        found = blockers(world, role)
        if role.key in world.touched:
            return
        if not found:
            self.sim.broken(f"{role.key} {role.state.value} could start, and nobody looks at it")
        if any(r.code not in reasons.KINDS for r in found):
            self.sim.broken(f"{role.key} waits for {found}, which nobody knows")
        if all(r.code == "held" for r in found) and node_holder(world, role.node) is None:
            queued = any(entry[-1] == role.key for queue in world.queues.values() for entry in queue)
            if not queued and role.state is not State.TRANSITION:
                full = [r for r in resources(world.catalog.roles[role.role], role) if (world.running.get(r) or 0) >= size(world, r)]
                self.sim.broken(f"{role.key} waits for {full} in no queue")

    # -- at some steps --------------------------------------------------------------------------------------------

    def everything(self, world: World) -> None:
        for role in world.node_roles.values():
            self.reason(world, role)
        held: dict[str, NodeRole] = {}
        for role in world.node_roles.values():
            if role.state is State.TRANSITION:
                if role.node in held:
                    self.sim.broken(f"two node roles hold {role.node}: {held[role.node].role} and {role.role}")
                held[role.node] = role
        self.addresses(world)

    def addresses(self, world: World) -> None:
        holders: dict[str, str] = {}
        for machine in self.sim.machines:
            believed = {machine.lease} if machine.lease and machine.lease_until > self.sim.clock.now else set()
            for address in believed:
                if address in holders:
                    self.sim.broken(f"{holders[address]} and {machine.name} have the address {address}")
                holders[address] = machine.name
        for address, allocation in world.allocations.items():
            lease = world.leases.get(address)
            if lease is not None and lease.expires > world.meta.now and lease.state in ("offered", "bound"):
                self.sim.broken(f"{address} is set aside for {allocation.node} and leased to {lease.mac}")

    def watched(self, world: World) -> None:
        if wrong := self.unnoticed(world):
            self.sim.broken(f"nobody noticed in an hour: {wrong}")

    def unnoticed(self, world: World) -> list[str]:
        """Watched roles that do not hold, or that a person has changed, while the engine says otherwise."""
        wrong = []
        for role in world.node_roles.values():
            machine, definition = self.sim.owners.get(role.node), world.catalog.roles.get(role.role)
            node = world.nodes[role.node]
            if definition is None or not definition.watch_s or not definition.jig_kind.alive:
                continue  # what runs on the admin node is not done to the machine
            if role.state is not State.ACTIVE or not node.available or node.hold:
                continue
            if machine is None or machine.system is None or not node.alive or node.off is not None:
                continue
            by_hand = role.role in machine.system.by_hand
            if role.role not in machine.system.applied:
                wrong.append(f"{role.key} does not hold")
            elif by_hand != any(one.code == "changed_by_hand" for one in role.findings):
                wrong.append(f"{role.key} was{'' if by_hand else ' not'} changed by hand, and has {role.findings}")
        return wrong

    def graph(self, world: World) -> None:
        """The graph is that of the plan and the nodes, however they came. What nobody wants is kept for a reason."""
        wanted = Wanted(world)
        for node in world.nodes.values():
            own = wanted.own(node, asked(world, node))
            if isinstance(own, Reason):
                continue  # the plan cannot be met there: an allocation or a commit was refused
            have = {key[1]: world.node_roles[key] for key in world.roles_of.get(node.id, ()) if not world.node_roles[key].kept}
            if have.keys() != own.roles.keys():
                self.sim.broken(f"{node.id} has {sorted(have)}, and must have {sorted(own.roles)}")
            for name, role in have.items():
                found = (role.deployment, role.parents, role.seeks)
                must = (own.roles[name], *wanted.parents(node, own, name))
                if found != must:
                    self.sim.broken(f"{name} on {node.id} is bound to {found}, and must be to {must}")
        self.deployments(world)

    def deployments(self, world: World) -> None:
        """Those of the plan, and those of node roles that stay bound without it. A proposal wants something else than the plan has."""
        if world.plan is None:
            return
        must = {"system", *world.plan.deployments, *(name for role in world.node_roles.values() for name in world.above[role.deployment])}
        if set(world.deployments) != must:
            self.sim.broken(f"the deployments are {sorted(world.deployments)}, and must be {sorted(must)}")
        left = {key for key in world.attributes if key[0] in OF_DEPLOYMENTS and key[1] not in world.deployments}
        if left:
            self.sim.broken(f"values of deployments that are gone: {sorted(left)}")
        for name, proposal in world.proposals.items():
            if proposal.wanted == as_wanted(definition(world.plan, name)):
                self.sim.broken(f"the proposal of {name} wants what the plan has")

    def views(self, world: World) -> None:
        """Whatever is shown can be shown."""
        summary(world)
        for node in world.nodes.values():
            node_row(world, node)
            node_page(world, node)
        for role in world.node_roles.values():
            row = role_row(world, role)
            if row.state == "blocked" and not row.why:
                self.sim.broken(f"{role.key} is shown as blocked without a reason")

    def indexes(self, world: World) -> None:
        fresh = load_world(self.sim.case.catalog, self.sim.store.tables)
        for table in TABLES:
            if getattr(fresh, table) != getattr(world, table):
                self.sim.broken(f"table {table} of the world is not that of the store")
        for name in INDEXES:
            if dict(getattr(fresh, name)) != dict(getattr(world, name)):
                self.sim.broken(f"index {name} is {dict(getattr(world, name))}, built anew {dict(getattr(fresh, name))}")
        for name, index in naive(world).items():
            if dict(getattr(world, name)) != index:
                self.sim.broken(f"index {name} is {dict(getattr(world, name))}, and should be {index}")

    def died(self) -> None:
        """Nobody was told of a row that is not there."""
        if self.sim.store.seq < self.published:
            self.sim.broken(f"row {self.published} was published, and is lost")

    # -- what the truth says --------------------------------------------------------------------------------------

    def welcomed(self, machine: Machine, node: str) -> None:
        """No node contains two machines."""
        owner = self.sim.owners.get(node)
        if owner is not None and owner is not machine:
            self.sim.broken(f"node {node} is {owner.name}, and {machine.name} is welcome as that too")
        self.sim.owners[node] = machine

    def refused(self, machine: Machine, world: World, said: Hello, reason: Reason) -> None:
        """What a refused machine is told is so."""
        self.sim.counters.hit(f"hello refused: {reason.code}")
        wrong = ""
        node = world.nodes.get(world.names.get(str(reason.fields.get("node", ""))) or "")
        match reason.code:
            case "same_or_not" if node is not None:
                shown = {clean_uuid(said.uuid), swapped(clean_uuid(said.uuid)), clean_serial(said.serial)} - {""}
                wrong = (
                    "a MAC in common"
                    if set(node.macs) & set(said.macs)
                    else ""
                    if shown & {node.uuid, node.serial}
                    else "nothing in common"
                )
            case "identity_conflict":
                owner = world.nodes.get(world.macs.get(machine.mac) or "")
                alike = [n for n in world.nodes.values() if n is not owner and {n.uuid, n.serial} & {said.uuid, said.serial} - {""}]
                if owner is not None and (owner.uuid, owner.serial) == (said.uuid, said.serial) and not alike:
                    wrong = f"it shows exactly what {owner.id} has, and nobody else does"
            case "no_identity" | "agent_protocol":
                wrong = "that cannot be"
            case "mac_not_listed" if not machine.ports:  # with another card, a nonce of before is for a port that is gone
                wrong = "its ports are those of before"
            case "copied_credential" if not machine.ports:
                wrong = "its ports are those that its node knows"
            case "banned" if not any(s.banned for s in world.sightings.values()):
                wrong = "nobody is banned"
        if wrong:
            self.sim.broken(f"{machine.name} is refused with {reason.code} {dict(reason.fields)}: {wrong}")

    def _confirmed_by_bmc(self, node: Node) -> None:
        """The BMC that confirms a claim is in the machine that made it."""
        here = [m for m in self.sim.machines if m.boot_id == node.boot_id]
        if any(node.bmc is None or m.bmc_address != node.bmc.address for m in here):
            self.sim.broken(f"{here[0].name} is confirmed as {node.id} by the BMC {node.bmc}, which is not its own")
        self.sim.people.compared.add((node.id, node.fingerprint))

    def hands_over(self, machine: Machine, order: Order) -> None:
        """No secret, and no credential, gets to a machine before its own BMC, or somebody who saw its screen, has confirmed it."""
        if order.role.name not in self.sim.case.catalog.needs_claim or self.sim.case.plan.site.trust == "network":
            return
        by_bmc = order.node.confirmed == "bmc" and order.node.bmc is not None and order.node.bmc.address == machine.bmc_address
        if machine.runs == "sledgehammer" and not by_bmc and (order.node.id, machine.screen) not in self.sim.people.compared:
            self.sim.broken(f"{machine.name} gets the secrets of {order.attempt} as {order.node.id}, and nobody confirmed that it is that")
        self.sim.counters.hit("secrets for a confirmed claim")

    def writes(self, order: Order, disk: Disk) -> None:
        """Nothing is written to a disk whose loss nobody approved."""
        key = (order.node.id, order.role.name)
        by, lost = self.approved.get(key, ("", frozenset()))
        role = self.sim.store.tables["node_roles"].get(key)
        wipe = self.sim.admin.world.plan.approve.wipe if self.sim.admin.world.plan is not None else "nothing"
        good = disk.serial in lost or (
            by == "plan" and (wipe == "all" or not disk.signature or disk.label == order.attributes["install-disk"]["label"])
        )
        if not good and role is not None:
            self.sim.broken(
                f"{key} writes to {disk.serial} ({disk.signature or 'blank'}): {by or 'nobody'} approved the loss of {set(lost)}"
            )
        self.sim.counters.hit(f"wrote to a disk that {'the plan' if by == 'plan' else 'a person'} approved")

    def nothing_for(self, node: str, world: World) -> None:
        """An order to go down is not lost: the agent that asks is told of it, whenever the engine was killed."""
        machine, found = self.sim.owners.get(node), world.nodes.get(node)
        boot = found.boot if found is not None else None
        if machine is None or found is None or boot is None or not (by_agent(world, found, boot) and boot.ordered and found.available):
            return
        if boot.failure is not None or boot.signal not in (Signal.OPENED, Signal.POWERED) or found.boot_id != machine.boot_id:
            return
        before, times = machine.nothing
        machine.nothing = (boot.generation, times + 1 if before == boot.generation else 1)
        if machine.nothing[1] > 2:
            self.sim.broken(
                f"the agent of {node} asks, and is not told to begin boot {boot.generation} by {boot.way.value}: the order is lost"
            )

    def recorded(self, happened: Happened, changes: Any) -> None:
        """An operator's word became durable: what it allows on the machines."""
        event = happened.event
        if isinstance(event, Commit) or not isinstance(event, Operate) or not changes:
            return
        world = self.sim.admin.world
        node = world.names.get(event.node) or event.node
        machine = self.sim.owners.get(node)
        if event.verb == "delete":
            self.sim.owners.pop(node, None)
        if event.verb == "merge":
            self.sim.owners.pop(world.names.get(str(event.value)) or str(event.value), None)
        if machine is None:
            return
        if event.role and event.verb in ("redeploy", "retry", "approve"):
            machine.whole.pop(event.role, None)
        elif not event.role and event.verb in FORGIVES:
            machine.whole.clear()

    def same_again(self) -> None:
        """The recorded events, decided again, give the same world."""
        sim = self.sim
        world = load_world(sim.case.catalog, {})
        for batch in sim.store.history:
            if batch is None:
                world = load_world(sim.case.catalog, {t: dict(getattr(world, t)) if t != "meta" else {(): world.meta} for t in TABLES})
                continue
            work = Work(world)
            for happened in batch:
                step(work, happened)
            world = work.finish()
        for table in TABLES:
            there = {(): world.meta} if table == "meta" else dict(getattr(world, table))
            if there != sim.store.tables[table]:
                sim.broken(f"the recorded events give another table {table}")
