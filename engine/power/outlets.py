"""Power by the outlets of a machine's supplies, where it has no BMC: the third kind of `Power`.

Rules
* A machine is off when all its outlets are off, and on when one of them is on. `off` switches all of them off, `on` all on.
* An outlet orders no boot device: the order of the machine's own firmware counts. `boot` is a cycle, and reports no device.
* `soft` cannot be asked of an outlet, and is refused.
* A machine whose firmware is set to stay off after a power failure does not start: the outlet is on all the same. The boot's deadline
  tells.
* Each order is read back until the outlets are as ordered. PDUs switch outlets one after another, a second each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

from msgspec import Struct

from . import (
    Action,
    BootDevice,
    LogPlace,
    NoteResult,
    Pace,
    PowerDone,
    PowerFailed,
    PowerResult,
    PowerState,
    SensorResult,
    SessionFailed,
    VitalsResult,
)
from .call import call, cycled, look_until, obeyed
from .certificates import Certificates
from .gate import Gates
from .outlet_tables import TABLES
from .redfish import RedfishTarget
from .redfish_outlets import RedfishOutlets, RedfishSlots
from .snmp import SnmpAgent, SnmpTarget

REDFISH, SLOTS = "redfish", "redfish-chassis"
BY_WEB = (REDFISH, SLOTS)


class OutletTarget(Struct, frozen=True, kw_only=True, gc=False):
    """One outlet of one PDU."""

    pdu: str
    outlet: str
    table: str = REDFISH
    """Name in TABLES, or one of BY_WEB."""
    snmp: SnmpTarget | None = None
    redfish: RedfishTarget | None = None
    """Set for BY_WEB."""

    @property
    def where(self) -> tuple[str, int]:
        to = self.redfish or self.snmp
        return (to.address, to.port) if to is not None else ("", 0)

    @property
    def credential(self) -> bytes:
        """A value that differs when the account does."""
        if self.redfish is not None:
            return repr((self.redfish.user, self.redfish.password)).encode()
        to = self.snmp
        return b"" if to is None else repr((to.community, to.user, to.password, to.privacy)).encode()


class Outlets(Protocol):
    """The outlets of one PDU."""

    def read(self, outlets: Sequence[str]) -> list[bool | None]:
        """Whether each has power; None: the PDU does not say. Raises SessionFailed."""

    def switch(self, outlets: Sequence[str], on: bool) -> None:
        """Raises SessionFailed."""


class SnmpOutlets:
    """By SNMP, with the table of a vendor."""

    def __init__(self, table: str, target: SnmpTarget, timeout_s: float) -> None:
        self._table = TABLES[table]
        self._agent = SnmpAgent(target, timeout_s)

    def read(self, outlets: Sequence[str]) -> list[bool | None]:
        table = self._table
        oids = [f"{table.state}.{table.index(outlet)}" for outlet in outlets]
        found = self._agent.get(oids)
        return [True if found.get(oid) in table.on else False if found.get(oid) in table.off else None for oid in oids]

    def switch(self, outlets: Sequence[str], on: bool) -> None:
        table = self._table
        column, order = (table.switch_on, table.order_on) if on else (table.switch_off, table.order_off)
        for outlet in outlets:  # one by one: several agents take one set in a request
            self._agent.set({f"{column}.{table.index(outlet)}": order})


class OutletPower:
    """`Power` of a machine by all its outlets, which may be of several PDUs."""

    def __init__(
        self,
        targets: Sequence[OutletTarget],
        *,
        gates: Gates,
        certificates: Certificates | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`certificates`: of PDUs that speak Redfish."""
        self.targets = tuple(targets)
        self.pace = pace or Pace()
        self._gates, self._certificates, self._sleep = gates, certificates, sleep
        self._deadline = 0.0
        self._stack = ExitStack()
        self._pdus: dict[str, Outlets] = {}

    def read(self) -> PowerResult:
        return self._call(lambda: PowerDone(state=self._state()))

    def set(self, action: Action) -> PowerResult:
        if action == "soft":
            return PowerFailed(kind="unsupported", message="an outlet cannot ask the system to shut down: use off")
        return self._call(lambda: cycled(self._switch, self._rest) if action == "cycle" else self._switch(action))

    def set_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:  # noqa: ARG002
        return PowerFailed(kind="unsupported", message="an outlet orders no boot device: set the firmware to boot from the network first")

    def boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:  # noqa: ARG002
        return self._call(lambda: self._switch("on") if self._state() is PowerState.OFF else cycled(self._switch, self._rest))

    def identify(self, seconds: int) -> PowerResult:  # noqa: ARG002
        return PowerFailed(kind="unsupported", message="an outlet has no light that could be lit")

    def sensors(self) -> SensorResult:
        return PowerFailed(kind="unsupported", message="the sensors of a machine need a BMC")

    def vitals(self, places: Sequence[LogPlace]) -> VitalsResult:  # noqa: ARG002
        return PowerFailed(kind="unsupported", message="an outlet knows no health")

    def note(self, record: int, good: Callable[[str], bool]) -> NoteResult:  # noqa: ARG002
        return PowerFailed(kind="unsupported", message="a machine cannot write into an outlet")

    # -- the parts ---------------------------------------------------------------------------------------------------

    def _call(self, work: Callable[[], PowerResult]) -> PowerResult:
        first = self.targets[0]
        total_s = self.pace.web_s if any(one.redfish is not None for one in self.targets) else self.pace.total_s

        def begin(deadline: float) -> AbstractContextManager[object]:
            self._deadline, self._pdus, self._stack = deadline, {}, ExitStack()
            return self._stack

        return call(self._gates, first.where, first.credential, total_s, begin, lambda _stack: work())

    def _each(self) -> list[tuple[Outlets, list[str]]]:
        """The PDUs, each with its outlets of this machine."""
        of: dict[str, list[OutletTarget]] = {}
        for target in self.targets:
            of.setdefault(target.pdu, []).append(target)
        return [(self._open(some[0]), [one.outlet for one in some]) for some in of.values()]

    def _open(self, target: OutletTarget) -> Outlets:
        """The PDU's outlets, opened once in a call."""
        known = self._pdus.get(target.pdu)
        if known is not None:
            return known
        if target.redfish is not None and self._certificates is not None:
            kind = RedfishSlots if target.table == SLOTS else RedfishOutlets
            opened: Outlets = self._stack.enter_context(
                kind(target.redfish, self._certificates, self._deadline, self.pace.greet_s, self._sleep)
            )
        elif target.snmp is not None:
            opened = SnmpOutlets(target.table, target.snmp, self.pace.greet_s / 3)
        else:
            raise SessionFailed("unsupported", f"{target.pdu} has no way to be reached")
        self._pdus[target.pdu] = opened
        return opened

    def _state(self) -> PowerState:
        """Raises SessionFailed if an outlet's state is not known."""
        found: list[bool] = []
        for pdu, outlets in self._each():
            for outlet, on in zip(outlets, pdu.read(outlets), strict=True):
                if on is None:
                    raise SessionFailed("unsupported", f"the PDU has no outlet {outlet}, or another table than `pdu-access` says")
                found.append(on)
        return PowerState.ON if any(found) else PowerState.OFF

    def _all(self, on: bool) -> bool:
        return all(state is on for pdu, outlets in self._each() for state in pdu.read(outlets))

    def _switch(self, action: str) -> PowerResult:
        on = action == "on"
        self._state()  # an outlet that is not there must not be found after others were switched
        for pdu, outlets in self._each():
            pdu.switch([outlet for outlet, state in zip(outlets, pdu.read(outlets), strict=True) if state is not on], on)
        done = look_until(lambda: self._all(on), lambda good: good, self._deadline, self.pace, self._sleep)
        wanted = PowerState.ON if on else PowerState.OFF
        return PowerDone(state=wanted) if done else obeyed(action, PowerState.OFF if on else PowerState.ON)

    def _rest(self) -> None:
        self._sleep(self.pace.rest_s)
