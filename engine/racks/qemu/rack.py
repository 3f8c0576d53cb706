"""A running rack of QEMU machines: network, switches that speak LLDP, machines, their BMCs, and its orders.

It has the simulated rack's interface (`order`), so commands, tests and the engine's rehearsal need not distinguish the two.

One asyncio loop drives everything; the BMCs have a thread. After a `kill -9` of the rack its machines are dead too (`setpriv
--pdeathsig`). Those that had power on start again, as after a power failure.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec

from ..bmc.farms import AnyBmc, Bmcs, in_band
from ..bmc.ipmi import DEAD, Mood
from ..bmc.label import About
from ..bmc.light import Light
from ..counters import Counters
from ..director import Director
from ..kept_faults import KeptFaults
from ..orders import WrongOrder, mood
from ..repair import HEALTHY, Cabling, away, cabling, repairable, straightened
from ..scenario import Action, Power, Scenario, SetFault
from ..simulated.spec import RackFileWrong
from . import accel, network
from .guest import Machine
from .insides import GuestInsides, settings
from .nonvolatile import NonVolatile
from .serial_log import serial_logs
from .speaker import Speaker
from .spec import Faults, Ports, QemuRackSpec, check_faults, check_ports, faults_of, guests, spoiled, wiring

log = logging.getLogger("rack")
WIRED_S = 15.0


class _Chassis:
    """A machine as its BMC sees it (`bmc.Chassis`). Called from the farm's thread, so changes are passed to the loop."""

    def __init__(self, machine: Machine, loop: asyncio.AbstractEventLoop, user: str, password: str) -> None:
        self.user = user
        self.password = password
        self._machine = machine
        self._loop = loop
        self.light = Light()

    def power_state(self) -> bool:
        return self._machine.nonvolatile.power

    def power(self, action: str) -> None:
        self._loop.call_soon_threadsafe(self._machine.power, action)

    def boot_device(self) -> str:
        nonvolatile = self._machine.nonvolatile
        return nonvolatile.boot_next or nonvolatile.boot_always or "none"

    def set_boot_device(self, device: str, persistent: bool, uefi: bool) -> None:  # noqa: ARG002
        self._machine.set_boot(device, persistent)  # three assignments and a small file: can be read back at once


