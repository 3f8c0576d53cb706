"""What goes wrong, as a list that is made at the start: when, what, to which machine. Leaving one out leaves the others as they are."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from msgspec import Struct

from engine.events import Bye
from engine.wire.dhcp import DhcpKind, DhcpRequest

from . import agent, boots, disks

if TYPE_CHECKING:
    from .machine import Machine
    from .simulation import Simulation

EFFECTS = (
    "SendDhcp",
    "BootScript",
    "Welcome",
    "Refuse",
    "Accept",
    "Acknowledge",
    "Start",
    "BootNode",
    "SetPower",
    "Probe",
    "Ignore",
)
POINTS = (
    "in a step",
    "before the commit",
    "before the sync",
    "after the commit",
    *(f"{w} {e}" for e in EFFECTS for w in ("before", "after")),
)


class Fault(Struct, frozen=True):
    at: float
    what: str
    machine: int
    """Index of the machine that it befalls."""
    seed: int
    """Of what is random in it."""


def make(random: Random, machines: int, with_twins: bool = True) -> list[Fault]:
    """In most simulations a handful, in some a storm, in a few none."""
    count = random.choice([0, 2, 4, 6, 8, 10, 14, 20])
    span = random.choice([250.0, 500.0, 1200.0, 2500.0])
    names = [name for name, weight in WEIGHTS.items() for _ in range(weight)]
    names += ["twin"] * 4 if with_twins else []
    made = [
        Fault(round(random.uniform(0, span), 3), random.choice(names), random.randrange(machines), random.getrandbits(32))
        for _ in range(count)
    ]
    return sorted(made, key=lambda fault: fault.at)


def befall(sim: Simulation, fault: Fault) -> None:
    sim.counters.hit(f"fault {fault.what}")
    sim.trace(lambda: f"FAULT {fault.what} (machine {fault.machine + 1})")
    KINDS[fault.what](sim, sim.machines[fault.machine], Random(fault.seed))


# -- the engine, its host and the network --------------------------------------------------------------------------


def _kill(sim: Simulation, machine: Machine, random: Random) -> None:
    if random.random() < 0.1:
        sim.admin.stays_down_s = random.uniform(60, 2000)
    sim.admin.armed = random.choice(POINTS)


def _kill_now(sim: Simulation, machine: Machine, random: Random) -> None:
    sim.counters.hit("killed between two turns")
    sim.admin.die()


def _stop(sim: Simulation, machine: Machine, random: Random) -> None:
    sim.admin.stop()


def _stall(sim: Simulation, machine: Machine, random: Random) -> None:
    sim.admin.stall_s = random.uniform(1, 120)


def _full(sim: Simulation, machine: Machine, random: Random) -> None:
    sim.store.fails += 1


def _wall(sim: Simulation, machine: Machine, random: Random) -> None:
    sim.clock.offset += random.choice([-1, 1]) * random.uniform(1, 10 * 365 * 86400)


def _weather(sim: Simulation, machine: Machine, random: Random) -> None:
    net = sim.net
    net.loss, net.double, net.late = random.choice([0, 0.1, 0.5]), random.choice([0, 0.3]), random.choice([0, 0.1, 0.4])
    sim.clock.after(random.uniform(30, 600), net.fair)


def _partition(sim: Simulation, machine: Machine, random: Random) -> None:
    machine.reachable = False

    def heal() -> None:
        machine.reachable = True

    sim.clock.after(random.choice([random.uniform(1, 60), random.uniform(60, 1500)]), heal)


# -- machines ------------------------------------------------------------------------------------------------------


def _reboot(sim: Simulation, machine: Machine, random: Random) -> None:
    agent.bye(sim, machine)
    boots.power_cycle(sim, machine)


def _cycle(sim: Simulation, machine: Machine, random: Random) -> None:
    boots.power_cycle(sim, machine, disk=random.random() < 0.3)


def _power_cut(sim: Simulation, machine: Machine, random: Random) -> None:
    boots.off(sim, machine)
    if random.random() < 0.7:
        sim.clock.after(random.uniform(1, 900), lambda: None if machine.power else boots.power_cycle(sim, machine))


def _hang(sim: Simulation, machine: Machine, random: Random) -> None:
    boots.hang(sim, machine)


def _counted(name: str, most: int) -> Callable[[Simulation, Machine, Random], None]:
    def befall(sim: Simulation, machine: Machine, random: Random) -> None:
        setattr(machine, name, getattr(machine, name) + random.randint(1, most))

    return befall


def _fails(sim: Simulation, machine: Machine, random: Random) -> None:
    machine.fails[random.choice(sorted(sim.case.catalog.roles))] = random.randint(1, 3)


def _claims(sim: Simulation, machine: Machine, random: Random) -> None:
    good = [name for name, role in sorted(sim.case.catalog.roles.items()) if role.reverify and not role.destructive]
    if good:
        machine.false_claims[random.choice(good)] = 1


def _dies(sim: Simulation, machine: Machine, random: Random) -> None:
    """A daemon of a role that is watched ends."""
    if watched := _watched(sim, machine):
        assert machine.system is not None
        del machine.system.applied[random.choice(watched)]
        sim.counters.hit("a watched role does not hold any more")


def _by_hand(sim: Simulation, machine: Machine, random: Random) -> None:
    """A person changes a file of a role that is watched."""
    if watched := _watched(sim, machine):
        assert machine.system is not None
        machine.system.by_hand.add(random.choice(watched))


def _watched(sim: Simulation, machine: Machine) -> list[str]:
    """Roles whose work is on the machine, and that the engine looks at."""
    there = machine.system.applied if machine.system is not None else {}
    known = sim.case.catalog.roles
    return sorted(name for name in there if name in known and known[name].watch_s)


def _disk(sim: Simulation, machine: Machine, random: Random) -> None:
    """A person puts another disk in."""
    for record in machine.running:
        record.running = False
    boots.off(sim, machine)
    machine.batch += 1
    machine.gets_disks(random, len(machine.disks))
    machine.system, machine.volumes, machine.whole = None, {}, {}
    boots.power_cycle(sim, machine)


def _one_more_disk(sim: Simulation, machine: Machine, random: Random) -> None:
    """A person puts a disk before the others, with what somebody has kept on it."""
    if len(machine.disks) > 6:
        return
    for record in machine.running:
        record.running = False
    boots.off(sim, machine)
    machine.batch += 1
    (new,) = disks.made(random, machine.number, 1, machine.batch)
    new.path, new.signature, new.name = "pci-0000:00:01.0-ata-1", "gpt", f"sd{disks.LETTERS[len(machine.disks)]}"
    machine.disks.insert(0, new)
    boots.power_cycle(sim, machine)


def _other_ports(sim: Simulation, machine: Machine, random: Random) -> None:
    """A person changes its network card, so that it shows none of the MACs of before. Soon the engine takes it for another machine; when it
    was away for longer, nobody can see which of the two it is."""
    for record in machine.running:
        record.running = False
    boots.off(sim, machine)
    machine.gets_ports()
    machine.whole = {}  # for another node it may be wiped
    sim.clock.after(random.choice([5.0, 2000.0]), lambda: None if machine.power else boots.power_cycle(sim, machine))


def ports(random: Random, machines: int) -> list[Fault]:
    """In some simulations one, drawn apart from the others."""
    if random.random() > 0.12:
        return []
    return [Fault(round(random.uniform(200, 3000), 3), "other ports", random.randrange(machines), random.getrandbits(32))]


# -- lies ----------------------------------------------------------------------------------------------------------


def _identity(sim: Simulation, machine: Machine, random: Random) -> None:
    """It says hello as somebody else for a while."""
    junk, other = "00000000-0000-0000-0000-000000000000", f"deadbeef-0000-1000-8000-0000000000{machine.number:02x}"
    machine.hello_uuid = random.choice([junk, other])
    machine.hello_serial = random.choice(["", "0", "To be filled by O.E.M.", f"OTHER{machine.number}"])

    def honest() -> None:
        machine.hello_uuid = machine.hello_serial = ""

    sim.clock.after(random.uniform(10, 600), honest)


def _twin(sim: Simulation, machine: Machine, random: Random) -> None:
    """Its board is exchanged for one of a careless batch: its ports stay, and it shows what another machine shows."""
    other = random.choice(sim.machines)
    machine.hello_uuid, machine.hello_serial = twins(random.choice(TWINS), machine, other)


TWINS = ("same UUID, no serial", "same UUID and serial", "same serial, other UUID", "all junk")


def twins(kind: str, machine: Machine, other: Machine) -> tuple[str, str]:
    """What a machine shows that cannot be told from the other by it."""
    match kind:
        case "same UUID, no serial":
            return other.uuid, "To be filled by O.E.M."
        case "same UUID and serial":
            return other.uuid, other.serial
        case "same serial, other UUID":
            return machine.uuid, other.serial
    return "03000200-0400-0500-0006-000700080009", "Default string"


def _kill_with_order(sim: Simulation, machine: Machine, random: Random) -> None:
    """The engine dies while an agent's order to go down waits for the agent."""
    sim.admin.armed = "with an order in a mailbox"


