"""Power by Redfish (DMTF DSP0266, DSP2046): writes what a `ComputerSystem` must do, and reads back what it does.

Rules
* A call is one login: gate, login, write, read back until the state is reached or the time is over, logout (`redfish_session`).
* `cycle` is off, seen off, `rest_s`, on, seen on, as by IPMI and for the same reason: a restart that the BMC only claims looks like a
  quick one. So only those ResetTypes are used that end in a readable state.
* The present state is not ordered again, because many services answer that with an error. If a person pushed the button in between, the
  order is refused and the machine is as wanted: the state that is read back counts, whatever the answer was.
* PoweringOn and PoweringOff are transitions: the previous state counts until they end. A null state is waited for.
* A task (202) only explains: the state that is read back counts. A task that failed ends the wait; a task that vanished says nothing.
* A BMC that restarts in the middle is asked again until the time is over.
* A boot device that was accepted and does not read back is `not_obeyed`: some services answer 200 and change nothing.

`redfish_find` chooses the system; `redfish_system` writes to it.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from msgspec import Struct

from ..definitions import Json
from . import (
    NOTE_S,
    Action,
    BiosRead,
    BiosWritten,
    BootDevice,
    FirmwareEntry,
    FirmwareSeen,
    FirmwareStaged,
    Identity,
    InventoryResult,
    LogPlace,
    NoteRead,
    NoteResult,
    Owner,
    Pace,
    PowerDone,
    PowerFailed,
    PowerResult,
    PowerState,
    SensorResult,
    SessionFailed,
    VitalsResult,
)
from .call import call, cycled, light_disobeyed, look_until, obeyed, started
from .certificates import Certificates
from .gate import Gates, Turn
from .redfish_bios import read_bios, write_bios
from .redfish_find import find_system
from .redfish_firmware import entries, look, stage_file, stage_url
from .redfish_inventory import read_inventory
from .redfish_line import Line, service_root
from .redfish_sensors import read_clock, read_sensors
from .redfish_session import RedfishSession
from .redfish_system import System
from .redfish_vitals import read_vitals
from .redfish_volumes import SeenVolume, StorageRead, StorageVolume, VolumesDone, make_volumes, read_storages, seen_volumes
from .ssh_console import ConsoleWay, console_way

PORT = 443
_MUTE_POLLS = 5
"""How often a system that reports no power state is asked again before an order."""
_T = TypeVar("_T")


class RedfishTarget(Struct, frozen=True, kw_only=True, gc=False):
    """Address and account of a Redfish service; `uuid` and `serial` choose among several systems."""

    address: str
    port: int = PORT
    user: str
    password: str
    uuid: str = ""
    serial: str = ""

    def __repr__(self) -> str:
        return f"RedfishTarget(address={self.address!r}, port={self.port}, user={self.user!r}, password=***)"


class RedfishPower:
    """`Power` of one BMC. Any number of these may exist; those that share `gates` never call one BMC at the same time."""

    def __init__(
        self,
        target: RedfishTarget,
        *,
        gates: Gates,
        certificates: Certificates,
        pace: Pace | None = None,
        owner: Owner | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now`: the engine's clock, seconds since 1970, for a comparison with the BMC's."""
        self._owner = owner
        self.target = target
        self.pace = pace or Pace()
        self._gates = gates
        self._certificates = certificates
        self._sleep = sleep
        self._now = now

    def read(self) -> PowerResult:
        def work(session: RedfishSession) -> PowerResult:
            system = self._system(session)
            self._state(system)
            clock = None
            with suppress(SessionFailed):
                clock = read_clock(session, system.seen, self._now)
            return system.done(system.order(), clock)

        return self._call(work, self.pace.web_s)

    def set(self, action: Action) -> PowerResult:
        def work(session: RedfishSession) -> PowerResult:
            switch = self._switch(self._system(session))
            return cycled(switch, self._rest) if action == "cycle" else switch(action)

        return self._call(work, self.pace.soft_s if action == "soft" else self.pace.web_s)

    def set_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        return self._call(lambda session: self._order(self._system(session), device, persistent, uefi), self.pace.web_s)

    def boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        def work(session: RedfishSession) -> PowerResult:
            system = self._system(session)
            return started(self._order(system, device, persistent, uefi), self._switch(system), self._rest)

        return self._call(work, self.pace.web_s)

    def identify(self, seconds: int) -> PowerResult:
        def work(session: RedfishSession) -> PowerResult:
            system = self._system(session)
            lit = seconds > 0
            shown = system.see()
            if "LocationIndicatorActive" in shown:
                system.change({"LocationIndicatorActive": lit})
            elif "IndicatorLED" in shown:  # before DSP2046 2020.3
                system.change({"IndicatorLED": "Blinking" if lit else "Off"})
            else:
                return PowerFailed(kind="unsupported", message="it has no light that could be lit")
            until = min(session.deadline, time.monotonic() + _MUTE_POLLS * self.pace.poll_s)
            found = look_until(lambda: _lit(system.see()), lambda seen: seen in (None, lit), until, self.pace, self._sleep)
            if found is not None and found != lit:
                return PowerFailed(kind="not_obeyed", message=light_disobeyed(found))
            return PowerDone(state=self._state(system))

        return self._call(work, self.pace.web_s)

    def sensors(self) -> SensorResult:
        def work(session: RedfishSession) -> SensorResult:
            system = self._system(session)
            system.see()
            return read_sensors(session, system.path, system.seen, self._now)

        return self._call(work, self.pace.sensors_s)

    def vitals(self, places: Sequence[LogPlace]) -> VitalsResult:
        def work(session: RedfishSession) -> VitalsResult:
            system = self._system(session)
            system.see()
            return read_vitals(session, system.path, system.seen, system.state, places, self._now)

        return self._call(work, self.pace.sensors_s, Turn())

    def inventory(self) -> InventoryResult:
        """The parts of the machine, as its BMC knows them, whether it is on or off."""

        def work(session: RedfishSession) -> InventoryResult:
            system = self._system(session)
            return read_inventory(session, system.path, self.target.uuid, self.target.serial)

        return self._call(work, self.pace.inventory_s)

    def bios(self) -> BiosRead | PowerFailed:
        """The settings of its BIOS, with their registry."""
        return self._call(lambda session: read_bios(session, self._system(session).path), self.pace.inventory_s)

    def set_bios(self, settings: Mapping[str, str | int | bool]) -> BiosWritten | PowerFailed:
        """Writes settings of its BIOS for the next start. Whether they were applied, `bios` says after that start."""
        return self._call(lambda session: write_bios(session, self._system(session).path, settings), self.pace.web_s)

    def firmware(self) -> tuple[FirmwareEntry, ...] | PowerFailed:
        """Its firmware inventory."""

        def work(session: RedfishSession) -> tuple[FirmwareEntry, ...]:
            self._system(session)
            return entries(session)

        return self._call(work, self.pace.inventory_s)

    def stage_firmware(self, name: str, content: bytes, url: str, targets: Sequence[str] = ()) -> FirmwareStaged | PowerFailed:
        """Stages a file of firmware: pushed, or else fetched by the BMC from `url`, if there is one. `targets`: paths of what it is for."""

        def work(session: RedfishSession) -> FirmwareStaged:
            self._system(session)
            try:
                return stage_file(session, name, content, targets)
            except SessionFailed as error:
                if error.failed.kind != "unsupported" or not url:
                    raise
                return stage_url(session, url, targets)

        return self._call(work, self.pace.firmware_s)

    def look_firmware(self, task: str, entry: str) -> FirmwareSeen | PowerFailed:
        """What is seen of a staged firmware now; `unreachable` and `timeout` mean that the BMC is away."""
        return self._call(lambda session: look(session, task, entry), self.pace.web_s)

    def note(self, record: int, good: Callable[[str], bool]) -> NoteResult:
        """Its HostName, which BMCs take from the system name of IPMI."""

        def work(session: RedfishSession) -> NoteResult:
            system = self._system(session)

            def name() -> str:
                shown = system.seen.get("HostName")
                return shown if isinstance(shown, str) else ""

            def look() -> str:
                system.see()
                return name()

            if system.seen and good(text := name()):  # it has just been read to see whose it is
                return NoteRead(text=text)
            until = min(session.deadline, time.monotonic() + NOTE_S)
            return NoteRead(text=look_until(look, good, until, self.pace, self._sleep))

        if record:
            return PowerFailed(kind="unsupported", message="its event log is read by IPMI")
        return self._call(work, self.pace.web_s)

    def volumes(self, storage: str, wanted: Sequence[StorageVolume], total_s: float) -> VolumesDone | PowerFailed:
        """Makes the volumes of one storage resource, and reads them back. `storage`: its path, below the machine's own system."""

        def work(session: RedfishSession) -> VolumesDone | PowerFailed:
            system = self._system(session)
            if not session.path(storage).startswith(f"{system.path.rstrip('/')}/"):
                return PowerFailed(kind="not_own", message="the storage is that of another system")
            return make_volumes(session, storage, wanted, self.pace, self._sleep)

        return self._call(work, total_s)

    def console_way(self) -> ConsoleWay | PowerFailed:
        """How the BMC gives the machine's serial console by SSH."""

        def work(session: RedfishSession) -> ConsoleWay:
            system = self._system(session)
            return console_way(session, system.see())

        return self._call(work, self.pace.web_s)

    def storages(self) -> tuple[StorageRead, ...] | PowerFailed:
        """Its storage resources that make volumes."""
        return self._call(lambda session: read_storages(session, self._system(session).path), self.pace.inventory_s)

    def seen_volumes(self, storage: str) -> tuple[SeenVolume, ...] | PowerFailed:
        """The volumes of one storage resource as they are."""

        def work(session: RedfishSession) -> tuple[SeenVolume, ...]:
            self._system(session)
            return seen_volumes(session, storage)

        return self._call(work, self.pace.inventory_s)

    # Writing and reading back

    def _switch(self, system: System) -> Callable[[str], PowerResult]:
        def switch(action: str) -> PowerResult:
            wanted = PowerState.ON if action == "on" else PowerState.OFF
            if self._state(system) is wanted:
                return PowerDone(state=wanted)
            kinds, refusal, again = system.reset_types(action), None, True
            while kinds:
                try:
                    system.reset(kinds[0])
                except SessionFailed as error:
                    if self._is_there(system, wanted, error):
                        return PowerDone(state=wanted)
                    refusal = refusal or error
                    if not (error.passing and again):
                        kinds.pop(0)
                    again = again and not error.passing
                else:
                    return self._arrived(system, action, wanted)
            assert refusal is not None  # there is a type, else `reset_types` raises
            raise refusal

        return switch

    def _is_there(self, system: System, wanted: PowerState, refusal: SessionFailed) -> bool:
        """True if the machine is as wanted although the order was refused or its answer lost. Raises if no other order is possible."""
        try:
            if refusal.failed.kind != "authentication" and system.glimpse() and system.state is wanted:
                return True
            if refusal.passing or system.is_moving_to(wanted):
                self._wait(system, lambda: system.state is not None and not system.is_moving_to(wanted))
        except SessionFailed:
            raise refusal from None
        if system.trouble is not None or not (refusal.passing or refusal.failed.kind in ("refused", "unsupported")):
            raise refusal
        return system.state is wanted

    def _arrived(self, system: System, action: str, wanted: PowerState) -> PowerResult:
        """The result of an accepted order."""
        self._wait(system, lambda: system.state is wanted)
        if system.trouble is not None:
            said = system.trouble.failed
            return PowerFailed(kind="timeout", message=f"ordered {action}, it said yes, and cannot be read back: {said.message}")
        if system.state is not wanted and (why := system.task_failed()):
            return PowerFailed(kind="refused", message=f"ordered {action}, it said yes, and {why}")
        return obeyed(action, system.state)

    def _state(self, system: System) -> PowerState:
        """The state before any order. Raises `SessionFailed` if the BMC keeps reporting none."""

        def look() -> PowerState | None:
            system.see()
            return system.state

        until = min(system.session.deadline, time.monotonic() + _MUTE_POLLS * self.pace.poll_s)
        found = look_until(look, lambda state: state is not None, until, self.pace, self._sleep)
        if found is None:
            raise SessionFailed("refused", "its system does not say whether it has power")
        return found

    def _rest(self) -> None:
        self._sleep(self.pace.rest_s)

    def _order(self, system: System, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        def good() -> bool:
            order = system.order(device)
            return order is not None and order.device == device

        try:
            system.order_boot(device, persistent, uefi)
        except SessionFailed as refusal:
            if not (refusal.passing and system.glimpse() and good()):
                raise
        self._wait(system, good)
        if system.trouble is not None:
            raise system.trouble
        if good() and system.keep_mode():
            self._wait(system, good)
        found = system.order(device)
        if found is None or found.device != device:
            if why := system.task_failed():
                return PowerFailed(kind="refused", message=f"boot device set to {device}, it said yes, and {why}")
            reads = "nothing" if found is None else found.device
            return PowerFailed(kind="not_obeyed", message=f"boot device set to {device}, it said yes and reads back {reads}")
        self._state(system)
        return system.done(found)

    def _wait(self, system: System, good: Callable[[], bool]) -> None:
        """Polls until the system shows the wanted state, its task failed, or the time is over."""

        def look() -> bool:
            return system.glimpse() and (good() or system.task_failed() != "")

        look_until(look, bool, system.session.deadline, self.pace, self._sleep)

    def _call(self, work: Callable[[RedfishSession], _T], total_s: float, turn: Turn | None = None) -> _T | PowerFailed:
        target = self.target
        wrong = unsayable(target.address, target.port)
        if wrong is not None:
            return wrong
        if ":" in target.user:
            return PowerFailed(kind="unsupported", message="HTTP takes no user name with a colon (RFC 7617 2)")

        def log_in(deadline: float) -> RedfishSession:
            where, greet_s = (target.address, target.port), self.pace.greet_s
            line = Line(*where, deadline=deadline, greet_s=greet_s, sleep=self._sleep, certificates=self._certificates)
            if turn is not None:
                line.gives_way, line.yields = turn.wanted, True
            return RedfishSession(line, target.user, target.password)

        credential = repr((target.user, target.password)).encode()
        return call(self._gates, (target.address, target.port), credential, total_s, log_in, work, turn)

    def _system(self, session: RedfishSession) -> System:
        system = System(session, find_system(session, self.target.uuid, self.target.serial))
        if self._owner is not None:
            said = system.see()
            texts = [one for name in ("SerialNumber", "SKU") if isinstance(one := said.get(name), str)]
            uuid = said.get("UUID")
            why = self._owner(Identity(uuids=(uuid,) if isinstance(uuid, str) else (), serials=tuple(texts)))
            if why:
                raise SessionFailed("not_own", why)
        return system


def speaks_redfish(address: str, port: int, within_s: float, sleep: Callable[[float], None] = time.sleep) -> bool:
    """True if a Redfish service answers there. Asks without a login, and gives up after `within_s`."""
    if unsayable(address, port) is not None:
        return False
    line = Line(address, port, deadline=time.monotonic() + within_s, greet_s=within_s, sleep=sleep, certificates=None)
    try:
        service_root(line)
    except SessionFailed:
        return False
    finally:
        line.close()
    return True


def _lit(system: dict[str, Json]) -> bool | None:
    """Whether its light is on. None: it does not say."""
    active = system.get("LocationIndicatorActive")
    return active if isinstance(active, bool) else {"Lit": True, "Blinking": True, "Off": False}.get(str(system.get("IndicatorLED")))


def unsayable(address: str, port: int) -> PowerFailed | None:
    """Why the service cannot be used."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return PowerFailed(kind="unreachable", message="its address is not an IP address")
    return None if 0 < port < 65536 else PowerFailed(kind="unreachable", message=f"{port} is not a port")
