"""From power to a hello: firmware, DHCP, loader, script, kernel; or the disk. What the machine sends on the way, and sends again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.effects import BootScript
from engine.events import Fetched
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest

from . import agent, disks
from .machine import Machine

if TYPE_CHECKING:
    from .simulation import Simulation

RETRIES = (4.0, 8.0, 16.0, 32.0)
"""Seconds between the DISCOVERs of a boot ROM (PXE 2.1, section 2.2.3)."""


def off(sim: Simulation, machine: Machine) -> None:
    machine.down()
    machine.power = False


def power_cycle(sim: Simulation, machine: Machine, disk: bool = False) -> None:
    """Off if it is on, and on."""
    machine.down()
    machine.power = True
    machine.firmware_boots += 1
    if disks.rename(sim.random("disks"), machine):
        sim.counters.hit("disks swapped their names")
    if machine.wrong and machine.system is not None:
        machine.wrong -= 1
        sim.counters.hit("boots the wrong environment")
        disk = not disk
    seconds = sim.random("boots").uniform(10, 60)
    if disk and machine.system is not None:
        sim.clock.after(seconds, lambda: from_disk(sim, machine), machine.scope)
    else:
        sim.clock.after(seconds, lambda: _rom(sim, machine), machine.scope)


def hang(sim: Simulation, machine: Machine) -> None:
    """Its power is on, and nothing works any more."""
    machine.down()


def kexec(sim: Simulation, machine: Machine) -> None:
    machine.down()
    if machine.kexec_hangs:
        machine.kexec_hangs -= 1
        sim.counters.hit("kexec hangs")
        return
    sim.clock.after(3.0, lambda: from_disk(sim, machine), machine.scope)


def from_disk(sim: Simulation, machine: Machine) -> None:
    if machine.system is None:
        sim.counters.hit("nothing to boot from")
        return  # it stands there: no boot device
    environment = machine.system.os
    seconds = sim.random("boots").uniform(5, 30)
    sim.clock.after(seconds, lambda: agent.up(sim, machine, environment, ""), machine.scope)


def _rom(sim: Simulation, machine: Machine) -> None:
    lease(sim, machine, (), lambda: _loader(sim, machine))


def _loader(sim: Simulation, machine: Machine) -> None:
    address = machine.lease
    sim.net.datagram(machine, lambda: sim.admin.submit(Fetched(address=address, what="loader")))
    sim.clock.after(1.0, lambda: lease(sim, machine, ("iPXE",), lambda: _script(sim, machine)), machine.scope)


def _script(sim: Simulation, machine: Machine) -> None:
    """Ask for the boot script until there is one."""

    def got(answer: object) -> None:
        if not isinstance(answer, BootScript):
            sim.clock.after(5.0, lambda: _script(sim, machine), machine.scope)
            return
        if answer.disk:
            sim.clock.after(5.0, lambda: from_disk(sim, machine), machine.scope)
        else:
            machine.nonce = answer.nonce
            machine.nonces.append(answer.nonce)
            sim.clock.after(3.0, lambda: _kernel(sim, machine, answer.nonce), machine.scope)

    sim.net.request(machine, machine.scope, lambda reply: sim.admin.script(machine.mac, machine.lease, reply), got)


def _kernel(sim: Simulation, machine: Machine, nonce: str) -> None:
    address = machine.lease
    sim.net.datagram(machine, lambda: sim.admin.submit(Fetched(address=address, what="kernel")))
    seconds = sim.random("boots").uniform(5, 30)
    sim.clock.after(seconds, lambda: agent.up(sim, machine, "sledgehammer", nonce), machine.scope)


# -- DHCP ----------------------------------------------------------------------------------------------------------


def lease(sim: Simulation, machine: Machine, user_class: tuple[str, ...], then: Callable[[], None], tries: int = 0) -> None:
    """Get an address (RFC 2131), and go on with `then`."""
    sim.xids += 1
    xid, scope, asked = sim.xids, machine.scope, sim.clock.now
    flags = {"offered": False, "over": False}

    def message(kind: DhcpKind, want: str = "") -> DhcpRequest:
        return DhcpRequest(
            kind=kind,
            xid=xid,
            mac=machine.mac,
            vendor_class="PXEClient:Arch:00000:UNDI:002001",
            arch=0,
            user_class=user_class,
            requested=want,
            server_id="10.0.0.1" if want else "",
            uuid=machine.uuid,
        )

    def heard(reply: DhcpReply) -> None:
        if flags["over"] or not scope.open or reply.to.xid != xid:
            return
        if reply.kind is DhcpKind.OFFER and not flags["offered"]:
            flags["offered"] = True
            dhcp(sim, machine, message(DhcpKind.REQUEST, reply.yiaddr))
        elif reply.kind is DhcpKind.ACK:
            flags["over"] = True
            machine.lease, machine.lease_until = reply.yiaddr, asked + reply.lease_s
            then()
        elif reply.kind is DhcpKind.NAK:
            sim.counters.hit("NAK")
            flags["over"] = True
            sim.clock.after(1.0, lambda: lease(sim, machine, user_class, then, tries), scope)

    def again() -> None:
        if not flags["over"]:
            flags["over"] = True
            lease(sim, machine, user_class, then, tries + 1)

    sim.listeners[machine.mac] = heard
    dhcp(sim, machine, message(DhcpKind.DISCOVER))
    sim.clock.after(RETRIES[min(tries, len(RETRIES) - 1)], again, scope)


def dhcp(sim: Simulation, machine: Machine, request: DhcpRequest) -> None:
    sim.net.datagram(machine, lambda: sim.admin.dhcp(request))
