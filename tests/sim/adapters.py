"""The engine's adapters in virtual time: the runner's waiting, power orders, the agents' mailbox, SSH, and this machine's own tasks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from engine import reasons
from engine.core.hardware.bmc import theirs, usable, why_not
from engine.core.world.world import World
from engine.effects import BootNode, Effect, Identify, Probe, Prove, SetPower
from engine.events import Event, Outcome, Powered, PowerSet, Proved
from engine.jigs import Order
from engine.jigs.agent import AgentJig
from engine.jigs.outcome import not_reached, outcome
from engine.model import Node, Way
from engine.runtime.runner import Ports, Runner
from engine.wire import agent as wire
from engine.wire.agent import Ended, Kexec, Reboot

from . import bmc, work
from .clock import CancelScope
from .machine import Machine

if TYPE_CHECKING:
    from .simulation import Simulation


class NoLogs:
    """Logs are no part of the simulation."""

    def open(self, *_: Any) -> None: ...
    def close(self, *_: Any) -> None: ...
    def flush(self, *_: Any) -> None: ...
    def tail(self, _attempt: str) -> tuple[str, bool]:
        return "", False


class SimRunner(Runner):
    """The real one, but a blocking call does so in virtual time: it is made now, and its result comes later. The engine may be
    killed in between."""

    def __init__(self, sim: Simulation, ports: Ports, scope: CancelScope) -> None:
        super().__init__(ports)
        self._sim, self._scope = sim, scope

    def _blocking(self, call: Callable[[Effect], Event], effect: Effect) -> None:
        sim, random = self._sim, self._sim.random("hands")
        before, after = (30.0, 0.0) if isinstance(effect, Probe) else (random.uniform(0.2, 5), random.uniform(0.1, 15))

        def move() -> None:
            event = call(effect)
            sim.clock.after(after, lambda: self._ports.submit(event), self._scope)

        sim.clock.after(before, move, self._scope)


class SimPower:
    """`PowerOrders`, with a BMC of the simulation."""

    def __init__(self, sim: Simulation, command: Callable[[str, int, dict[str, str]], bool]) -> None:
        self._sim, self._command = sim, command

    def carry_out(self, order: BootNode, node: Node) -> Powered:
        failure, spoken = None, ""
        self._sim.counters.hit(f"boot ordered: {order.way.value}")
        match order.way:
            case Way.OWN:
                pass
            case Way.KEXEC:
                if not self._command(node.id, order.generation, Kexec(environment=order.environment)):
                    failure = reasons.refused(node=node.name, attempt="kexec", message="its agent does not listen")
            case _ if usable(self._world, node) is None:
                if not self._command(node.id, order.generation, Reboot()):
                    failure = why_not(self._world, node) or reasons.no_power(node=node.name)
            case _ if (failure := self._not_own(node)) is not None:
                if self._command(node.id, order.generation, Reboot()):
                    failure = None
            case _:
                action = "boot disk" if order.way is Way.DISK else "boot network"
                _, failure, spoken = bmc.ask(self._sim, node, self._machine(node), action)
        return Powered(node=order.node, generation=order.generation, failure=failure, bmc=spoken)  # type: ignore[arg-type]

    def set_power(self, order: SetPower | Identify, node: Node) -> PowerSet:
        action = order.action if isinstance(order, SetPower) else "identify"
        failure, state, spoken = why_not(self._world, node) or self._not_own(node), "", ""
        if failure is None:
            state, failure, spoken = bmc.ask(self._sim, node, self._machine(node), action)  # type: ignore[assignment]
        return PowerSet(
            node=order.node,
            action=action,
            who=order.who,
            request=order.request,
            state=state,
            failure=failure,
            bmc=spoken,  # type: ignore[arg-type]
            seconds=order.seconds if isinstance(order, Identify) else 0,
        )

    @property
    def _world(self) -> World:
        return self._sim.admin.world

    def _not_own(self, node: Node, reading: bool = False) -> reasons.Reason | None:
        """The BMC tells what stands on its machine's label."""
        machine = self._machine(node)
        if machine is None or node.bmc is None:
            return None
        doubt = theirs(self._world, node, node.bmc, (machine.uuid,), (machine.serial,), reading=reading)
        if doubt is not None:
            self._sim.counters.hit(f"a BMC is not used: {doubt.code}")
        return doubt

    def shows(self, node: Node, text: str) -> reasons.Reason | None:
        machine = self._machine(node)
        why = why_not(self._world, node) or self._not_own(node, reading=True)
        if why is None:
            _, why, _ = bmc.ask(self._sim, node, machine, "status")
        if why is None and (machine is None or machine.note != text):
            why = reasons.not_shown(node=node.name, address="", message="it shows something else")
        return why

    def _machine(self, node: Node) -> Machine | None:
        return next((m for m in self._sim.machines if node.bmc is not None and m.bmc_address == node.bmc.address), None)


