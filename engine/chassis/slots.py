"""The slots of a chassis, by Redfish or by the MIB of its vendor.

Redfish (DSP0266, schemas Chassis and ComputerSystem): each Chassis with one ComputerSystem is a slot.

SNMP: Dell CMC (DELL-RAC-MIB drsServerServiceTag, drsServerSlotNumber), HPE BladeSystem (CPQRACK-MIB cpqRackServerBladePosition,
cpqRackServerBladeSerialNum), IBM and Lenovo BladeCenter (BLADE-MIB bladeHardwareVpdUuid, whose index is the bay; bladePowerState).
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from ..core.hardware.slots import MOST, Slot
from ..definitions import Json
from ..power.snmp import SnmpAgent
from ..readers.redfish_slots import SLOT, slot_name

_CMC, _RACK, _BLADE = "1.3.6.1.4.1.674.10892.2.5.1.1", "1.3.6.1.4.1.232.22.2.4.1.1.1", "1.3.6.1.4.1.2.3.51.2"


class Session(Protocol):
    """What is asked of a Redfish service (`RedfishSession`)."""

    root: dict[str, Any]

    def get(self, path: Json) -> Any: ...

    def members(self, path: Json, most: int) -> list[Json]: ...


def by_redfish(session: Session) -> list[Slot]:
    """Raises SessionFailed."""
    out: dict[str, Slot] = {}
    for one in session.members(session.root.get("Chassis"), MOST):
        body = session.get(one).body
        links = body.get("Links") if isinstance(body.get("Links"), dict) else {}
        systems = links.get("ComputerSystems")
        if not isinstance(systems, list) or len(systems) != 1:
            continue  # a rack, or an enclosure that has all of them
        system = session.get(systems[0]).body
        slot = Slot(
            slot=slot_name(body),
            serial=_text(system.get("SerialNumber")) or _text(body.get("SerialNumber")),
            uuid=_text(system.get("UUID")).lower() or _text(body.get("UUID")).lower(),
            power={"On": "on", "Off": "off"}.get(_text(system.get("PowerState")) or _text(body.get("PowerState")), ""),
        )
        if slot.slot:
            out.setdefault(slot.slot.lower(), slot)
    return list(out.values())


def by_snmp(agent: SnmpAgent, table: str) -> list[Slot]:
    """Raises SessionFailed."""
    if table == "ibm-bladecenter":
        uuids, power = agent.walk(f"{_BLADE}.2.21.4.1.1.8", MOST), agent.walk(f"{_BLADE}.22.1.5.1.1.4", MOST)
        rows = [(str(bay), "", _uuid(str(uuid)), {1: "on", 0: "off"}.get(_int(power.get(bay)), "")) for bay, uuid in uuids.items()]
    else:
        serials, slots = ("2", "5") if table == "dell-cmc" else ("16", "8")
        base = _CMC if table == "dell-cmc" else _RACK
        found, where = agent.walk(f"{base}.{serials}", MOST), agent.walk(f"{base}.{slots}", MOST)
        rows = [(str(where.get(index, "")).strip(), str(serial), "", "") for index, serial in found.items()]
    kept = [Slot(slot=slot, serial=_text(serial), uuid=uuid, power=power) for slot, serial, uuid, power in rows if SLOT.fullmatch(slot)]
    return [one for one in kept if one.serial or one.uuid]


def _uuid(text: str) -> str:
    """`FB8F 1020 ...` of BLADE-MIB as a UUID. Empty: it is none."""
    digits = re.sub(r"[^0-9A-Fa-f]", "", text).lower()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts) if len(digits) == 32 and set(digits) != {"0"} else ""


def _text(value: object) -> str:
    """At most 64 printable characters."""
    return "".join(one for one in str(value).strip() if one.isprintable())[:64] if isinstance(value, str) else ""


def _int(value: object) -> int:
    return value if isinstance(value, int) else -1