class QemuRack:
    """The rack of a folder. Call `start` in the loop that will drive it, then `close`."""

    def __init__(self, folder: Path, spec: QemuRackSpec, scenario: Scenario | None = None) -> None:
        scenario = scenario or Scenario()
        self._kept = KeptFaults(folder)
        self.spec = self._kept.applied(spoiled(spec, scenario.faults), faults_of)
        self._director = Director(scenario, folder, self)
        self._acting: set[asyncio.Task[None]] = set()
        self.counters = Counters()
        self._folder = folder
        self._farm = Bmcs(folder)
        self._machines: dict[str, Machine] = {}
        self._bmcs: dict[str, AnyBmc] = {}
        self._chassis: dict[str, _Chassis] = {}
        self._speaker: Speaker | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._accel = "tcg"
        self._ports = network.ports_as_built(self.spec)
        """Machine -> how its switch ports are set up now."""
        self._lossy: dict[str, dict[str, float]] = {}
        """Machine -> link -> percent of frames that its cable loses, of those that ever lost any."""

    async def start(self) -> None:
        """Raises OSError, msgspec.DecodeError."""
        loop = asyncio.get_running_loop()
        spec = self.spec
        self._accel = await asyncio.to_thread(accel.choose, spec, self._folder)
        await asyncio.to_thread(_wire, spec)
        await asyncio.to_thread(_filter, self._rules())
        self._speaker = Speaker(network.ports(spec), network.channels(spec, self._ports))
        self._speaking = asyncio.create_task(self._speaker.run())
        self._farm.start()
        slots = asyncio.Semaphore(spec.at_once or spec.nodes)
        for guest in guests(spec):
            faults = faults_of(spec, guest.name)
            machine = Machine(guest, self._folder / "machines" / guest.name, self._accel, slots, self.counters, faults)
            self._machines[guest.name] = machine
            machine.on_start = functools.partial(self._director.milestone, guest.name, ("firmware",), 0)
            access = spec.bmc
            chassis = self._chassis[guest.name] = _Chassis(machine, loop, access.user, access.password)
            about = About(guid=uuid.UUID(guest.uuid), vendor=guest.vendor, product=guest.product, serial=guest.serial)
            where = functools.partial(_at, guest.bmc_address)
            inside = GuestInsides(functools.partial(_record_of, machine), functools.partial(loop.call_soon_threadsafe, machine.save))
            bmc = self._farm.add(guest.bmc_protocol, where, chassis, mood=_mood(faults), about=about, mac=guest.bmc_mac, insides=inside)
            self._bmcs[guest.name] = bmc
            machine.execute = in_band(bmc)
        for machine in self._machines.values():
            await machine.prepare()
        if any(machine.nonvolatile.power for machine in self._machines.values()):
            self._director.begin()

    async def close(self) -> None:
        self._director.close()
        await asyncio.gather(*(machine.close() for machine in self._machines.values()))
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
        if self._speaker is not None:
            self._speaker.close()
        await asyncio.to_thread(self._farm.close)

    # -- what may be asked of it -----------------------------------------------------------------------------------

    async def order(self, verb: str, words: list[str]) -> dict[str, Any]:
        """Carries out one line of the control socket. Raises WrongOrder."""
        match verb, words:
            case "status", []:
                return self._status()
            case "machines", []:
                return {"machines": [self._machine(one) for one in self._machines.values()]}
            case "disks", []:
                return {"disks": [row for one in self._machines.values() for row in self._disks(one)]}
            case "press", [who]:
                pressed = [one for one in self._chosen(who) if not one.nonvolatile.power]
                for one in pressed:
                    one.power("on")
                self._director.begin()
                return {"pressed": [one.guest.name for one in pressed]}
            case "off" | "reset" | "soft" | "cycle", [who]:
                for one in (chosen := self._chosen(who)):
                    one.power(verb)
                return {"done": [one.guest.name for one in chosen]}
            case "kill", [who]:
                for one in (chosen := self._chosen(who)):
                    one.power("off")  # QEMU's `quit` asks the guest nothing: as by the cord
                return {"done": [one.guest.name for one in chosen]}
            case "fault", [who, text]:
                return await self._fault(who, text)
            case "faulty" | "repair", [*who] if len(who) == (verb == "repair"):
                return {"repaired": await self._repair(who[0])} if who else {"faulty": self._faulty()}
            case "ports", [who, text]:
                return await self._set_ports(who, text)
            case "reached", [who, percent, *words] if percent.isdecimal():
                for one in self._chosen(who):
                    self._director.milestone(one.guest.name, tuple(words), int(percent))
                return {}
            case _:
                raise WrongOrder(f"unknown: {verb} {' '.join(words)}"[:200])

    def _chosen(self, who: str) -> list[Machine]:
        if who == "all":
            return list(self._machines.values())
        if who not in self._machines:
            raise WrongOrder(f"no machine {who[:50]!r} in this rack")
        return [self._machines[who]]

    def act(self, action: Action, machine: str) -> None:
        """Carries out a scenario's action (`director.Stage`)."""
        match action:
            case Power():
                for one in self._chosen(action.machine or machine):
                    one.power(action.how)
            case SetFault():
                for one in self._chosen(action.machine or machine):
                    task = asyncio.create_task(self._set_faults(one, _changed(one, action.faults)))
                    self._acting.add(task)
                    task.add_done_callback(self._acting.discard)
            case _:
                raise AssertionError(f"the reader lets no {type(action).__name__} pass for QEMU machines")

    async def _fault(self, who: str, text: str) -> dict[str, Any]:
        """Faults from now on: the mood of the BMC, cables that are out."""
        try:
            given = msgspec.json.decode(text, type=dict[str, Any])
            chosen = self._chosen(who)
            new = {one.guest.name: _changed(one, given) for one in chosen}
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as wrong:
            raise WrongOrder(f"not a fault of a QEMU machine: {wrong}") from wrong
        for one in chosen:
            await self._set_faults(one, new[one.guest.name])
        return {"faulty": [one.guest.name for one in chosen]}

    async def _set_ports(self, who: str, text: str) -> dict[str, Any]:
        """The switch ports of these machines from now on: `spec.Ports` as JSON, whole."""
        chosen = self._chosen(who)
        try:
            ports = msgspec.json.decode(text, type=Ports)
            check_ports(who, ports)
        except (msgspec.ValidationError, msgspec.DecodeError, RackFileWrong, RecursionError) as wrong:
            raise WrongOrder(f"not how switch ports can be set up: {wrong}") from wrong
        assert self._speaker is not None
        self._ports |= {one.guest.name: ports for one in chosen}
        await asyncio.to_thread(_filter, self._rules())
        self._speaker.channels = network.channels(self.spec, self._ports)
        return {"set": [one.guest.name for one in chosen]}

    async def _set_faults(self, one: Machine, faults: Faults) -> None:
        """Raises WrongOrder."""
        self._bmcs[one.guest.name].mood = _mood(faults)
        before, one.faults = one.faults, faults
        self._kept.keep(one.guest.name, faults)
        for i, (old, new) in enumerate(zip(wiring(one.guest, before), wiring(one.guest, faults), strict=True)):
            if old != new:
                await self._plug(one, i, new)
        if before.lossy != faults.lossy:
            await asyncio.to_thread(_filter, self._rules())
        if before.disk_fails != faults.disk_fails:
            await one.fail_disks(faults.disk_fails)
        await one.change(before, faults)

    def _rules(self) -> str:
        """What the switches do not forward now."""
        now = {guest.name: faults_of(self.spec, guest.name) for guest in guests(self.spec)}
        now |= {name: one.faults for name, one in self._machines.items()}
        self._lossy |= {name: faults.lossy for name, faults in now.items() if faults.lossy or name in self._lossy}
        return network.rules(self.spec, self._ports, self._lossy)

    async def _plug(self, one: Machine, number: int, into: tuple[str, str]) -> None:
        """Another cable: another switch with another LLDP name. Without a cable the machine sees no link."""
        tap = one.guest.nics[number].tap
        assert self._speaker is not None
        self._speaker.plug(tap, into)
        if into[0]:
            await asyncio.to_thread(_ip, [network.moved_to(tap, into[0])])
        await one.link(number, bool(into[0]))

    def _plugs(self) -> dict[str, Cabling]:
        return {name: cabling(_home(one), one.faults) for name, one in self._machines.items()}

    def _faulty(self) -> list[dict[str, Any]]:
        """The machines with something to repair."""
        plugs = self._plugs()
        found = {name: repairable(one.faults, plugs[name]) for name, one in self._machines.items()}
        return [{**_identity(self._machines[name]), "faults": faults} for name, faults in found.items() if faults]

    async def _repair(self, who: str) -> list[dict[str, Any]]:
        """Repairs a machine, and returns what was done. A machine that changed places with it counts as repaired too."""
        if who not in self._machines:
            raise WrongOrder(f"no machine {who[:50]!r} in this rack")
        plugs, one = self._plugs(), self._machines[who]
        found = [name for name in repairable(one.faults, plugs[who]) if name in HEALTHY]
        done: dict[str, list[str]] = {who: [HEALTHY[name][1] for name in found]}
        if found:
            await self._set_faults(one, _changed(one, {name: HEALTHY[name][0] for name in found}))
        for name, moved in straightened(who, plugs).items():
            other = self._machines[name]
            await self._set_faults(other, _changed(other, {"cables": away(plugs[name], moved)}))
            done.setdefault(name, []).extend(f"{link} is plugged into {port or 'nothing'}" for link, port in moved.items())
        return [{**_identity(self._machines[name]), "done": words} for name, words in done.items() if words]

    def _status(self) -> dict[str, Any]:
        machines = list(self._machines.values())
        running = {"off": sum(not one.nonvolatile.power for one in machines), "on": sum(one.pid > 0 for one in machines)}
        running["waits"] = len(machines) - sum(running.values())
        return {
            "nodes": len(machines),
            "on": sum(one.nonvolatile.power for one in machines),
            "running": {name: number for name, number in running.items() if number},
            "boots": sum(one.nonvolatile.boots for one in machines),
            "counters": self.counts(),
            "accel": self._accel,
        }

    def counts(self) -> dict[str, int]:
        """Since this process began."""
        spoken = {"lldp-sent": self._speaker.sent} if self._speaker is not None else {}
        return self.counters.all() | self._farm.counts() | spoken

    def _machine(self, one: Machine) -> dict[str, Any]:
        guest, nonvolatile = one.guest, one.nonvolatile
        newest = serial_logs(self._folder, guest.name)[:1]
        return {
            "name": guest.name,
            "power": nonvolatile.power,
            "environment": "",
            "screen": one.screen,
            "address": "",
            "boots": nonvolatile.boots,
            "mac": guest.nics[0].mac,
            "uuid": guest.uuid,
            "serial": guest.serial,
            "product": guest.product,
            "firmware": guest.firmware,
            "bmc": guest.bmc_address,
            "bmc_protocol": guest.bmc_protocol,
            "bios": settings(nonvolatile) if guest.bmc_protocol == "redfish" else {},
            "installed": "",
            "hostname": "",
            "pid": one.pid,
            "lit": self._chassis[guest.name].light.shown != "off",
            "serial_log": str(newest[0].path) if newest else "",
        }

    def _disks(self, one: Machine) -> list[dict[str, Any]]:
        """`written`: bytes that the file takes. What the guest did with them is unknown."""
        out = []
        for i, disk in enumerate(one.guest.disks):
            written = (one.folder / disk.file).stat().st_blocks * 512
            out.append(
                {
                    "machine": one.guest.name,
                    "name": f"vd{chr(97 + i)}",
                    "serial": disk.serial,
                    "kind": "disk",
                    "wipes": 0,
                    "signature": "",
                    "system": "",
                    "size": disk.size_mb << 20,
                    "written": written,
                }
            )
        return out


