"""A simulated machine as the roles of barclamps see it: hardware, what survives power off, and its present task.

`barclamps/NAME/rehearsal.py` says what the barclamp's scripts do to a simulated machine:

    ROLES = {"bios-configure": bios_configure}
    async def bios_configure(machine: Machine, task: Task) -> Result: ...

Rules for such a function
* It changes `machine.nonvolatile` and calls `machine.save()`, so that a verify (`task.action == "verify"`) and the inventory report the
  change.
* It may be cancelled at each await, because power can fail at any moment. Saved changes stay, others are lost. So a disk becomes
  bootable in one save, when everything is written.
* Time passes only by `await task.work(seconds)`, in seconds of a real machine. The rack's speed divides them.
* Exit codes are those of real tasks: 0 done, 64 done and reboot, 128 again, 192 reboot and again; others failed. A `verify` ends with 0
  (the role is applied), 1 (it is not applied), or others (could not tell).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct, structs

from ..counters import Counters
from .families import BIOS_VERSIONS, VERSIONS
from .nonvolatile import Disk, NonVolatile, NonVolatileFile, System, Volume
from .san_side import SanSide
from .spec import DiskDef, Faults, Hardware, Nic, SimulatedRackSpec, another_board, home_ports
from .switch import telephone

Json = Any
LOG_BYTES = 64 * 1024
REACHES_S = 5.0
"""Real seconds after which a silent address counts as not reachable."""


class Result(Struct, frozen=True, kw_only=True):
    """How a task ended."""

    exit: int = 0
    gives: dict[str, Json] = {}
    message: str = ""


class DiskBroken(Exception):
    """I/O error on a disk; replace the disk"""


class Pace:
    """How fast time passes in a rack."""

    def __init__(self, speed: float | Literal["max"]) -> None:
        self.speed = speed

    async def wait(self, seconds: float) -> None:
        """Lets these seconds of a real machine pass."""
        await asyncio.sleep(0 if self.speed == "max" else seconds / self.speed)

    def retry_s(self, seconds: float) -> float:
        """Real seconds to wait before something is tried again: divided by the speed, at least 0.2."""
        return 0.2 if self.speed == "max" else max(0.2, seconds / self.speed)


class DiskView(Struct, frozen=True):
    """A disk or volume as the operating system shows it."""

    name: str
    serial: str
    size: int
    rotational: bool
    transport: str
    disk: Disk
    wwn: str = ""


class Fetcher(Protocol):
    """How a machine's task reaches the engine's files."""

    async def download(self, url: str, sink: Callable[[memoryview], object]) -> int:
        """Passes the body to `sink` block by block. Returns its bytes. Retries while the server is away, after an empty block to
        `sink` (begin again). Raises `Refused` for an answer that will not change."""


class Refused(Exception):
    """The server said no."""


class Task:
    """One run of a role on a machine."""

    def __init__(
        self,
        *,
        id: str,
        role: str,
        barclamp: str,
        action: str,
        attributes: dict[str, Json],
        files: dict[str, bytes],
        pace: Pace,
        fetcher: Fetcher,
        environment: str,
    ) -> None:
        self.id = id
        self.role = role
        self.barclamp = barclamp
        self.action = action
        self.attributes = attributes
        self.files = files
        self.environment = environment
        self.answers = ""
        """The file of answers of the installer that carries it out."""
        self.log = bytearray()
        self.percent = 0
        self.text = ""
        self._pace = pace
        self._fetcher = fetcher
        self.on_progress: Callable[[], None] | None = None
        self.on_work: Callable[[int], Awaitable[None]] | None = None
        """Called with the percent done when a piece of work begins."""

    def get(self, path: str, default: Json = None) -> Json:
        """An attribute by its path, `a/b/c`, or by its name at the top."""
        at: Json = self.attributes
        for part in path.split("/"):
            if not isinstance(at, dict) or part not in at:
                return default
            at = at[part]
        return at

    def print(self, line: str) -> None:
        """A line of the task's output. Output above 64 KiB is dropped."""
        if len(self.log) < LOG_BYTES:
            self.log += line.encode()[:4096] + b"\n"

    def progress(self, percent: int, text: str) -> None:
        self.percent, self.text = max(0, min(percent, 100)), text[:200]
        if self.on_progress is not None:
            self.on_progress()

    async def work(self, seconds: float) -> None:
        """Lets seconds of a real machine pass."""
        if self.on_work is not None:
            await self.on_work(self.percent)
        await self._pace.wait(seconds)

    async def download(self, url: str, sink: Callable[[memoryview], object]) -> int:
        return await self._fetcher.download(url, sink)


