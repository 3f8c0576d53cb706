"""How the BMCs and PDUs of a rack are reached, as its spec has it. A machine that an outlet feeds has no BMC."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class PduDef(Struct, frozen=True, kw_only=True):
    """One PDU: its address, the vendor's table of outlets (`engine.power.outlet_tables`), and outlet -> machine."""

    address: str
    table: str = "apc"
    feeds: dict[str, str] = {}


class BmcAccess(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses of the BMCs: machine i has `first` + i - 1."""

    first: str = "192.168.125.21"
    user: str = "admin"
    password: str = "rehearsal"
    protocol: Literal["mixed", "ipmi", "redfish"] = "mixed"
    """`mixed`: every third machine's BMC speaks Redfish, the others' IPMI."""

    def spoken(self, number: int) -> Literal["ipmi", "redfish"]:
        """By the BMC of that machine."""
        if self.protocol == "mixed":
            return "ipmi" if number % 3 else "redfish"
        return self.protocol

    def __repr__(self) -> str:
        return f"BmcAccess(first={self.first!r}, user={self.user!r})"
