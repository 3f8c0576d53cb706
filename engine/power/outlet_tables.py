"""The tables of outlets of rack PDUs, by SNMP: where the state is, how it reads, and what switches. Pure.

Sources: APC PowerNet-MIB (sPDUOutletCtl; rPDUOutletControlOutletCommand; rPDU2OutletSwitchedStatusState and -ControlCommand); Raritan
PDU2-MIB (switchingOperation, outletSwitchingState); Server Technology Sentry3-MIB (outletStatus, outletControlAction) and Sentry4-MIB
(st4OutletState, st4OutletControlAction);
Eaton EATON-EPDU-MIB (outletControlStatus, -OffCmd, -OnCmd). A bay of IBM's
BladeCenter is an outlet too: BLADE-MIB (bladePowerState, powerOnOffBlade).

An outlet is named by its number, or by the whole index behind the column: `7`, or `2.1.7` of a daisy chain. A number alone gets the index
of the first unit.
"""

from __future__ import annotations

import re

from msgspec import Struct

OUTLET = re.compile(r"\d{1,4}(\.\d{1,4}){0,3}")


class OutletTable(Struct, frozen=True, kw_only=True):
    """One vendor's table. OIDs are without the outlet's index."""

    name: str
    state: str
    on: frozenset[int]
    """Values of `state` that mean that the outlet has power."""
    off: frozenset[int]
    switch_on: str
    switch_off: str
    order_on: int
    order_off: int
    first: str = ""
    """Index of the first unit, before an outlet's number: `1.`."""

    def index(self, outlet: str) -> str:
        return outlet if "." in outlet else f"{self.first}{outlet}"


_BLADE = "1.3.6.1.4.1.2.3.51.2.22.1"
_APC, _RARITAN, _SENTRY, _EATON = "1.3.6.1.4.1.318.1.1", "1.3.6.1.4.1.13742.6", "1.3.6.1.4.1.1718", "1.3.6.1.4.1.534.6.6.7.6.6.1"


def _one(name: str, state: str, on: set[int], off: set[int], switch: str, orders: tuple[int, int], first: str = "") -> OutletTable:
    return OutletTable(
        name=name,
        state=state,
        on=frozenset(on),
        off=frozenset(off),
        switch_on=switch,
        switch_off=switch,
        order_on=orders[0],
        order_off=orders[1],
        first=first,
    )


TABLES = {
    one.name: one
    for one in (
        _one("apc", f"{_APC}.12.3.3.1.1.4", {1}, {2}, f"{_APC}.12.3.3.1.1.4", (1, 2)),
        _one("apc-masterswitch", f"{_APC}.4.4.2.1.3", {1}, {2}, f"{_APC}.4.4.2.1.3", (1, 2)),
        _one("apc-rpdu2", f"{_APC}.26.9.2.3.1.5", {2}, {1}, f"{_APC}.26.9.2.4.1.5", (1, 2)),
        _one("raritan", f"{_RARITAN}.4.1.2.1.3", {7}, {8}, f"{_RARITAN}.4.1.2.1.2", (1, 0), "1."),
        _one("servertech-sentry3", f"{_SENTRY}.3.2.3.1.5", {1}, {0}, f"{_SENTRY}.3.2.3.1.11", (1, 2), "1.1."),
        _one("servertech-sentry4", f"{_SENTRY}.4.1.8.3.1.1", {2}, {1}, f"{_SENTRY}.4.1.8.5.1.2", (1, 2), "1.1."),
        _one("ibm-bladecenter", f"{_BLADE}.5.1.1.4", {1}, {0}, f"{_BLADE}.6.1.1.7", (1, 0)),
        OutletTable(
            name="eaton",
            state=f"{_EATON}.2",
            on=frozenset({1}),
            off=frozenset({0}),
            switch_on=f"{_EATON}.4",
            switch_off=f"{_EATON}.3",
            order_on=0,
            order_off=0,
            first="0.",
        ),
    )
}
"""Name in the attribute `pdu-access` -> table. The orders of Eaton are seconds to wait."""