def _again(sim: Simulation, machine: Machine, random: Random) -> None:
    """Another hello of this boot, as if the answer had been lost."""
    if machine.runs:
        sim.net.request(machine, machine.scope, lambda reply: sim.admin.hello(machine, machine.boot_id, machine.nonce, reply), _nothing)


def _claim(sim: Simulation, machine: Machine, random: Random) -> None:
    """A hello of another boot with a nonce of before, or with the present one."""
    if machine.nonces:
        nonce = random.choice([machine.nonces[-1], *machine.nonces])
        sim.net.request(machine, machine.scope, lambda reply: sim.admin.hello(machine, "b-forged", nonce, reply), _nothing)


def _former_tenant(sim: Simulation, machine: Machine, random: Random) -> None:
    """A hello with the credential of a system that was on its disk before; or of any, for an environment in memory."""
    if not machine.credentials or not sim.admin.up:
        return
    node, _, installation = random.choice(machine.credentials).partition("/")
    environment = random.choice(["debian-12", "debian-12", "sledgehammer"])
    known = sim.admin.world.nodes.get(node)
    if not installation or (known is not None and environment != "sledgehammer" and installation in (known.installation, known.installing)):
        return
    sim.admin.tenant(machine, node, installation, environment)


def _old_outcome(sim: Simulation, machine: Machine, random: Random) -> None:
    """It tells the outcome of an attempt once more, whenever that was."""
    if not machine.told:
        return
    node, attempt, ended = random.choice(machine.told)
    said = {"state": "ended", "exit": ended.exit, "gives": ended.gives, "message": ended.message, "after": ended.after, "log": "log"}
    sim.counters.hit("an old outcome is told again")
    boot_id = machine.boot_id
    sim.net.request(machine, machine.scope, lambda reply: sim.admin.result(node, boot_id, attempt, said, reply), _nothing)


