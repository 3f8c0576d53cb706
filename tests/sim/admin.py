"""The engine's process: the real loop and runner in virtual time, its services, and its death at any moment.

Whoever asks while it is down is refused. Where it is killed is said beforehand (`armed`), so that each point is met: between any two effects,
in a step, before, in and after a commit.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from zlib import crc32

from msgspec import to_builtins
from msgspec.structs import replace

from engine import reasons
from engine.core.boot.boot import open_generation
from engine.core.plan.pieces import checked
from engine.core.roles.watch import is_look
from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import JIGS
from engine.effects import Accept, Acknowledge, BootScript, Effect, Refuse, SendDhcp, Start, Welcome
from engine.events import DhcpAsked, Event, Happened, Hello, ScriptAsked, Started
from engine.jigs.noop import NoopJig
from engine.model import Node
from engine.requests import Asker, Request
from engine.runtime.contact import silent_nodes
from engine.runtime.last_values import LastValues
from engine.runtime.loop import Clock as LoopClock
from engine.runtime.loop import Loop
from engine.runtime.runner import Ports
from engine.wire.agent import Ended, Kexec, Reboot
from engine.wire.dhcp import DhcpRequest
from engine.wire.reach import Reach

from . import promises
from .adapters import Mailbox, NoLogs, SimLocal, SimPower, SimProofs, SimRunner, SimSsh
from .clock import CancelScope
from .machine import Machine
from .store import Killed

if TYPE_CHECKING:
    from .simulation import Simulation

SILENCE_S = 90.0
WATCH_S = 15.0
POLL_S = 25.0


class Admin:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.up = False
        self.scope = CancelScope()
        self.armed = ""
        """Where the process is killed when it comes there next."""
        self.stall_s = 0.0
        """Once, before the next batch."""
        self.local: dict[str, float] = {}
        self.stays_down_s = 0.0
        self.starts = 0
        self.ordered: dict[tuple[str, int], int] = {}
        """Node and generation of a boot that an agent begins -> the start of the engine in which it was first told to."""
        sim.store.point = self._here

    # -- its starts -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        sim, clock = self.sim, self.sim.clock
        self.scope, self.up, self.starts = CancelScope(), True, self.starts + 1
        self._turning, self._alarm_at = False, 0.0
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Callable[[Any], None]] = {}
        self._results: dict[tuple[str, str], Callable[[Any], None]] = {}
        self._told: set[tuple[str, str]] = set()
        self._polls: dict[str, Callable[[], None]] = {}
        self._begun = clock.now
        self.last_values = LastValues(clock.wall, clock.monotonic)
        self.mailbox = Mailbox(  # type: ignore[arg-type]
            self.submit, NoLogs(), clock.monotonic, open_boot=lambda node: open_generation(self.loop.world, node)
        )
        self.mailbox.listen(self._wake, self._tells)
        world = load_world(sim.catalog, sim.store.tables)
        sim.invariants.restarted(world)
        self.loop: Loop[World] = Loop(
            store=sim.store,
            world=world,
            apply=self._apply,
            work=Work,
            run_effects=self._run,
            checks=checked,
            clock=LoopClock(clock.wall, clock.monotonic),
            limit=sim.random("admin").choice([1, 3, 16, 128]),
        )
        self.runner = SimRunner(sim, self._ports(), self.scope)
        try:
            self.loop.begin(Started(installation="i5", v6="0123456789", admin="admin.example.net"))
        except Killed:
            self.die()
            return
        if self._failed():
            return
        self._soon()
        clock.after(WATCH_S, self._watch, self.scope)

    def die(self) -> None:
        """kill -9, or power: what was in memory is gone."""
        if not self.up:
            return
        sim = self.sim
        sim.trace(lambda: "the engine dies")
        sim.invariants.died()
        self.up = False
        self.scope.end()
        sim.store.lose()
        down = self.stays_down_s or sim.random("admin").uniform(1, 30)
        self.stays_down_s = 0.0
        sim.clock.after(down, self.start)

    def stop(self) -> None:
        """In order, as a person stops it."""
        if self.up:
            self.sim.counters.hit("stopped in order")
            try:
                self.loop.stop()
            except Killed:
                self.sim.counters.hit("killed while it stops")
            self.die()

    @property
    def world(self) -> World:
        return self.loop.world

    def _ports(self) -> Ports:
        sim = self.sim
        power = SimPower(sim, self._command)  # type: ignore[arg-type]
        jigs: dict[str, Any] = {
            "agent": self.mailbox,
            "local": SimLocal(sim, self.submit, self.scope, self.local),
            "bmc": self.mailbox,  # the machine stands for its BMC
            "noop": NoopJig(self.submit),
        }
        # A machine that is not there has no Puppet, Chef or Python: its `attempt` takes these tasks, too, as in a rehearsal.
        jigs |= {name: SimSsh(sim, self.submit, self.scope) for name, kind in JIGS.items() if kind.serves == "installed"}
        return Ports(
            submit=self.submit,
            world=lambda: self.loop.world,
            send_dhcp=self._send_dhcp,
            answer=self._answer,
            jigs=jigs,
            power=power,  # type: ignore[arg-type]
            proofs=SimProofs(sim, self.mailbox, power),  # type: ignore[arg-type]
            is_there=self._is_there,
            open_handle=lambda _world, node, value: f"{node.id}/{node.installing}" if value == {"$secret": "credential"} else str(value),
            secrets=lambda: (),
            reach=Reach(),
            last_values=self.last_values,
        )

    # -- the loop -------------------------------------------------------------------------------------------------

    def submit(self, event: Event) -> bool:
        if not self.up or not self.loop.submit(event, wait=False):
            return False
        self._soon()
        return True

    def _soon(self) -> None:
        if not self._turning:
            self._turning = True
            delay, self.stall_s = self.stall_s + self.sim.random("admin").uniform(0, 0.01), 0.0
            self.sim.clock.after(delay, self._turn, self.scope)

    def _turn(self) -> None:
        self._turning = False
        before = self.loop.world
        try:
            many = self.loop.turn()
        except Killed:
            self.die()
            return
        if self._failed():
            return
        if many:
            self._soon()
            self.sim.invariants.after(before, self.loop)
        else:
            self._alarm()

    def _alarm(self) -> None:
        """Turn again when the next wake is due."""
        wake = self.loop.next_wake()
        if wake is None:
            return
        at = self.sim.clock.now + max(wake - self.loop.now(), 0.0) + 0.001
        if self._alarm_at <= self.sim.clock.now or at < self._alarm_at:
            self._alarm_at = at
            self.sim.clock.after(at - self.sim.clock.now, self._soon, self.scope)

    def _failed(self) -> bool:
        if self.loop.letters:
            self.sim.broken(f"an event could not be worked on: {self.loop.letters[-1].traceback}")
        if self.loop.failure:
            self.sim.counters.hit("the store failed")
            self.die()
        return bool(self.loop.failure)

    def _here(self, where: str) -> bool:
        if self.armed != where:
            return False
        self.armed = ""
        self.sim.counters.hit(f"killed {where}")
        return True

    def _apply(self, work: Work, happened: Happened) -> Any:
        if self._here("in a step"):
            raise Killed
        return step(work, happened)

    def _run(self, effects: list[Effect]) -> None:
        cut = self._cut(effects)
        # The replies of a batch leave last, together: one that is killed among the effects before them sends none.
        todo = effects if cut is None else [e for e in effects[:cut] if not isinstance(e, SendDhcp)]
        for effect in todo:
            self.sim.counters.hit(f"effect {type(effect).__name__}")
            if isinstance(effect, Start) and is_look(effect.attempt):
                self.sim.counters.hit("look ordered")
            promises.check(self.sim, effect)
        self.runner.run(todo)
        if cut is not None:
            raise Killed

    def _cut(self, effects: list[Effect]) -> int | None:
        """How many effects are carried out before the process ends; None: all, and it does not."""
        if self._here("after the commit"):
            return 0
        when, _, name = self.armed.partition(" ")
        if when not in ("before", "after"):
            return None
        for i, effect in enumerate(effects):
            if type(effect).__name__ == name:
                self._here(self.armed)
                return i + (when == "after")
        return None

    # -- its services ---------------------------------------------------------------------------------------------

    def dhcp(self, request: DhcpRequest) -> None:
        self.submit(DhcpAsked(request=request, interface="eth1"))

    def _send_dhcp(self, replies: list[SendDhcp]) -> None:
        for effect in replies:
            to = effect.reply.to.mac
            for machine in self.sim.machines:
                if machine.mac == to:
                    reply = effect.reply
                    self.sim.net.datagram(machine, lambda r=reply, m=machine: self.sim.hears(m, r))

    def asks(self, make: Callable[[int], Event], reply: Callable[[Any], None]) -> None:
        if not self.up:
            reply(None)
            return
        number = next(self._numbers)
        self._waiting[number] = reply
        if not self.submit(make(number)):
            self._waiting.pop(number)
            reply(None)

    def script(self, mac: str, address: str, reply: Callable[[Any], None]) -> None:
        nonce = f"{self.sim.random('nonces').getrandbits(64):016x}"
        self.asks(lambda number: ScriptAsked(request=Request(Asker.HTTP, number), mac=mac, address=address, nonce=nonce), reply)

    def hello(self, machine: Machine, boot_id: str, nonce: str, reply: Callable[[Any], None]) -> None:
        credential, _, installation = (machine.system.credential if machine.system is not None and not nonce else "/").partition("/")
        fingerprint = f"{crc32(f'{nonce} {boot_id}'.encode()):08x}" if nonce else ""

        def heard(answer: Any) -> None:
            if isinstance(answer, Welcome) and boot_id == machine.boot_id:
                machine.screen = fingerprint
                self.sim.invariants.welcomed(machine, answer.node)
            elif isinstance(answer, Refuse):
                self.sim.invariants.refused(machine, self.loop.world, said, answer.reason)
            reply(answer)

        address = machine.lease if nonce else (machine.system.address if machine.system is not None else "")
        said = Hello(
            request=Request(Asker.HTTP, 0),
            nonce=nonce,
            credential=credential,
            installation=installation,
            fingerprint=fingerprint,
            boot_id=boot_id,
            environment=machine.runs,
            uuid=machine.hello_uuid or machine.uuid,
            serial=machine.hello_serial or machine.serial,
            macs=(machine.mac,),
            address=address,
            arch="x86_64",
        )
        self.asks(lambda number: replace(said, request=Request(Asker.HTTP, number)), heard)

    def tenant(self, machine: Machine, node: str, installation: str, environment: str) -> None:
        """Somebody who had the machine before says hello, and shows all that it shows."""
        said = Hello(
            request=Request(Asker.HTTP, 0),
            credential=node,
            installation=installation,
            boot_id="b-tenant",
            environment=environment,
            uuid=machine.uuid,
            serial=machine.serial,
            macs=(machine.mac,),
            address=machine.lease,
            arch="x86_64",
        )

        def heard(answer: Any) -> None:
            if isinstance(answer, Welcome):
                self.sim.broken(f"a former tenant is welcome as {answer.node} with the credential of {installation} from {environment}")
            elif isinstance(answer, Refuse):
                self.sim.counters.hit(f"tenant refused: {answer.reason.code}")

        self.asks(lambda number: replace(said, request=Request(Asker.HTTP, number)), heard)

    def _token(self, node: str, boot_id: str) -> bool:
        found = self.loop.world.nodes.get(node) if self.up else None
        good = found is not None and found.boot_id == boot_id
        if good:
            self.last_values.contact(node)
        return good

    def next(self, node: str, boot_id: str, reply: Callable[[Any], None], until: float = 0.0) -> None:
        if not self.up:
            reply(None)
            return
        if not self._token(node, boot_id):
            self.sim.counters.hit("an old token")
            reply("refused")
            return
        clock, scope = self.sim.clock, self.scope
        until = until or clock.now + POLL_S
        command, soon = self.mailbox.take(node, boot_id)
        if command is not None:
            reply(to_builtins(command))
            return
        if clock.now >= until - 0.5:
            self.sim.invariants.nothing_for(node, self.loop.world)
            reply("nothing")
            return
        waits = [True]

        def again() -> None:
            if waits[0]:
                waits[0] = False
                self.next(node, boot_id, reply, until)

        self._polls[node] = lambda: clock.after(0.0, again, scope)
        clock.after(min(soon + 0.01, until - clock.now), again, scope)

    def task(self, node: str, boot_id: str, attempt: str, reply: Callable[[Any], None]) -> None:
        if not self._token(node, boot_id):
            reply(None)
            return
        reply(self.mailbox.order(node, attempt, boot_id) or "late")

    def result(self, node: str, boot_id: str, attempt: str, said: dict[str, Any], reply: Callable[[Any], None]) -> None:
        if not self._token(node, boot_id):
            reply(None)
            return
        self._results[(node, attempt)] = reply
        if self.mailbox.posted(node, attempt, Ended(**said)) != "wait":
            self._results.pop((node, attempt), None)
            reply("acknowledged" if said["state"] != "running" else "heard")

    def _tells(self, node: str, attempt: str) -> bool:
        told = (node, attempt) in self._told
        self._told.discard((node, attempt))
        return told

    def _wake(self, node: str) -> None:
        waiting = self._polls.pop(node, None)
        if waiting is not None:
            waiting()

    def _answer(self, effect: BootScript | Welcome | Accept | Refuse | Acknowledge) -> None:
        if isinstance(effect, Accept | Refuse) and (effect.request is None or effect.request.asker is Asker.OPERATOR):
            self.sim.people.answered(effect)
            return
        if isinstance(effect, Acknowledge):
            reply = self._results.pop((effect.node, effect.attempt), None)
            if reply is not None:
                self._told.add((effect.node, effect.attempt))
                reply("acknowledged")
            return
        found = self._waiting.pop(effect.request.number, None) if effect.request is not None else None
        if found is None:
            return
        if isinstance(effect, Welcome):
            self.last_values.contact(effect.node)
        found(effect)

    def _command(self, node: str, generation: int, command: Reboot | Kexec) -> bool:
        found, heard = self.loop.world.nodes.get(node), self.last_values.last_contact(node)
        silent = self.sim.clock.now - (self._begun if heard is None else heard)
        if found is None or not found.boot_id or silent > SILENCE_S:
            return False
        if self.ordered.setdefault((node, generation), self.starts) != self.starts:
            self.sim.counters.hit("an order in a mailbox was given again")
        self.mailbox.command(node, found.boot_id, command, generation)
        if self._here("with an order in a mailbox"):
            self._dies_with_order(node)
        return True

    def _dies_with_order(self, node: str) -> None:
        """The agent cannot be reached now, so that the order is `powered`, and still in the mailbox when the engine dies."""
        machine = self.sim.owners.get(node)
        if machine is not None:
            machine.reachable = False
            self.sim.clock.after(40.0, lambda: setattr(machine, "reachable", True))
        self.sim.clock.after(20.0, self.die, self.scope)

    def _is_there(self, node: Node, target: Any) -> bool:
        """The probe has waited for 30 s. In sledgehammer the agent must have been heard meanwhile; an installed system is asked by SSH."""
        if node.runs == "sledgehammer":
            heard = self.last_values.last_contact(node.id)
            return heard is not None and self.sim.clock.now - heard < SILENCE_S / 3
        for machine in self.sim.machines:
            system = machine.system
            if target is not None and system is not None and system.address == target.address and machine.reachable:
                return machine.runs == system.os and target.host_key == system.host_key and machine.boot_id == node.boot_id
        return False

    def _watch(self) -> None:
        for event in silent_nodes(self.loop.world, self.last_values.last_contact, self.sim.clock.now, SILENCE_S):
            self.submit(event)
        self.sim.clock.after(WATCH_S, self._watch, self.scope)


def of_request(event: Any, request: Request) -> Any:
    return replace(event, request=request)


__all__ = ["Admin", "of_request", "reasons"]
