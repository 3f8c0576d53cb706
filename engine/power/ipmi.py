"""Power by IPMI 2.0 over LAN: the only code that logs in to a BMC, writes, reads back and logs out.

Rules
* A call is one session: gate, login, write, read back until the state is reached or the time is over, logout. Nothing stays open between
  calls.
* Each thread drives its own session (`ipmi_session` says why there is neither a pyghmi thread nor a lock around pyghmi). So 32 threads
  serve 32 BMCs at a time, and one BMC gets one call at a time (`gate`).
* `cycle` is off, seen off, `rest_s`, on, seen on. The chassis command "power cycle" is not used: a BMC that only claims it cannot be
  told from a quick one, and many answer D5h while the machine is off.
* Only commands that may be repeated are sent (on, off, soft, set this device), because a lost answer makes us send again.
* A completion code is a claim too: a refused order counts as done if it reads back as done.
* Addresses are numeric, so that no resolver can block a thread.

Boot flags are parameter 5 of IPMI 2.0 table 28-14. Before they are set, the BMC's 60 s limit on their validity is lifted (parameter 3),
as ipmitool and pyghmi do: a server takes minutes to reach its boot loader. The next boot clears them unless they are persistent.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from . import (
    NOTE_S,
    Action,
    BootDevice,
    Device,
    Identity,
    InventoryRead,
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
from .call import call, cycled, light_disobeyed, look_until, obeyed, opened, started
from .gate import Gates, Turn
from .ipmi_console import SolConsole
from .ipmi_identity import guid, note, serials
from .ipmi_inventory import parts
from .ipmi_sensors import read_sensors
from .ipmi_session import IpmiSession
from .ipmi_vitals import read_vitals

_CHASSIS = 0x00
_STATUS, _CONTROL, _IDENTIFY, _SET_BOOT, _GET_BOOT = 0x01, 0x02, 0x04, 0x08, 0x09
_CONTROLS = {"off": 0, "on": 1, "soft": 5}
_DEVICE_CODE: dict[BootDevice, int] = {"none": 0, "network": 1, "disk": 2}
_CODE_DEVICE: dict[int, Device] = {0: "none", 1: "network", 2: "disk"}
_LAG_POLLS = 4
_T = TypeVar("_T")


class IpmiTarget(Struct, frozen=True, kw_only=True, gc=False):
    """Address and account of a BMC. User at most 16 bytes, password and key 20 (IPMI 2.0 22.25, 22.28, 22.30)."""

    address: str
    port: int = 623
    user: str
    password: str
    kg: str | None = None

    def __repr__(self) -> str:
        return f"IpmiTarget(address={self.address!r}, port={self.port}, user={self.user!r}, password=***)"


class IpmiPower:
    """`Power` of one BMC. Any number of these may exist; those that share `gates` never call one BMC at the same time."""

    def __init__(
        self,
        target: IpmiTarget,
        *,
        gates: Gates,
        pace: Pace | None = None,
        owner: Owner | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now`: the engine's clock, seconds since 1970, for a comparison with the BMC's."""
        self._owner = owner
        self._now = now
        self.target = target
        self.pace = pace or Pace()
        self._gates = gates
        self._sleep = sleep

    def read(self) -> PowerResult:
        return self._power(_read, self.pace.total_s)

    def set(self, action: Action) -> PowerResult:
        def work(session: IpmiSession) -> PowerResult:
            switch = self._switch(session)
            return cycled(switch, self._rest) if action == "cycle" else switch(action)

        return self._power(work, self.pace.soft_s if action == "soft" else self.pace.total_s)

    def set_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        return self._power(lambda session: self._order(session, device, persistent, uefi), self.pace.total_s)

    def boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        def work(session: IpmiSession) -> PowerResult:
            return started(self._order(session, device, persistent, uefi), self._switch(session), self._rest)

        return self._power(work, self.pace.total_s)

    def identify(self, seconds: int) -> PowerResult:
        def work(session: IpmiSession) -> PowerResult:
            session.command(_CHASSIS, _IDENTIFY, [max(0, min(255, seconds))])
            until = min(session.deadline, time.monotonic() + _LAG_POLLS * self.pace.poll_s)
            lit = look_until(lambda: _lit(session), lambda found: found in (None, seconds > 0), until, self.pace, self._sleep)
            if lit is not None and lit != (seconds > 0):
                return PowerFailed(kind="not_obeyed", message=light_disobeyed(lit))
            return PowerDone(state=_state(session))

        return self._power(work, self.pace.total_s)

    def sensors(self) -> SensorResult:
        return self._call(read_sensors, self.pace.sensors_s)

    def vitals(self, places: Sequence[LogPlace]) -> VitalsResult:
        def work(session: IpmiSession) -> VitalsResult:
            return read_vitals(session, _state(session) is PowerState.ON, places, self._now)

        return self._call(work, self.pace.sensors_s, Turn())

    def console(self, take: bool) -> SolConsole | PowerFailed:
        """The serial console of the machine, by serial over LAN. `take`: end the session of whoever has it. Close it when done."""

        def work(session: IpmiSession) -> SolConsole | PowerFailed:
            why = self._not_own(session)
            return PowerFailed(kind="not_own", message=why) if why else SolConsole(session, self.target.port, take)

        target, turn = self.target, Turn()
        wrong = _unsayable(target)
        if wrong is not None:
            return wrong
        return opened(self._gates, (target.address, target.port), self._credential, self.pace.total_s, self._login(turn), work, turn)

    def inventory(self) -> InventoryResult:
        """What stands on the machine's label, and the BMC's firmware: IPMI tells little more, and Redfish all."""
        return self._call(lambda session: InventoryRead(parts=parts(session), by="ipmi"), self.pace.sensors_s)

    def note(self, record: int, good: Callable[[str], bool]) -> NoteResult:
        def work(session: IpmiSession) -> NoteResult:
            until = min(session.deadline, time.monotonic() + NOTE_S)
            return NoteRead(text=look_until(lambda: note(session, record), good, until, self.pace, self._sleep))

        return self._call(work, self.pace.total_s)

    # Writing and reading back

    def _switch(self, session: IpmiSession) -> Callable[[str], PowerResult]:
        def switch(action: str) -> PowerResult:
            wanted = PowerState.ON if action == "on" else PowerState.OFF
            if action == "soft" and _state(session) is wanted:
                return PowerDone(state=wanted)
            try:
                session.command(_CHASSIS, _CONTROL, [_CONTROLS[action]])
            except SessionFailed as refusal:  # many answer D5h or FFh to an order for the present state
                if refusal.failed.kind not in ("refused", "unsupported") or not self._soon(session, wanted):
                    raise
            return obeyed(action, self._wait(session, lambda: _state(session), lambda state: state is wanted))

        return switch

    def _soon(self, session: IpmiSession, wanted: PowerState) -> bool:
        """True if the machine is as wanted now, or within a few polls: its state may lag behind a button that a person pushed."""
        until = min(session.deadline, time.monotonic() + _LAG_POLLS * self.pace.poll_s)
        return look_until(lambda: _state(session), lambda state: state is wanted, until, self.pace, self._sleep) is wanted

    def _rest(self) -> None:
        self._sleep(self.pace.rest_s)

    def _order(self, session: IpmiSession, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        try:
            session.command(_CHASSIS, _SET_BOOT, [3, 0x08])
        except SessionFailed as error:
            if error.failed.kind not in ("refused", "unsupported"):
                raise
            # Some BMCs do not know parameter 3. The flags themselves may still work, and they are read back.
        flags = 0x80 | (0x40 if persistent else 0) | (0x20 if uefi else 0)
        try:
            session.command(_CHASSIS, _SET_BOOT, [5, 0 if device == "none" else flags, _DEVICE_CODE[device] << 2, 0, 0, 0])
        except SessionFailed as refusal:  # the wrong completion code for an order that was accepted, or that holds already
            if refusal.failed.kind != "refused" or not _reads(session, device, persistent):
                raise
        found = self._wait(session, lambda: _boot_order(session), lambda order: order[0] == device)
        if found[0] != device:
            return PowerFailed(kind="not_obeyed", message=f"boot device set to {device}, it said yes and reads back {found[0]}")
        return PowerDone(state=_state(session), boot_device=found[0], persistent=found[1], uefi=found[2])

    def _wait(self, session: IpmiSession, look: Callable[[], _T], good: Callable[[_T], bool]) -> _T:
        return look_until(look, good, session.deadline, self.pace, self._sleep)

    # One session

    def _power(self, work: Callable[[IpmiSession], PowerResult], total_s: float) -> PowerResult:
        return self._call(work, total_s)

    def _call(self, work: Callable[[IpmiSession], _T], total_s: float, turn: Turn | None = None) -> _T | PowerFailed:
        target = self.target
        wrong = _unsayable(target)
        if wrong is not None:
            return wrong

        def own(session: IpmiSession) -> _T | PowerFailed:
            why = self._not_own(session)
            return PowerFailed(kind="not_own", message=why) if why else work(session)

        return call(self._gates, (target.address, target.port), self._credential, total_s, self._login(turn), own, turn)

    @property
    def _credential(self) -> bytes:
        return repr((self.target.user, self.target.password, self.target.kg)).encode()

    def _login(self, turn: Turn | None) -> Callable[[float], IpmiSession]:
        target = self.target

        def log_in(deadline: float) -> IpmiSession:
            return IpmiSession(
                target.address,
                target.port,
                target.user,
                target.password,
                target.kg,
                deadline=deadline,
                greet_s=self.pace.greet_s,
                gives_way=turn.wanted if turn is not None else None,
            )

        return log_in

    def _not_own(self, session: IpmiSession) -> str:
        """The GUID costs one command, and the FRU dozens: it is read only if the GUID does not tell."""
        if self._owner is None:
            return ""
        told = guid(session)
        return self._owner(told) and self._owner(Identity(uuids=told.uuids, serials=serials(session)))


def _unsayable(target: IpmiTarget) -> PowerFailed | None:
    try:
        ipaddress.ip_address(target.address)
    except ValueError:
        return PowerFailed(kind="unreachable", message="its address is not an IP address")
    if not 0 < target.port < 65536:
        return PowerFailed(kind="unreachable", message=f"{target.port} is not a port")
    if len(target.user.encode()) > 16 or len(target.password.encode()) > 20 or len((target.kg or "").encode()) > 20:
        return PowerFailed(kind="unsupported", message="IPMI takes user names of up to 16 bytes, passwords and keys of up to 20")
    return None


def _octets(data: bytes, least: int) -> bytes:
    if len(data) < least:
        raise SessionFailed("refused", f"answered with {len(data)} bytes where {least} were due")
    return data


def _state(session: IpmiSession) -> PowerState:
    return PowerState.ON if _octets(session.command(_CHASSIS, _STATUS), 3)[0] & 1 else PowerState.OFF


def _lit(session: IpmiSession) -> bool | None:
    """Whether its identify light is on (section 28.2, octet 3 of the chassis status). None: it does not report that."""
    shown = _octets(session.command(_CHASSIS, _STATUS), 3)[2]
    return bool(shown & 0x30) if shown & 0x40 else None


def _boot_order(session: IpmiSession) -> tuple[Device, bool, bool]:
    """(device, persistent, uefi) of parameter 5: [version, 5 | invalid, flags, device << 2, ...]."""
    data = _octets(session.command(_CHASSIS, _GET_BOOT, [5, 0, 0]), 4)
    flags = data[2]
    if data[1] & 0x80 or not flags & 0x80:
        return "none", False, False
    return _CODE_DEVICE.get(data[3] >> 2 & 0xF, "other"), bool(flags & 0x40), bool(flags & 0x20)


def _reads(session: IpmiSession, device: BootDevice, persistent: bool) -> bool:
    """True if that is the boot order now."""
    try:
        found = _boot_order(session)
    except SessionFailed:
        return False
    return found[0] == device and found[1] == (persistent and device != "none")


def _read(session: IpmiSession) -> PowerResult:
    state = _state(session)
    try:
        device, persistent, uefi = _boot_order(session)
    except SessionFailed as error:
        if error.failed.kind not in ("refused", "unsupported"):
            raise
        return PowerDone(state=state)  # parameter 5 is optional; the power state is not
    return PowerDone(state=state, boot_device=device, persistent=persistent, uefi=uefi)
