"""Power by Redfish (DMTF DSP0266, DSP2046): writes what a `ComputerSystem` shall do, and reads back what it does.

Rules
* A call is one login: gate, login, write, read back until it is so or the time is over, logout (`redfish_session`).
* `cycle` is off, seen off, `rest_s`, on, seen on, as by IPMI and for the same reason: a restart that the BMC only claims looks like one
  that was quick. So of the ResetTypes only those are used that end in a state that can be read.
* What it is already is not ordered: many services answer that with an error.
* PoweringOn and PoweringOff are on the way: what they come from counts until they are there.
* Several systems behind one service (blades, sleds): the one with the node's UUID, else with its serial; a single one is taken as it is.
* A boot device that was accepted and does not read back is `not_obeyed`; there are services that answer 200 and change nothing.

What services take differs, so what they say about it is asked: ResetTypes by `ResetType@Redfish.AllowableValues` or `@Redfish.ActionInfo`,
targets by `BootSourceOverrideTarget@Redfish.AllowableValues`. The boot mode is sent only where it differs from what is shown, and left out
when the service refuses it: some servers count a change of it as a change of their BIOS set-up.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct

from . import Action, BootDevice, Device, Pace, PowerDone, PowerFailed, PowerResult, PowerState, SensorResult, SessionFailed
from .call import call, cycled, look_until, obeyed, started
from .certificates import Certificates
from .gate import Gates
from .redfish_sensors import read_sensors
from .redfish_session import Json, Line, RedfishSession, path_of, service_root

PORT = 443
_T = TypeVar("_T")
_RESETS: dict[str, tuple[str, ...]] = {"on": ("On", "ForceOn"), "off": ("ForceOff",), "soft": ("GracefulShutdown",)}
_STATES = {"On": PowerState.ON, "PoweringOff": PowerState.ON, "Paused": PowerState.ON, "Off": PowerState.OFF, "PoweringOn": PowerState.OFF}
_DEVICES: dict[str, Device] = {"None": "none", "Pxe": "network", "UefiHttp": "network", "Hdd": "disk"}
_TARGETS: dict[str, tuple[str, ...]] = {"network": ("Pxe", "UefiHttp"), "disk": ("Hdd",)}
_SYSTEMS = 64


class RedfishTarget(Struct, frozen=True, kw_only=True, gc=False):
    """Where a Redfish service is and who we are there; `uuid` and `serial` choose among several systems."""

    address: str
    port: int = PORT
    user: str
    password: str
    uuid: str = ""
    serial: str = ""

    def __repr__(self) -> str:
        return f"RedfishTarget(address={self.address!r}, port={self.port}, user={self.user!r}, password=***)"


class RedfishPower:
    """`Power` of one BMC. Make as many as you like; those that share `gates` never meet at one BMC."""

    def __init__(
        self,
        target: RedfishTarget,
        *,
        gates: Gates,
        certificates: Certificates,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target = target
        self.pace = pace or Pace()
        self._gates = gates
        self._certificates = certificates
        self._sleep = sleep

    def read(self) -> PowerResult:
        return self._call(lambda session: _done(self._system(session).see()), self.pace.web_s)

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
            return PowerDone(state=_state(system.see()))

        return self._call(work, self.pace.web_s)

    def sensors(self) -> SensorResult:
        return self._call(lambda session: read_sensors(session, self._system(session).see()), self.pace.sensors_s)

    # Writing and reading back

    def _switch(self, system: System) -> Callable[[str], PowerResult]:
        def switch(action: str) -> PowerResult:
            wanted = PowerState.ON if action == "on" else PowerState.OFF
            if _state(system.see()) is wanted:
                return PowerDone(state=wanted)
            system.reset(action)
            return obeyed(action, self._wait(system, _state, lambda state: state is wanted))

        return switch

    def _rest(self) -> None:
        self._sleep(self.pace.rest_s)

    def _order(self, system: System, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        system.order_boot(device, persistent, uefi)
        found = self._wait(system, _boot_order, lambda order: order is not None and order[0] == device)
        if found is None or found[0] != device:
            reads = "nothing" if found is None else found[0]
            return PowerFailed(kind="not_obeyed", message=f"boot device set to {device}, it said yes and reads back {reads}")
        return _done(system.seen)

    def _wait(self, system: System, what: Callable[[dict[str, Json]], _T], good: Callable[[_T], bool]) -> _T:
        return look_until(lambda: what(system.see()), good, system.session.deadline, self.pace, self._sleep)

    def _call(self, work: Callable[[RedfishSession], _T], total_s: float) -> _T | PowerFailed:
        target = self.target
        wrong = unsayable(target.address, target.port)
        if wrong is not None:
            return wrong
        if ":" in target.user:
            return PowerFailed(kind="unsupported", message="HTTP takes no user name with a colon (RFC 7617 2)")

        def log_in(deadline: float) -> RedfishSession:
            where, greet_s = (target.address, target.port), self.pace.greet_s
            line = Line(*where, deadline=deadline, greet_s=greet_s, sleep=self._sleep, certificates=self._certificates)
            return RedfishSession(line, target.user, target.password)

        credential = repr((target.user, target.password)).encode()
        return call(self._gates, (target.address, target.port), credential, total_s, log_in, work)

    def _system(self, session: RedfishSession) -> System:
        members = session.get(session.root["Systems"]).body.get("Members")
        if not isinstance(members, list) or not 0 < len(members) <= _SYSTEMS:
            raise SessionFailed("unsupported", "it tells of no system that could be switched")
        if len(members) == 1:
            return System(session, path_of(members[0]))
        found = [(path_of(one), session.get(one).body) for one in members]
        for name, own in (("UUID", self.target.uuid), ("SerialNumber", self.target.serial)):
            for path, body in found:
                if own and str(body.get(name, "")).lower() == own.lower():
                    return System(session, path)
        raise SessionFailed("unsupported", f"it has {len(members)} systems, and none with this node's UUID or serial")


class System:
    """One `ComputerSystem`, seen again for each question."""

    def __init__(self, session: RedfishSession, path: str) -> None:
        self.session = session
        self._path = path
        self._etag = ""
        self.seen: dict[str, Json] = {}

    def see(self) -> dict[str, Json]:
        answer = self.session.get(self._path)
        self._etag, self.seen = answer.etag, answer.body
        return answer.body

    def change(self, body: Json) -> None:
        self.session.patch(self._path, body, self._etag)

    def reset(self, action: str) -> None:
        """`on`, `off` or `soft`, by a ResetType that the service takes."""
        about = _member(_member(self.seen, "Actions"), "#ComputerSystem.Reset")
        if not about:
            raise SessionFailed("unsupported", "its system takes no power orders")
        allowed = self._reset_types(about)
        kind = next((one for one in _RESETS[action] if not allowed or one in allowed), "")
        if not kind:
            raise SessionFailed("unsupported", f"its system cannot be switched {action}: it takes {_listed(allowed)}")
        self.session.post(about.get("target"), {"ResetType": kind})

    def order_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> None:
        boot = _member(self.see(), "Boot")
        if device == "none":
            self.change({"Boot": {"BootSourceOverrideEnabled": "Disabled"}})
            return
        allowed = _strings(boot.get("BootSourceOverrideTarget@Redfish.AllowableValues"))
        target = next((one for one in _TARGETS[device] if not allowed or one in allowed), "")
        if not target:
            raise SessionFailed("unsupported", f"its system cannot be told to boot from {device}: it takes {_listed(allowed)}")
        order = {"BootSourceOverrideEnabled": "Continuous" if persistent else "Once", "BootSourceOverrideTarget": target}
        mode = "" if uefi is None else "UEFI" if uefi else "Legacy"
        if mode and boot.get("BootSourceOverrideMode") not in (None, mode):
            try:
                self.change({"Boot": {**order, "BootSourceOverrideMode": mode}})
                return
            except SessionFailed as error:
                if error.failed.kind != "refused":
                    raise
        self.change({"Boot": order})

    def _reset_types(self, about: dict[str, Json]) -> frozenset[str]:
        """Those that the service says it takes; empty: it does not say."""
        named = _strings(about.get("ResetType@Redfish.AllowableValues"))
        if named or not isinstance(about.get("@Redfish.ActionInfo"), str):
            return named
        parameters = self.session.get(about["@Redfish.ActionInfo"]).body.get("Parameters")
        for one in parameters if isinstance(parameters, list) else []:
            if isinstance(one, dict) and one.get("Name") == "ResetType":
                return _strings(one.get("AllowableValues"))
        return frozenset()


def speaks_redfish(address: str, port: int, within_s: float, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Does a Redfish service answer there? Asks without a login, and gives up after `within_s`."""
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