def _record_of(one: Machine) -> NonVolatile:
    return one.nonvolatile


def _identity(one: Machine) -> dict[str, Any]:
    guest = one.guest
    return {"name": guest.name, "mac": guest.nics[0].mac, "uuid": guest.uuid, "serial": guest.serial}


def _home(one: Machine) -> dict[str, str]:
    """Link -> the switch port that its cable belongs into."""
    return {**{nic.link: f"{nic.switch}:{nic.port}" for nic in one.guest.nics}, "bmc": "mgmt"}


def _at(address: str, port: int) -> tuple[str, int]:
    return address, port


def _changed(one: Machine, given: dict[str, Any]) -> Faults:
    """Raises WrongOrder, msgspec.ValidationError."""
    faults = msgspec.convert(msgspec.to_builtins(one.faults) | given, Faults)
    if faults.disks_mb != one.faults.disks_mb:
        raise WrongOrder("disks are what they are from the start of a rack on")
    try:
        check_faults(one.guest, faults)
    except RackFileWrong as wrong:
        raise WrongOrder(str(wrong)) from wrong
    _mood(faults)
    return faults


def _mood(faults: Faults) -> Mood:
    """Raises WrongOrder."""
    return DEAD if faults.cables.get("bmc") == "" else mood(faults.bmc)


def _wire(spec: QemuRackSpec) -> None:
    """Makes the network of this namespace, once the owner has moved the ends of the veth pairs here. Raises OSError."""
    end = time.monotonic() + WIRED_S
    while missing := {network.UP, network.MGMT} - _interfaces():
        if time.monotonic() > end:
            raise OSError(f"the interface {sorted(missing)[0]} did not come to the rack's namespace")
        time.sleep(0.02)
    _ip(network.inner(spec))


def _ip(commands: list[network.Command]) -> None:
    """Raises OSError."""
    lines = "".join(" ".join(words) + "\n" for words in commands)
    done = subprocess.run(["ip", "-batch", "-"], input=lines, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise OSError(f"the rack's wires could not be made: {done.stderr.strip()[:300]}")


def _filter(rules: str) -> None:
    """Sets what the switches forward. Raises OSError."""
    if not rules:
        return
    done = subprocess.run(["nft", "-f", "-"], input=rules, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise OSError(f"the ports of the rack's switches could not be set up: {done.stderr.strip()[:300]}")


def _interfaces() -> set[str]:
    done = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, timeout=10, check=True)
    return {str(one["ifname"]) for one in json.loads(done.stdout)}
