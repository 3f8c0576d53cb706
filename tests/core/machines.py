"""The machines of a rack that is nowhere: what they keep, how they boot, and what a task does to them. `rack` holds them together.

`Machines` is the machines' side of `rack.Rack`: they send events to the engine by `feed`, and their own time passes by `_in`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from engine import reasons
from engine.core.roles.attributes import inputs_hash
from engine.core.world.world import World
from engine.definitions import RoleDef
from engine.effects import BootScript, Effect, Refuse, SendDhcp, Start, Welcome
from engine.events import Bye, DhcpAsked, Event, Fetched, Hello, Outcome, ScriptAsked
from engine.requests import Asker, Request
from engine.wire.dhcp import DhcpKind, DhcpRequest


class Record:
    """What a machine knows of one leg of an attempt."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.running = True
        self.outcome: Outcome | None = None
        self.acknowledged = False


class Machine:
    def __init__(self, number: int) -> None:
        self.number = number
        self.mac = f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
        self.uuid = f"4c4c4544-0000-1000-8000-{number:012x}"
        self.serial = f"SN{number:04d}"
        self.epoch = 0
        """Counts power cycles and boots: what belongs to an older one is void."""
        self.runs = ""
        self.boot_id = ""
        self.node = ""
        self.welcomed = False
        self.leased = ""
        self.installed = ""
        self.credential = self.installation = ""
        self.memory: dict[str, Record] = {}
        self.disk: dict[str, Record] = {}
        self.applied: dict[str, str] = {}
        """Role -> inputs with which it was carried out."""
        self.wipes: dict[str, int] = {}
        self.whole: set[str] = set()
        """Destructive roles that ended well: wiping for them again is the sin."""
        self.legs: dict[str, int] = {}
        self.reachable = True
        self.bmc_lies = 0
        self.bmc_dead = 0
        self.kexec_hangs = 0
        self.dies_after = 0
        """So many of its next tasks end with the machine going away before it can say so."""
        self.wrong = 0
        """So many of its next boots go to the other environment."""
        self.fails: dict[str, int] = {}
        self.false_claims: dict[str, int] = {}
        self.firmware_boots = 0
        self.ended: list[str] = []

    @property
    def attempts(self) -> dict[str, Record]:
        return self.memory if self.runs == "sledgehammer" else self.disk

    @property
    def address(self) -> str:
        return f"10.0.0.{100 + self.number}"