class SimProofs:
    """`Proofs`, with a BMC of the simulation."""

    def __init__(self, sim: Simulation, mailbox: AgentJig, power: SimPower) -> None:
        self._sim, self._mailbox, self._power = sim, mailbox, power

    def write(self, order: Prove, node: Node, ways: tuple[str, ...]) -> Future[Ended]:
        text = f"{node.id} {order.boot_id} {order.number}"
        return self._mailbox.prove(node.id, order.boot_id, wire.Prove(id=f"prove-{order.number}", text=text, ways=" ".join(ways)))

    def read(self, order: Prove, node: Node, ended: Ended) -> Proved:
        failure = self._power.shows(node, f"{node.id} {order.boot_id} {order.number}")
        if ended.exit:
            failure = reasons.not_written(node=node.name, message=ended.message)
        self._sim.counters.hit("a BMC confirms a claim" if failure is None else f"a BMC confirms no claim: {failure.code}")
        return Proved(node=order.node, number=order.number, failure=failure)


class Mailbox(AgentJig):
    """The real mailbox; a task is its order, not packed."""

    def order(self, node: str, attempt: str, boot_id: str) -> Order | None:
        with self._lock:
            box = self._boxes.get(node)
            found = box.orders.get(attempt) if box is not None else None
        if found is None or found.start.resume or found.node.boot_id != boot_id:
            return None
        self.knows(node, attempt)
        return found


class SimSsh:
    """Jig `script`: what `jigs.detached` does over SSH, with one look after another in virtual time."""

    def __init__(self, sim: Simulation, submit: Callable[[Event], bool], scope: CancelScope) -> None:
        self._sim, self._submit, self._scope = sim, submit, scope
        self._jobs: dict[str, Order] = {}
        self._orders: dict[str, Order] = {}

    def start(self, order: Order) -> None:
        self._jobs[order.attempt] = self._orders[order.attempt] = order
        self._turn(order, first=True)

    def acknowledge(self, attempt: str, node: str) -> None:
        self._jobs.pop(attempt, None)
        order = self._orders.pop(attempt, None)
        machine = self._machine(order) if order is not None else None
        if order is not None and machine is not None:
            self._sim.net.request(machine, self._scope, lambda reply: reply(_forget(machine, order)), lambda _answer: None)

    def close(self) -> None:
        self._jobs.clear()

    def _machine(self, order: Order) -> Machine | None:
        """Who answers at that address."""
        if order.target is None:
            return None
        found = (m for m in self._sim.machines if m.system is not None and m.system.address == order.target.address)
        return next(found, None)

    def _turn(self, order: Order, first: bool = False, told: bool = False) -> None:
        machine = self._machine(order)
        if machine is None:
            self._sim.clock.after(1.0, lambda: self._looked(order, None, told), self._scope)
            return
        begin = first and not order.start.resume

        def serve(reply: Callable[[Any], None]) -> None:
            reply(_attempt(self._sim, machine, order, begin))

        self._sim.net.request(machine, self._scope, serve, lambda answer: self._looked(order, answer, told), timeout_s=20.0, overdue=False)

    def _looked(self, order: Order, ended: Ended | None, told: bool) -> None:
        if self._jobs.get(order.attempt) is not order:
            return
        if ended is None:
            del self._jobs[order.attempt]
            why = reasons.unreachable_node(node=order.node.name, address="", message="no route")
            self._submit(not_reached(order.attempt, order.node.id, why))
            return
        if ended.state == "running":
            if order.start.resume and not told:
                self._submit(Outcome(attempt=order.attempt, node=order.node.id, what="running"))
            self._sim.clock.after(3.0, lambda: self._turn(order, told=True), self._scope)
            return
        del self._jobs[order.attempt]
        self._submit(
            outcome(
                attempt=order.attempt,
                node=order.node.id,
                role=order.role,
                action=order.start.action,
                timeout_s=order.timeout_s,
                ended=ended,
            )
        )


def _attempt(sim: Simulation, machine: Machine, order: Order, begin: bool) -> Ended | None:
    """The `attempt` tool of the system that is installed; None: nothing answers, or another machine than the one that is meant."""
    system = machine.system
    if system is None or machine.runs != system.os or order.target is None or order.target.host_key != system.host_key:
        return None
    record = system.attempts.get(order.attempt)
    if record is None and begin:
        record = work.begin(sim, machine, order, system.attempts)
    if record is None:
        return Ended(state="lost")
    if record.acknowledged:
        return Ended(state="acknowledged")
    if record.running:
        return Ended(state="running")
    return record.ended or Ended(state="lost")


def _forget(machine: Machine, order: Order) -> None:
    record = machine.system.attempts.get(order.attempt) if machine.system is not None else None
    if record is not None and record.ended is not None:
        record.acknowledged = True


class SimLocal:
    """Jig `local`: tasks on the admin node, detached, so that they outlive an engine."""

    def __init__(self, sim: Simulation, submit: Callable[[Event], bool], scope: CancelScope, done: dict[str, float]) -> None:
        self._sim, self._submit, self._scope, self._done = sim, submit, scope, done
        """`done`: attempt -> when it ends; it lies on the admin node's disk."""

    def start(self, order: Order) -> None:
        if order.start.resume and order.attempt not in self._done:
            self._submit(Outcome(attempt=order.attempt, node=order.node.id, what="lost"))
            return
        at = self._done.setdefault(order.attempt, self._sim.clock.now + self._sim.random("hands").uniform(0, 3))

        def end() -> None:
            gives = {name: f"{name} of admin" for name in order.role.gives}
            self._submit(Outcome(attempt=order.attempt, node=order.node.id, what="done", gives=gives))

        self._sim.clock.after(at - self._sim.clock.now, end, self._scope)

    def acknowledge(self, attempt: str, node: str) -> None: ...
    def close(self) -> None: ...