def _old_bye(sim: Simulation, machine: Machine, random: Random) -> None:
    """A bye of this boot or of one before."""
    event = Bye(node=machine.node, boot_id=random.choice([machine.boot_id, f"b{machine.number}-1"]))
    if event.boot_id == machine.boot_id and machine.runs:
        return  # its token would be needed, and who has that says what it does
    sim.net.datagram(machine, lambda: sim.admin.submit(event))


def _stray(sim: Simulation, machine: Machine, random: Random) -> None:
    """A DHCP message that does not fit: of another server's choosing, for another's address, a decline, a release."""
    sim.xids += 1
    other = random.choice(sim.machines)
    address = random.choice([machine.lease, other.lease, "10.0.0.30"]) or "10.0.0.30"
    kind = random.choice([DhcpKind.REQUEST, DhcpKind.DECLINE, DhcpKind.RELEASE, DhcpKind.INFORM])
    mine = address == machine.lease
    if (kind is DhcpKind.REQUEST) != mine and kind is not DhcpKind.INFORM:
        machine.lease_until = 0.0  # whatever it says now, it does not hold the one that it had
    request = DhcpRequest(
        kind=kind,
        xid=sim.xids,
        mac=machine.mac,
        vendor_class="PXEClient:Arch:00000:UNDI:002001",
        arch=0,
        requested=address if kind is not DhcpKind.RELEASE else "",
        ciaddr=address if kind is DhcpKind.RELEASE else "",
        server_id=random.choice(["10.0.0.1", "10.0.0.9", ""]) if kind is DhcpKind.REQUEST else "",
    )
    boots.dhcp(sim, machine, request)


def _nothing(_answer: object) -> None:
    """A liar does not listen."""


def _person(sim: Simulation, machine: Machine, random: Random) -> None:
    sim.people.anything(random)


KINDS: dict[str, Callable[[Simulation, Machine, Random], None]] = {
    "kill at a point": _kill,
    "kill": _kill_now,
    "stop": _stop,
    "stall": _stall,
    "store full": _full,
    "wall clock jumps": _wall,
    "weather": _weather,
    "partition": _partition,
    "reboot": _reboot,
    "power cycle": _cycle,
    "power cut": _power_cut,
    "hang": _hang,
    "bmc dead": _counted("bmc_dead", 3),
    "bmc says yes": _counted("bmc_yes", 4),
    "bmc lies": _counted("bmc_state", 3),
    "bmc ignores the device": _counted("bmc_device", 3),
    "kexec hangs": _counted("kexec_hangs", 1),
    "wrong environment": _counted("wrong", 5),
    "dies after a task": _counted("dies_after", 2),
    "dies after a wipe": _counted("dies_wiping", 1),
    "role fails": _fails,
    "false claim": _claims,
    "daemon dies": _dies,
    "changed by hand": _by_hand,
    "another disk": _disk,
    "one more disk": _one_more_disk,
    "other identity": _identity,
    "hello again": _again,
    "second claim": _claim,
    "former tenant": _former_tenant,
    "old outcome": _old_outcome,
    "old bye": _old_bye,
    "stray dhcp": _stray,
    "operator": _person,
    "twin": _twin,
    "kill with an order": _kill_with_order,
    "other ports": _other_ports,
}
WEIGHTS: dict[str, int] = {
    **dict.fromkeys(KINDS, 2),
    "kill at a point": 14,
    "operator": 14,
    "weather": 4,
    "partition": 4,
    "role fails": 3,
    "twin": 0,
    "kill with an order": 3,
    "other ports": 0,
}
"""How often each is drawn. Twins are left out where nobody wants them, and other ports are drawn by `ports`."""
