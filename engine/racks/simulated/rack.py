"""A running simulated rack: its machines, their BMCs and SSH servers, and its orders.

One asyncio loop drives all machines; BMCs and SSH servers have a thread each. Each machine is supervised separately, so a machine that
breaks does not stop the others.

After a `kill -9` of the rack, machines that had power on start again, as after a power failure.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from pathlib import Path
from typing import Any

import msgspec

from ..bmc.farms import AnyBmc, Bmcs, in_band
from ..bmc.ipmi import DEAD
from ..bmc.label import About
from ..bmc.lan import DHCP, Lan, LanValues
from ..bmc.light import Light
from ..counters import Counters
from ..director import Director
from ..kept_faults import KeptFaults
from ..namespace import INNER
from ..orders import WrongOrder, mood
from ..repair import HEALTHY, SERVER, Cabling, away, cabling, repairable, straightened
from ..scenario import Action, DropSsh, Power, Scenario, SetFault, SetRogue, Swap
from . import behaviours
from .insides import MachineInsides
from .machine import Machine, Pace
from .nonvolatile import NonVolatileFile
from .packet_loss import lossy
from .pdu_side import PduSide, fed_machines
from .power_on import MachineRunner
from .rogue import Rogue, SharedPort
from .san_side import SanSide
from .spec import Faults, Hardware, SimulatedRackSpec, faults_of, hardware
from .ssh_side import FarmSide
from .switch import Switches
from .switch_side import SwitchSide
from .veth import VethWiring
from .wiring import LaneWiring, Wiring

log = logging.getLogger(__name__)
UPLINK = 48
"""Number of the admin node's own port on tor1. A larger rack has it after those of its machines."""


class _Chassis:
    """A machine as its BMC sees it (`bmc.Chassis`). Called from the farm's thread.

    The boot device is one assignment, so that it can be read back at once. Everything else is passed to the loop."""

    def __init__(self, runner: MachineRunner, loop: asyncio.AbstractEventLoop, user: str, password: str) -> None:
        self.user = user
        self.password = password
        self._runner = runner
        self._loop = loop
        self.light = Light()

    def power_state(self) -> bool:
        return self._runner.machine.nonvolatile.power

    def power(self, action: str) -> None:
        self._loop.call_soon_threadsafe(self._runner.power, action)

    def boot_device(self) -> str:
        nonvolatile = self._runner.machine.nonvolatile
        return nonvolatile.boot_next or nonvolatile.boot_always or "none"

    def set_boot_device(self, device: str, persistent: bool, uefi: bool) -> None:  # noqa: ARG002
        nonvolatile = self._runner.machine.nonvolatile
        chosen = device if device in ("network", "disk") else ""
        nonvolatile.boot_next = "" if persistent else chosen  # type: ignore[assignment]  # narrowed by the line above
        nonvolatile.boot_always = chosen if persistent else ""  # type: ignore[assignment]
        self._loop.call_soon_threadsafe(self._runner.machine.save)