def unsayable(address: str, port: int) -> PowerFailed | None:
    """Why nothing can be asked there."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return PowerFailed(kind="unreachable", message="its address is not an IP address")
    return None if 0 < port < 65536 else PowerFailed(kind="unreachable", message=f"{port} is not a port")


def _member(tree: dict[str, Json], name: str) -> dict[str, Any]:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _strings(found: Json) -> frozenset[str]:
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else frozenset()


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(word for word in words if word.isascii() and word.isalnum()))[:160]


def _state(system: dict[str, Json]) -> PowerState:
    said = system.get("PowerState")
    if not isinstance(said, str) or said not in _STATES:
        raise SessionFailed("refused", "its system does not say whether it has power")
    return _STATES[said]


def _boot_order(system: dict[str, Json]) -> tuple[Device, bool, bool] | None:
    """(device, persistent, uefi); None: it does not say."""
    boot = _member(system, "Boot")
    enabled, target = boot.get("BootSourceOverrideEnabled"), boot.get("BootSourceOverrideTarget")
    if not isinstance(enabled, str):
        return None
    device = _DEVICES.get(target, "other") if isinstance(target, str) else "none"
    if enabled == "Disabled" or device == "none":
        return "none", False, False
    return device, enabled == "Continuous", boot.get("BootSourceOverrideMode") == "UEFI"


def _done(system: dict[str, Json]) -> PowerDone:
    order = _boot_order(system)
    if order is None:
        return PowerDone(state=_state(system))
    return PowerDone(state=_state(system), boot_device=order[0], persistent=order[1], uefi=order[2])
