"""What a task does to a machine, and what it says: the same for each role, by what its definition promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.core.roles.attributes import DERIVED
from engine.core.roles.network_value import counted
from engine.core.roles.watch import is_look
from engine.jigs import Order
from engine.wire.agent import Ended

from . import boots, disks
from .machine import Machine, Record, System

if TYPE_CHECKING:
    from .simulation import Simulation


def begin(sim: Simulation, machine: Machine, order: Order, records: dict[str, Record]) -> Record:
    """Start a leg that the machine does not know, as its agent or its `attempt` tool does."""
    name = order.role.name
    # A look changes nothing, so it may be under way when a task starts.
    others = [one for one in machine.running if not is_look(one.attempt)]
    if others and not is_look(order.attempt):
        sim.broken(f"two tasks on {machine.name}: {others[0].attempt} ({others[0].role}) runs, and {order.attempt} ({name}) starts")
    sim.invariants.hands_over(machine, order)
    sim.begun(machine, order)
    record = records[order.attempt] = Record(order.attempt, name, order.role.destructive)
    if order.role.destructive and order.start.action == "run":
        if name in machine.whole:
            sim.broken(f"{machine.name} is wiped again by {name}: {machine.whole[name]} was whole, and {order.attempt} has no new approval")
        if refused := _write(sim, machine, order):
            sim.counters.hit(refused)
            sim.clock.after(1.0, lambda: _refuse(sim, machine, record, refused), machine.scope)
            return record
        machine.wipes += 1
        sim.counters.hit("wiped")
        machine.volumes.pop(name, None)
        if "installed" in order.role.gives:
            machine.system = None
    random = sim.random("work")
    seconds = random.uniform(0.5, 30.0) if random.random() < 0.85 else random.uniform(30.0, 1200.0)
    over = seconds > order.timeout_s
    sim.clock.after(min(seconds, order.timeout_s), lambda: _end(sim, machine, order, record, over), machine.scope)
    return record


def _write(sim: Simulation, machine: Machine, order: Order) -> str:
    """Begin to write to the disk that the order names; why it is not done."""
    wanted = order.attributes.get("install-disk")
    if not isinstance(wanted, dict):
        return ""
    if "refused" in wanted:
        return "the engine names no disk"
    disk = disks.find(machine, wanted)
    if disk is None:
        return "the disk of the order is not there"
    if wanted["name"] != disk.name:
        sim.counters.hit("the disk of the order has another name now")
    if wanted.get("blank") and disk.signature and disk.label != wanted["label"]:
        return "the disk of the order is not blank"
    sim.invariants.writes(order, disk)
    disk.signature, disk.label = "gpt", wanted["label"]
    return ""


def _refuse(sim: Simulation, machine: Machine, record: Record, why: str) -> None:
    record.running = False
    record.ended = Ended(exit=1, message=why)
    sim.ended(machine, record)


def _end(sim: Simulation, machine: Machine, order: Order, record: Record, over: bool) -> None:
    record.running = False
    if over:  # the machine itself keeps the limit
        record.ended = Ended(exit=124)
    else:
        record.ended = verify(sim, machine, order) if order.start.action == "verify" else run(sim, machine, order)
    sim.trace(lambda: f"{machine.name}: {order.attempt} {order.role.name} {order.start.action} ends with {record.ended.exit}")  # type: ignore[union-attr]
    wiped = order.role.destructive and order.start.action == "run"
    if machine.dies_after or (machine.dies_wiping and wiped):
        machine.dies_wiping -= wiped and machine.dies_wiping > 0
        machine.dies_after -= machine.dies_after > 0
        if wiped:
            sim.counters.hit("died at the end of a wipe")
        sim.counters.hit("died before it could say so")
        boots.power_cycle(sim, machine)
        return
    sim.ended(machine, record)


def _place(machine: Machine, order: Order) -> dict[str, str]:
    """Where on the machine the role's work is kept: with what it goes away."""
    if order.role.destructive:
        return machine.volumes
    if machine.runs != "sledgehammer" and machine.system is not None:
        return machine.system.applied
    return machine.settings


def verify(sim: Simulation, machine: Machine, order: Order) -> Ended:
    name = order.role.name
    if "installed" in order.role.gives:
        there = machine.system is not None
    else:
        there = _place(machine, order).get(name) is not None
        there = there and (order.role.destructive or _place(machine, order)[name] == inputs(order))
    if not there:
        sim.counters.hit("verify says no")
        return Ended(exit=1, message="it is not so")
    if machine.system is not None and not order.role.destructive and name in machine.system.by_hand:
        sim.counters.hit("verify says by hand")
        return Ended(exit=65, message="a file was changed by hand")
    sim.counters.hit("verify says yes")
    return Ended(exit=0, gives=_gives(machine, order))


def run(sim: Simulation, machine: Machine, order: Order) -> Ended:
    name = order.role.name
    how = sim.behaviour.get(name, "")
    if machine.broken == name or machine.fails.get(name):
        machine.fails[name] = max(machine.fails.get(name, 0) - 1, 0)
        return Ended(exit=3, message="broken")
    if "again" in how and machine.legs.get(name, 0) < 2:
        machine.legs[name] = machine.legs.get(name, 0) + 1
        sim.counters.hit("again, with a reboot" if "reboot" in how else "again")
        return Ended(exit=192 if "reboot" in how else 128, after=5.0)
    machine.legs.pop(name, None)
    if machine.false_claims.get(name):
        machine.false_claims[name] -= 1
        sim.counters.hit("false claim")
        return Ended(exit=0, gives=_gives(machine, order))
    changed = _place(machine, order).get(name) != inputs(order)
    if "installed" in order.role.gives:
        address = order.target.address if order.target is not None else ""
        key = f"ssh-ed25519 K{machine.number}-{machine.wipes}"
        credential = str(order.attributes.get("credential", f"{order.node.id}/"))
        machine.credentials.append(credential)
        machine.system = System(str(order.attributes.get("target-os", "debian-12")), credential, key, address)
    else:
        _place(machine, order)[name] = inputs(order)
        if machine.system is not None:
            machine.system.by_hand.discard(name)
    if order.role.destructive:
        machine.whole[name] = order.attempt
    return Ended(exit=64 if "bios" in how and changed else 0, gives=_gives(machine, order))


def inputs(order: Order) -> str:
    """What the work on a machine was done with: the inputs that count (`core.roles.attributes`)."""
    chosen = {k: v for k, v in order.attributes.items() if k not in DERIVED and k not in ("image", "task")}
    return repr(sorted((k, counted(v) if k == "network" else v) for k, v in chosen.items()))


def _gives(machine: Machine, order: Order) -> dict[str, Any]:
    gives = {name: machine.value(name) for name in order.role.gives}
    if "installed" in gives and machine.system is not None:
        gives["installed"] = {"os": machine.system.os, "disk": "sda", "root": "r"}
    if "ssh-host-key" in gives and machine.system is not None:
        gives["ssh-host-key"] = machine.system.host_key
    return gives