class SimulatedRack:
    """The rack of a folder. Call `start` in the loop that will drive it, then `close`."""

    def __init__(self, folder: Path, spec: SimulatedRackSpec, scenario: Scenario | None = None) -> None:
        """`scenario`: its faults win over those of the spec."""
        self.scenario = scenario or Scenario()
        spec = msgspec.structs.replace(spec, faults=_over(spec.faults, self.scenario.faults))
        self._kept = KeptFaults(folder)
        self.spec = spec = self._kept.applied(spec, faults_of)
        self._director = Director(self.scenario, folder, self)
        self.counters = Counters()
        self._folder = folder
        self._pace = Pace(spec.speed)
        self._farm = Bmcs(folder)
        self._ssh = FarmSide()
        self._switches = Switches()
        self._wiring: Wiring | None = None
        self._managed: SwitchSide | None = None
        self._sans: SanSide | None = None
        self._pdus: PduSide | None = None
        self._runners: dict[str, MachineRunner] = {}
        self._bmcs: dict[str, AnyBmc] = {}
        self._bmc_at: dict[str, str] = {}
        """Where each BMC is reached."""
        self._found: list[Hardware] = []

    async def start(self) -> None:
        """Raises OSError for an address that is in use, BehaviourWrong, msgspec.DecodeError for a broken file of a machine."""
        loop = asyncio.get_running_loop()
        spec = self.spec
        known = behaviours.load(spec.barclamps)
        files = self._folder / "machines"
        files.mkdir(parents=True, exist_ok=True)
        self._wiring = wiring = self._wire()
        self._shared = SharedPort(wiring.dhcp)
        self._shared.rogue = self._kept.server(self.scenario.rogue, Rogue)
        self._farm.start()
        self._ssh.start(loop, wiring, spec.engine_key)
        silent = spec.faults.get("all", Faults()).silent_devices
        self._managed = managed = SwitchSide(self._folder, wiring, self.counters, silent)
        await managed.start(spec.switches)
        self._sans = sans = SanSide(self._folder, wiring, self.counters, silent)
        await sans.start(spec.sans)
        fed = fed_machines(spec.pdus)
        self._found = [msgspec.structs.replace(one, bmc_port="") if one.name in fed else one for one in hardware(spec)]
        self._pdus = PduSide(wiring, self.counters, self._fed)
        await self._pdus.start(spec.pdus)
        for one in self._found:
            file = NonVolatileFile(files / f"{one.name}.json")
            faults = faults_of(spec, one.name)
            machine = Machine(one, spec, faults, file, self._switches.frames_for, self.counters)
            machine.on_milestone = self._director.milestone
            machine.carried = managed.carried
            machine.sans = sans
            machine.save()
            self._runners[one.name] = runner = MachineRunner(machine, wiring, self._shared, known, self._pace, self._ssh)
            if one.bmc_port:
                self._bmcs[one.name] = self._bmc(runner, one, faults, loop)
        for runner in self._runners.values():
            runner.resume()
        if any(runner.machine.nonvolatile.power for runner in self._runners.values()):
            self._director.begin()

    def _wire(self) -> Wiring:
        spec = self.spec
        if spec.lane is not None:
            return LaneWiring(
                spec.lane,
                list(spec.networks.values()),
                spec.admin,
                spec.relay,
                self.counters,
            )
        return VethWiring(INNER, self.counters, ("tor1", f"swp{max(UPLINK, spec.nodes + 1)}"))

    def _bmc(self, runner: MachineRunner, one: Hardware, faults: Faults, loop: asyncio.AbstractEventLoop) -> AnyBmc:
        assert self._wiring is not None
        wiring = self._wiring
        factory = LanValues(address=one.bmc_address, source=DHCP)
        lan = Lan(factory, self._farm.kept(one.bmc_mac, "-lan"), lambda new: self._move_bmc(loop, one.name, new))
        address = lan.now.address
        wiring.attach(address)
        self._bmc_at[one.name] = address
        access = self.spec.bmc
        bmc = self._farm.add(
            one.bmc_protocol,
            lambda port: wiring.local(address, port),
            _Chassis(runner, loop, access.user, access.password),
            mood=mood(faults.bmc),
            about=About(guid=uuid.UUID(one.uuid), vendor=one.vendor, product=one.product, serial=one.serial),
            mac=one.bmc_mac,
            insides=MachineInsides(runner.machine, loop),
            lan=lan,
        )
        machine = runner.machine
        machine.bmc_address = lambda: lan.now.address
        machine.bmc = lambda *asked: in_band(bmc)(*asked) if bmc.mood.kind != "dead" else None
        bmc.copies = lossy(random.Random(f"{one.uuid}/bmc"), lambda: (machine.faults.drop_bmc, 0.0, 0.0))
        return bmc

    def _move_bmc(self, loop: asyncio.AbstractEventLoop, name: str, address: str) -> None:
        """A machine gave its BMC another address. One that another BMC has leads to that one, as on a real network."""

        def move() -> None:
            assert self._wiring is not None
            wiring, bmc, before = self._wiring, self._bmcs[name], self._bmc_at[name]
            if before == address:
                return
            wiring.attach(address)
            try:
                self._farm.move(bmc, lambda port: wiring.local(address, port))
            except OSError as error:
                log.warning("the BMC of %s cannot move to %s: %s", name, address, error)
                wiring.detach(address)
                self.counters.add("bmc-not-moved")
                return
            wiring.detach(before)
            self._bmc_at[name] = address

        loop.call_soon_threadsafe(move)

    async def close(self) -> None:
        self._director.close()
        await asyncio.gather(*(runner.stop() for runner in self._runners.values()))
        await asyncio.to_thread(self._farm.close)
        await asyncio.to_thread(self._ssh.close)
        if self._managed is not None:
            await self._managed.close()
        if self._sans is not None:
            await self._sans.close()
        if self._pdus is not None:
            self._pdus.close()
        if self._wiring is not None:
            self._wiring.close()

    def _fed(self, machine: str, action: str) -> None:
        """A PDU switched the outlets of a machine."""
        if machine in self._runners:
            self._runners[machine].power(action)

    # -- what may be asked of it ----------------------------------------------------------------------------------

    async def order(self, verb: str, words: list[str]) -> dict[str, Any]:
        """Carries out one line of the control socket. Raises WrongOrder."""
        match verb, words:
            case "status", []:
                return self._status()
            case "machines", []:
                return {"machines": [self._machine(runner) for runner in self._runners.values()]}
            case "disks", []:
                return {"disks": [row for runner in self._runners.values() for row in _disks(runner.machine)]}
            case "press", [who]:
                return {"pressed": [runner.machine.name for runner in self._press(who)]}
            case "off" | "reset" | "soft", [who]:
                for runner in (chosen := self._chosen(who)):
                    runner.power(verb)
                return {"done": [runner.machine.name for runner in chosen]}
            case "fault", [who, text]:
                return self._fault(who, text)
            case "faulty", []:
                return {"faulty": self._faulty()}
            case "repair", [who]:
                return {"repaired": self._repair(who)}
            case _:
                raise WrongOrder(f"unknown: {verb} {' '.join(words)}"[:200])

    def _chosen(self, who: str) -> list[MachineRunner]:
        if who == "all":
            return list(self._runners.values())
        if who not in self._runners:
            raise WrongOrder(f"no machine {who[:50]!r} in this rack")
        return [self._runners[who]]

    def _press(self, who: str) -> list[MachineRunner]:
        """The power button: powers on what is off. A machine that is on stays on, because a person who presses all buttons wants that."""
        pressed = [runner for runner in self._chosen(who) if not runner.machine.nonvolatile.power]
        for runner in pressed:
            runner.power("on")
        self._director.begin()
        return pressed

    def act(self, action: Action, machine: str) -> None:
        """Carries out a scenario's action (`director.Stage`)."""
        match action:
            case SetRogue():
                self._set_server(action.rogue)
            case Power():
                for runner in self._named(action.machine, machine):
                    runner.power(action.how)
            case SetFault():
                for runner in self._named(action.machine, machine):
                    self._set_faults(runner, action.faults)
            case Swap():
                for runner in self._named(action.machine, machine):
                    runner.machine.replace_board(action.keep_nics)
            case DropSsh():
                for runner in self._named(action.machine, machine):
                    self._ssh.drop(runner.machine.name)

    def _named(self, who: str, machine: str) -> list[MachineRunner]:
        return self._chosen(who or machine)

    def _set_faults(self, runner: MachineRunner, given: dict[str, Any]) -> None:
        """Raises msgspec.ValidationError, WrongOrder."""
        faults = msgspec.convert(msgspec.to_builtins(runner.machine.faults) | given, Faults)
        new = DEAD if faults.cables.get("bmc") == "" else mood(faults.bmc)
        runner.machine.faults = faults
        if "cables" in given:
            runner.machine.recable(cabling(runner.machine.home, faults).now)
        self._kept.keep(runner.machine.name, faults)
        if (bmc := self._bmcs.get(runner.machine.name)) is not None:
            bmc.mood = new

    def _fault(self, who: str, text: str) -> dict[str, Any]:
        """Faults that can come and go while the rack runs. Faults of identity need a new rack."""
        try:
            given = msgspec.json.decode(text, type=dict[str, Any])
            chosen = self._chosen(who)
            for runner in chosen:
                self._set_faults(runner, given)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as wrong:
            raise WrongOrder(f"not a fault: {wrong}") from wrong
        return {"faulty": [runner.machine.name for runner in chosen]}

    def _set_server(self, server: Rogue | None) -> None:
        self._shared.rogue = server
        self._kept.keep_server(server)

    def _plugs(self) -> dict[str, Cabling]:
        return {name: cabling(runner.machine.home, runner.machine.faults) for name, runner in self._runners.items()}

    def _faulty(self) -> list[dict[str, Any]]:
        """The machines with something to repair."""
        plugs, out = self._plugs(), []
        for name, runner in self._runners.items():
            if found := repairable(runner.machine.faults, plugs[name]):
                out.append({**_identity(runner.machine), "faults": found})
        return out + ([{"name": SERVER, "faults": [SERVER]}] if self._shared.rogue is not None else [])

    def _repair(self, who: str) -> list[dict[str, Any]]:
        """Repairs a machine, and returns what was done. A machine that changed places with it counts as repaired too."""
        if who == SERVER and self._shared.rogue is not None:
            self._set_server(None)
            return [{"name": SERVER, "done": ["the second DHCP server is unplugged"]}]
        [runner] = self._chosen(who) if who != "all" else [None]
        if runner is None:
            raise WrongOrder("expected one machine")
        plugs = self._plugs()
        found = repairable(runner.machine.faults, plugs[who])
        done: dict[str, list[str]] = {who: [HEALTHY[name][1] for name in found if name in HEALTHY]}
        self._set_faults(runner, {name: HEALTHY[name][0] for name in found if name in HEALTHY})
        for name, moved in straightened(who, plugs).items():
            machine = self._runners[name].machine
            self._set_faults(self._runners[name], {"cables": away(plugs[name], moved)})
            nics = {nic.link: nic.name for nic in machine.hardware.nics}
            done.setdefault(name, []).extend(f"{nics.get(link, link)} is plugged into {port or 'nothing'}" for link, port in moved.items())
        return [{**_identity(self._runners[name].machine), "done": words} for name, words in done.items() if words]

    def _status(self) -> dict[str, Any]:
        machines = [runner.machine for runner in self._runners.values()]
        running: dict[str, int] = {}
        for machine in machines:
            name = machine.environment or ("off" if not machine.nonvolatile.power else "firmware")
            running[name] = running.get(name, 0) + 1
        return {
            "nodes": len(machines),
            "on": sum(machine.nonvolatile.power for machine in machines),
            "running": running,
            "boots": sum(machine.nonvolatile.boots for machine in machines),
            "counters": self.counts(),
        }

    def counts(self) -> dict[str, int]:
        """Refused, lost or unknown input since this process began, and the real traffic."""
        return self.counters.all() | self._farm.counts()

    def _machine(self, runner: MachineRunner) -> dict[str, Any]:
        machine = runner.machine
        one, nonvolatile = machine.hardware, machine.nonvolatile
        return {
            "name": one.name,
            "power": nonvolatile.power,
            "environment": machine.environment,
            "screen": machine.screen,
            "address": machine.address,
            "boots": nonvolatile.boots,
            "mac": one.nics[0].mac,
            "uuid": one.uuid,
            "serial": one.serial,
            "product": one.product,
            "bmc": machine.bmc_address(),
            "bmc_protocol": one.bmc_protocol,
            "bios": nonvolatile.bios,
            "installed": machine.system.os if machine.system is not None else "",
            "hostname": machine.system.hostname if machine.system is not None else "",
        }