class Machines:
    """What `Rack` is made of on the machines' side."""

    world: World
    random: Random
    seq: int
    waiting: dict[Any, tuple[Machine, int, Callable[[Effect], None]]]
    behaviour: dict[str, str]

    def feed(self, event: Event) -> list[Effect]:
        raise NotImplementedError

    def after(self, seconds: float, call: Callable[[], None], owner: str = "machine") -> None:
        raise NotImplementedError

    def between(self, low: float, high: float, *of: object) -> float:
        """Seconds, drawn. `of`: the machine and what it does there."""
        raise NotImplementedError

    def empty(self, node_id: str) -> None:
        raise NotImplementedError

    # -- tasks on a machine ----------------------------------------------------------------------------------------

    def order(self, machine: Machine, start: Start) -> None:
        record = machine.attempts.get(start.attempt)
        if record is None and start.resume:
            self.feed(Outcome(attempt=start.attempt, node=start.node, what="lost"))
        elif record is None:
            for other in machine.attempts.values():
                assert not other.running, f"two tasks on machine {machine.number}: {other.start} and {start}"
            machine.attempts[start.attempt] = record = Record(start)
            key = (start.node, start.role)
            view = self.world.node_roles[key]
            inputs = inputs_hash(self.world, view)
            seconds = self.between(0.5, 60, machine.number, start.role, start.action)
            self._in(machine, seconds, lambda: self._end(machine, record, inputs))
        elif record.running:
            self.feed(Outcome(attempt=start.attempt, node=start.node, what="running"))
        elif record.outcome is None:
            self.feed(Outcome(attempt=start.attempt, node=start.node, what="lost"))
        else:
            self._tell(machine, record)

    def _end(self, machine: Machine, record: Record, inputs: str) -> None:
        start = record.start
        definition = self.world.catalog.roles.get(start.role)
        if definition is None:
            return
        record.running = False
        machine.ended.append(start.attempt)
        record.outcome = self.carry(machine, start, definition, inputs)
        if machine.dies_after:
            machine.dies_after -= 1
            self.power_on(machine)
            return
        self._tell(machine, record)

    def carry(self, machine: Machine, start: Start, definition: RoleDef, inputs: str) -> Outcome:
        """What the role's script does to the machine, and says."""
        name, node, how = definition.name, start.node, self.behaviour.get(definition.name, "")
        gives = {g: self.value(machine, g) for g in definition.gives}
        if start.action == "verify":
            there = name in machine.applied and (definition.destructive or machine.applied[name] == inputs)
            failure = None if there else reasons.verify_failed(role=name, line="no")
            what = "done" if there else "failed"
            return Outcome(attempt=start.attempt, node=node, what=what, gives=gives if there else {}, failure=failure)
        if machine.fails.get(name):
            machine.fails[name] -= 1
            return Outcome(attempt=start.attempt, node=node, what="failed", failure=reasons.script_failed(role=name, exit=3, line="broken"))
        if "again" in how and machine.legs.get(name, 0) < 2:
            machine.legs[name] = machine.legs.get(name, 0) + 1
            return Outcome(attempt=start.attempt, node=node, what="again", after=5.0, reboot="reboot" in how)
        machine.legs.pop(name, None)
        if definition.destructive:
            assert name not in machine.whole, f"machine {machine.number} is wiped again by {name}"
            machine.whole.add(name)
            machine.wipes[name] = machine.wipes.get(name, 0) + 1
        if machine.false_claims.get(name):
            machine.false_claims[name] -= 1
            machine.whole.discard(name)
            return Outcome(attempt=start.attempt, node=node, what="done", gives=gives)
        changed = machine.applied.get(name) != inputs
        machine.applied[name] = inputs
        if "installed" in definition.gives:
            machine.installed, machine.credential, machine.disk = "debian-12", node, {}
            machine.installation = start.attempt.rpartition(".")[0] if "credential" in definition.reads else ""
        return Outcome(attempt=start.attempt, node=node, what="done", gives=gives, reboot="bios" in how and changed)

    def value(self, machine: Machine, name: str) -> Any:
        match name:
            case "disks":
                return [{"name": f"sd{x}", "size": 10**12, "serial": f"D{machine.number}{x}", "signature": ""} for x in "ab"]
            case "installed":
                return {"os": "debian-12", "disk": "sda", "root": "r"}
            case "kexec":
                return machine.number % 2 == 0
            case "nics" | "neighbours" | "volumes":
                return []
            case "bmc":
                return {"address": f"10.0.1.{machine.number}", "mac": ""}
            case "memory-mb" | "cpus":
                return 64
        return f"{name} of {machine.number}"

    def _tell(self, machine: Machine, record: Record) -> None:
        """Until it is acknowledged, as an agent does."""
        if machine.attempts.get(record.start.attempt) is not record or record.acknowledged or record.outcome is None:
            return
        if machine.reachable and machine.welcomed:
            outcome = record.outcome
            self.after(self.between(0, 1), lambda: self.feed(outcome), "engine")
        self._in(machine, 15.0, lambda: self._tell(machine, record))

    # -- what happens to a machine ---------------------------------------------------------------------------------

    def _in(self, machine: Machine, seconds: float, call: Callable[[], None]) -> None:
        """Later, unless the machine boots before."""
        epoch = machine.epoch
        self.after(seconds, lambda: call() if machine.epoch == epoch else None)

    def off(self, machine: Machine) -> None:
        machine.epoch += 1
        machine.runs, machine.welcomed, machine.memory = "", False, {}
        for record in machine.disk.values():
            record.running = False

    def power_on(self, machine: Machine, disk: bool = False) -> None:
        self.off(machine)
        machine.firmware_boots += 1
        if machine.wrong and machine.installed:
            machine.wrong -= 1
            disk = not disk
        if disk and machine.installed:
            self._in(machine, self.between(10, 40, machine.number, "firmware to disk"), lambda: self._disk(machine))
        else:
            self._in(machine, self.between(10, 60, machine.number, "firmware"), lambda: self._rom(machine))

    def reboot(self, machine: Machine) -> None:
        """By itself, saying so where it can."""
        if machine.runs and machine.welcomed and machine.reachable and machine.node:
            self.feed(Bye(node=machine.node, boot_id=machine.boot_id))
        self.power_on(machine)

    def ask(self, machine: Machine, request: Any, event: Event, call: Callable[[Effect], None], again: Callable[[], None]) -> None:
        """Send, and ask again later if there is no answer."""
        epoch, answered = machine.epoch, []

        def take(effect: Effect) -> None:
            answered.append(effect)
            call(effect)

        self.waiting[request] = (machine, epoch, take)
        self._in(machine, 15.0, lambda: None if answered else again())
        if machine.reachable:
            self.feed(event)

    def _dhcp(self, machine: Machine, then: Callable[[], None], ipxe: bool, kind: DhcpKind = DhcpKind.DISCOVER, want: str = "") -> None:
        request = DhcpRequest(
            kind=kind,
            xid=self.seq,
            mac=machine.mac,
            vendor_class="PXEClient:Arch:00000:UNDI:002001",
            arch=0,
            user_class=("iPXE",) if ipxe else (),
            requested=want,
            server_id="10.0.0.1" if want else "",
            uuid=machine.uuid,
        )

        def got(effect: Effect) -> None:
            assert isinstance(effect, SendDhcp)
            if kind is DhcpKind.DISCOVER and effect.reply.kind is DhcpKind.OFFER:
                self._dhcp(machine, then, ipxe, DhcpKind.REQUEST, effect.reply.yiaddr)
            elif effect.reply.kind is DhcpKind.ACK:
                machine.leased = effect.reply.yiaddr
                then()

        self.ask(
            machine,
            ("dhcp", machine.mac),
            DhcpAsked(request=request, interface="eth1"),
            got,
            lambda: self._dhcp(machine, then, ipxe),
        )

    def _rom(self, machine: Machine) -> None:
        self._dhcp(machine, lambda: self._in(machine, 1.0, lambda: self._loader(machine)), ipxe=False)

    def _loader(self, machine: Machine) -> None:
        if machine.reachable:
            self.feed(Fetched(address=machine.leased, what="loader"))
        self._in(machine, 1.0, lambda: self._dhcp(machine, lambda: self._script(machine), ipxe=True))

    def _script(self, machine: Machine) -> None:
        self.seq += 1
        nonce = f"nonce{self.seq}"

        def got(effect: Effect) -> None:
            assert isinstance(effect, BootScript)
            if effect.disk:
                self._in(machine, 5.0, lambda: self._disk(machine) if machine.installed else self.power_on(machine))
            else:
                self._in(machine, 5.0, lambda: self._sledgehammer(machine, effect.nonce))

        event = ScriptAsked(request=Request(Asker.HTTP, self.seq), mac=machine.mac, address=machine.leased, nonce=nonce)
        self.ask(machine, self.seq, event, got, lambda: self._script(machine))

    def _sledgehammer(self, machine: Machine, nonce: str) -> None:
        if machine.reachable:
            self.feed(Fetched(address=machine.leased, what="kernel"))
        self.seq += 1
        boot_id = f"b{machine.number}-{self.seq}"
        self._in(machine, self.between(5, 30, machine.number, "sledgehammer"), lambda: self._hello(machine, "sledgehammer", boot_id, nonce))

    def _disk(self, machine: Machine) -> None:
        if not machine.installed:
            return  # hangs: no boot device
        self.seq += 1
        boot_id = f"b{machine.number}-{self.seq}"
        self._in(machine, self.between(5, 30, machine.number, "system"), lambda: self._hello(machine, machine.installed, boot_id, ""))

    def _hello(self, machine: Machine, environment: str, boot_id: str, nonce: str) -> None:
        machine.runs, machine.boot_id = environment, boot_id
        self.seq += 1

        def got(effect: Effect) -> None:
            if isinstance(effect, Welcome):
                machine.node, machine.welcomed = effect.node, True
                if environment == "sledgehammer":
                    self.empty(effect.node)
                    self._poll(machine)
                for record in list(machine.attempts.values()):
                    self._tell(machine, record)
            elif isinstance(effect, Refuse) and effect.reason.code == "live_claim":
                self._in(machine, 5.0, lambda: self._hello(machine, environment, boot_id, nonce))
            else:
                self._in(machine, 30.0, lambda: self.power_on(machine))

        event = Hello(
            request=Request(Asker.HTTP, self.seq),
            nonce=nonce,
            credential="" if nonce else machine.credential,
            installation="" if nonce else machine.installation,
            boot_id=boot_id,
            environment=environment,
            uuid=machine.uuid,
            serial=machine.serial,
            macs=(machine.mac,),
            address=machine.address,
            arch="x86_64",
        )
        self.ask(machine, self.seq, event, got, lambda: self._hello(machine, environment, boot_id, nonce))

    def _poll(self, machine: Machine) -> None:
        self.empty(machine.node)
        self._in(machine, 10.0, lambda: self._poll(machine))

    def partition(self, machine: Machine, seconds: float) -> None:
        machine.reachable = False

        def heal() -> None:
            machine.reachable = True

        self.after(seconds, heal)
