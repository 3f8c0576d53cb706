"""A switch's table of addresses by SNMP: the bridge MIBs, for switches whose command line the engine does not use.

Sources: RFC 4188 (dot1dTpFdbPort, dot1dBasePortIfIndex), RFC 4363 (dot1qTpFdbPort, whose index is a filtering database, on most switches
the VLAN), RFC 2863 (ifName). Neither MIB has the age of an entry.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.hardware.port_table import VLANS, SeenAddress
from ..power import SessionFailed
from ..power.snmp import SnmpAgent, SnmpTarget
from .dialects.dialect import ADDRESSES, mac_of
from .table import SwitchError

BY_VLAN, PLAIN = "1.3.6.1.2.1.17.7.1.2.2.1.2", "1.3.6.1.2.1.17.4.3.1.2"
INTERFACE, NAME = "1.3.6.1.2.1.17.1.4.1.2", "1.3.6.1.2.1.31.1.1.1.1"

Column = Mapping[str, int | str]
"""Index, without the column's OID -> value."""


def addresses(target: SnmpTarget) -> list[SeenAddress]:
    """Raises SwitchError."""
    agent = SnmpAgent(target)
    try:
        by_vlan = agent.walk(BY_VLAN, ADDRESSES)
        plain = {} if by_vlan else agent.walk(PLAIN, ADDRESSES)
        return entries(by_vlan, plain, agent.walk(INTERFACE, ADDRESSES), agent.walk(NAME, ADDRESSES))
    except SessionFailed as error:
        raise SwitchError("unreachable", f"SNMP at {target.address}: {error.failed.message}") from None


def entries(by_vlan: Column, plain: Column, interfaces: Column, names: Column) -> list[SeenAddress]:
    """The entries of the tables. Pure. One whose port has no name is left out: a number of the switch's own says nothing to people."""
    out = []
    for index, port in (*by_vlan.items(), *plain.items()):
        parts = [int(part) for part in index.split(".") if part.isdecimal()]
        octets, vlan = parts[-6:], parts[-7] if len(parts) == 7 else 0
        interface = interfaces.get(str(port))
        name = names.get(str(interface)) if interface is not None else None
        if len(octets) != 6 or max(octets) > 255 or not isinstance(name, str) or not name:
            continue
        mac = mac_of("".join(f"{one:02x}" for one in octets))
        if mac:
            out.append(SeenAddress(mac=mac, port=name[:64], vlan=vlan if vlan in VLANS else 0))
    return out