def _identity(machine: Machine) -> dict[str, Any]:
    one = machine.hardware
    return {"name": one.name, "mac": one.nics[0].mac, "uuid": one.uuid, "serial": one.serial}


def _over(below: dict[str, Faults], above: dict[str, Faults]) -> dict[str, Faults]:
    """Faults by machine; those in `above` win field by field."""
    out = dict(below)
    blank = Faults()
    for name, faults in above.items():
        mine = {f: getattr(faults, f) for f in Faults.__struct_fields__ if getattr(faults, f) != getattr(blank, f)}
        out[name] = msgspec.structs.replace(out.get(name, blank), **mine)
    return out


def _disks(machine: Machine) -> list[dict[str, Any]]:
    rows = [
        {
            "machine": machine.name,
            "name": about.name,
            "serial": about.serial,
            "kind": "disk",
            "wipes": disk.wipes,
            "signature": disk.signature,
            "system": disk.system.os if disk.system is not None else "",
        }
        for about, disk in machine.physical()
    ]
    for volume in machine.nonvolatile.volumes:
        disk = volume.disk
        rows.append(
            {
                "machine": machine.name,
                "name": volume.name,
                "serial": disk.serial,
                "kind": "volume",
                "wipes": disk.wipes,
                "signature": disk.signature,
                "system": disk.system.os if disk.system is not None else "",
            }
        )
    return rows
