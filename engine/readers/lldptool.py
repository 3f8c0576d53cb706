"""`lldptool -t -n -i PORT`: what lldpad heard on a port. It does not print the port's name. Source: open-lldp's lldptool_cmds.c."""

from __future__ import annotations

import re

from engine.parts import Heard, Parts
from engine.readers import plain
from engine.readers.report import Refused, told

_KINDS = {
    "MAC": "mac",
    "Ifname": "ifname",
    "Ifalias": "ifalias",
    "Local": "local",
    "IPv4": "ip",
    "IPv6": "ip",
    "Agent Circuit ID": "circuit",
}


def looks(text: str) -> bool:
    return bool(re.search(r"^(?:Chassis|Port) ID TLV", text[:2000], re.MULTILINE))


def read(text: str) -> Parts:
    """One neighbour. Raises Refused where none was heard."""
    tlvs: dict[str, list[str]] = {}
    title = ""
    for row in plain.whole_lines(text):
        if row.endswith(" TLV") and not row.startswith(("\t", " ")):
            title = row.removesuffix(" TLV")
            tlvs.setdefault(title, [])
        elif title and row.strip():
            tlvs[title].append(row.strip())
    chassis, port = (_identity(tlvs.get(key, [])) for key in ("Chassis ID", "Port ID"))
    if not chassis[1] or not port[1]:
        raise Refused(f"lldptool printed no neighbour; it said: {plain.first(plain.lines(text))}")
    enabled = plain.pairs(tlvs.get("System Capabilities", [])).get("Enabled capabilities", "")
    addresses = [value for key, _, value in (row.partition(": ") for row in tlvs.get("Management Address", [])) if key in ("IPv4", "IPv6")]
    return Parts(
        heard=(
            Heard(
                nic="",
                chassis=chassis[1],
                port=port[1],
                port_kind=port[0],
                port_description=told(" ".join(tlvs.get("Port Description", []))),
                system=told(" ".join(tlvs.get("System Name", []))),
                system_description=told(" ".join(tlvs.get("System Description", []))),
                addresses=tuple(told(one) for one in addresses[:16]),
                vlan=plain.integer(plain.pairs(tlvs.get("Port VLAN ID", [])).get("PVID"), 4094),
                vlans=tuple(
                    filter(None, (plain.integer(row.partition("ID: ")[2].split(",")[0], 4094) for row in tlvs.get("VLAN Name", [])))
                ),
                capabilities=tuple(told(one).lower() for one in enabled.split(",") if told(one)),
                mtu=plain.integer(
                    plain.pairs(tlvs.get("Maximum Frame Size", [])).get("MFS") or "".join(tlvs.get("Maximum Frame Size", [])), 65535
                ),
                ttl=plain.integer("".join(tlvs.get("Time to Live", [])), 65535),
            ),
        )
    )


def _identity(rows: list[str]) -> tuple[str, str]:
    kind, _, value = rows[0].partition(":") if rows else ("", "", "")
    return _KINDS.get(kind, kind.lower()), told(value)