Behaviour = Callable[["Machine", Task], Awaitable[Result]]


class Machine:
    """Hardware with what survives power off. One asyncio loop owns it; the BMC's thread reads only `nonvolatile.power`."""

    def __init__(
        self,
        hardware: Hardware,
        spec: SimulatedRackSpec,
        faults: Faults,
        file: NonVolatileFile,
        neighbours: Callable[[Hardware], list[tuple[str, bytes]]],
        counters: Counters,
    ) -> None:
        self.hardware = hardware
        self.home = home_ports(spec, hardware.number)
        """Link -> the switch port that its cable belongs into."""
        self.spec = spec
        self.faults = faults
        self.counters = counters
        self.rng = random.Random(f"{spec.seed}/{hardware.name}/life")
        self.screen = "off"
        self.environment = ""
        """What runs: empty, `firmware`, `sledgehammer`, or the name of an installed system."""
        self.address = ""
        self.clock_set_in = ""
        """boot_id of the boot in which its clock was set; empty: in none."""
        self.host_key = ""
        self.serves_in = -1
        """`nonvolatile.boots` of the boot in which it serves other nodes' burn-in; -1: in none."""
        self._file = file
        self._neighbours = neighbours
        self.bmc: Callable[[int, int, bytes], tuple[int, bytes] | None] = lambda *_asked: None
        """Its BMC over the bus: network function, command, data -> completion code and data. None: nothing answers."""
        self.bmc_address: Callable[[], str] = lambda: hardware.bmc_address
        """The address that its BMC has now."""
        self.on_listens: Callable[[], Awaitable[None]] | None = None
        """Called when the services of the running system are others (`System.listens`)."""
        self.remote: Callable[[str, int], tuple[str, int]] = lambda address, port: (address, port)
        """Where an address and port of the plan are reached."""
        self.carried: Callable[[str, str], frozenset[int] | None] = lambda _switch, _port: None
        """Switch and port -> the tagged VLANs that pass there. None: all do, because the switch is not managed."""
        self.sans: SanSide | None = None
        """The SANs of the rack. None: it has none."""
        self.on_milestone: Callable[[str, tuple[str, ...], int], bool] | None = None
        """Called with name, reached words, and percent. True: something was done to the machine."""
        self.nonvolatile = file.load() or self._new()
        if self.nonvolatile.board:
            self.hardware = another_board(hardware, self.nonvolatile.board, self.nonvolatile.keep_nics)

    @property
    def name(self) -> str:
        return self.hardware.name

    def _new(self) -> NonVolatile:
        return NonVolatile(
            power=self.spec.powered,
            bios=dict(self.hardware.bios),
            disks={disk.serial: Disk(serial=disk.serial) for disk in self.hardware.disks},
        )

    def save(self) -> None:
        """Saves `nonvolatile`. From now on it survives a `kill -9` of the rack."""
        self._file.save(self.nonvolatile)

    async def listen(self, port: int, kind: str, process: str = "") -> None:
        """A service of the installed system listens from now on, also after a reboot; while `process` runs, if it is named. `kind`:
        see `System.listens`."""
        system = self.system
        if system is not None and (system.listens.get(str(port)) != kind or system.serves.get(str(port), "") != process):
            system.listens[str(port)] = kind
            if process:
                system.serves[str(port)] = process
            self.save()
        if self.on_listens is not None:
            await self.on_listens()

    def start_process(self, name: str) -> None:
        """A role starts a process of the installed system, which somebody may have killed."""
        if self.system is not None and name in self.system.killed:
            self.system.killed.remove(name)
            self.save()

    async def reaches(self, address: str, port: int) -> bool:
        """True if something accepts connections there, as the running system finds it."""
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(*self.remote(address, port)), REACHES_S)
        except (OSError, ValueError, TimeoutError):
            return False
        writer.close()
        return True

    async def milestone(self, *words: str, percent: int = 0) -> None:
        """Reports the machine's progress, for scenarios. Their effects on it take hold before this returns."""
        if self.on_milestone is not None and self.on_milestone(self.name, words, percent):
            await asyncio.sleep(0.05)

    def replace_board(self, keep_nics: bool) -> None:
        """Another main board, while the power is off. Disks stay."""
        self.nonvolatile.board += 1
        self.nonvolatile.keep_nics = keep_nics
        self.hardware = another_board(self.hardware, self.nonvolatile.board, keep_nics)
        self.save()

    def recable(self, cables: Mapping[str, str]) -> None:
        """Moves cables to other ports (link -> `switch:port`, empty: pulled). From now on the machine's ports hear those."""
        nics = []
        for nic in self.hardware.nics:
            switch, _, port = cables[nic.link].partition(":") if nic.link in cables else (nic.switch, "", nic.port)
            nics.append(structs.replace(nic, switch=switch, port=port))
        self.hardware = structs.replace(self.hardware, nics=tuple(nics))

    @property
    def boot_nic(self) -> Nic:
        """The NIC that firmware boots from."""
        return self.hardware.nics[self.faults.boot_nic % len(self.hardware.nics)]

    def lost(self, percent: float) -> bool:
        """True if this packet or connection is lost."""
        return percent > 0 and self.rng.random() * 100 < percent

    # -- disks ----------------------------------------------------------------------------------------------------

    def disks(self) -> list[DiskView]:
        """Where a system could be installed: volumes first, then the disks that are in no volume."""
        return list(self._disks())

    def _disks(self) -> Iterator[DiskView]:
        by_serial = {disk.serial: disk for disk in self.hardware.disks}
        members = {serial for volume in self.nonvolatile.volumes for serial in volume.disks}
        for number, volume in enumerate(self.nonvolatile.volumes):
            first = by_serial[volume.disks[0]]
            name, wwn = (self._shown_as(number), f"naa.{volume.wwn}") if volume.wwn else (volume.name, "")
            yield DiskView(name, volume.disk.serial, volume.size, first.rotational, "raid", volume.disk, wwn)
        for one in self.hardware.disks:
            if one.serial not in members:
                found = self.nonvolatile.disks[one.serial]
                yield DiskView(one.name, one.serial, one.size, one.rotational, one.transport, found, one.wwn)

    def _shown_as(self, number: int) -> str:
        """The kernel's name of that volume, which a RAID controller shows as a disk."""
        return f"sd{chr(97 + len(self.hardware.disks) + number)}"

    def listed(self, running: bool = False) -> list[Json]:
        """The output of `images/node/disks list` for its disks, without software RAID volumes. `running`: the installed system
        asks, which its disk holds."""
        holds = {serial for volume in self.nonvolatile.volumes if volume.disk.system is not None for serial in volume.disks}
        hidden = {serial for volume in self.nonvolatile.volumes if volume.wwn for serial in volume.disks}
        rows = [
            _row(about, disk, running and (disk.system is not None or about.serial in holds))
            for about, disk in self.physical()
            if about.serial not in hidden
        ]
        return rows + [_row(about, disk, running and disk.system is not None) for about, disk in self._shown_volumes()]

    def _shown_volumes(self) -> Iterator[tuple[DiskDef, Disk]]:
        """The volumes of a RAID controller, as the kernel sees them."""
        for number, volume in enumerate(self.nonvolatile.volumes):
            if volume.wwn:
                name, wwn = self._shown_as(number), f"naa.{volume.wwn}"
                path = f"pci-0000:18:00.0-scsi-0:2:{number}:0"
                yield DiskDef(name=name, serial="", size=volume.size, rotational=True, transport="scsi", wwn=wwn, path=path), volume.disk

    def disk_named(self, names: Json) -> DiskView | None:
        """The disk that these names (`name`, `wwn`, `serial`) mean now; a volume by its name."""
        if not isinstance(names, dict):
            return None
        if names.get("volume"):
            return next((view for view in self._disks() if view.name == names.get("name")), None)
        for key in ("wwn", "serial", "name"):
            if wanted := names.get(key):
                return next((view for view in self._disks() if getattr(view, key) == wanted), None)
        return None

    def physical(self) -> list[tuple[DiskDef, Disk]]:
        return [(disk, self.nonvolatile.disks[disk.serial]) for disk in self.hardware.disks]

    def wipe(self, disk: Disk, signature: str = "") -> None:
        """Destroys a disk's content, and counts it. Raises DiskBroken."""
        if self.faults.disk_fails:
            raise DiskBroken(f"disk {disk.serial}: I/O error")
        disk.wipes += 1
        disk.system = None
        disk.certificate = {}
        disk.signature = signature
        self.save()

    def make_volume(self, name: str, level: str, serials: list[str], size: int) -> Volume:
        """Makes a RAID volume of disks, which wipes them. Raises DiskBroken."""
        if self.faults.disk_fails:
            raise DiskBroken(f"disk {serials[0]}: I/O error")
        for serial in serials:
            disk = self.nonvolatile.disks[serial]
            disk.wipes += 1
            disk.system = None
            disk.certificate = {}
            disk.signature = "raid-member"
        volume = Volume(name=name, level=level, disks=serials, size=size, disk=Disk(serial=f"V{serials[0]}"))
        self.nonvolatile.volumes.append(volume)
        self.save()
        return volume

    def drop_volumes(self) -> None:
        """Takes all volumes of the operating system apart: their content is gone, and their disks are blank."""
        for volume in [one for one in self.nonvolatile.volumes if not one.wwn]:
            for serial in volume.disks:
                self.nonvolatile.disks[serial].signature = ""
            self.nonvolatile.volumes.remove(volume)
        self.save()

    @property
    def system(self) -> System | None:
        """The installed system that the machine would boot from its disks."""
        return next((view.disk.system for view in self._disks() if view.disk.system is not None), None)

    # -- firmware -------------------------------------------------------------------------------------------------

    def self_test(self) -> None:
        """The firmware's start: it takes over the ordered settings."""
        self.nonvolatile.boots += 1
        waiting, self.nonvolatile.bios_pending = self.nonvolatile.bios_pending, {}  # its BMC's thread may add some now
        if not self.faults.bios_lies:
            self.nonvolatile.bios.update(waiting)
        staged, self.nonvolatile.firmware_pending = self.nonvolatile.firmware_pending, {}
        if not self.faults.updates:
            self.nonvolatile.firmware = {**self.nonvolatile.firmware, **staged}
        self.save()

    def versions(self) -> dict[str, str]:
        """Part -> version of its firmware."""
        return {"bios": BIOS_VERSIONS[self.hardware.firmware], **VERSIONS, **self.nonvolatile.firmware}

    # -- links ----------------------------------------------------------------------------------------------------

    def frames(self) -> list[tuple[str, bytes]]:
        """The LLDP frames that its ports receive: (name of the NIC, whole Ethernet frame)."""
        frames = self._neighbours(self.hardware)
        return [*frames, (frames[0][0], telephone())] if frames and self.faults.phone else frames

    def clock(self, boot_id: str) -> int:
        """Seconds since 1970 by its own clock, as that boot found it."""
        return int(time.time()) + (self.faults.clock_s if self.clock_set_in in ("", boot_id) else 0)


def _row(about: DiskDef, disk: Disk, used: bool) -> Json:
    """A disk in the output of `images/node/disks list`."""
    return {
        "name": about.name,
        "size": about.size,
        "serial": about.serial,
        "rotational": about.rotational,
        "signature": disk.signature,
        "transport": about.transport,
        "wwn": about.wwn,
        "path": about.path,
        "paths": list(about.paths or (about.name,)),
        "remote": about.transport == "fc",
        "removable": about.removable,
        "logical": 512,
        "physical": 4096 if about.rotational else 512,
        "read_only": False,
        "model": "",
        "state": "",
        "used": "/" if used else "",
    }
