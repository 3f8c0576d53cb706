"""What the scripts of the barclamp `chassis` call: `python -m engine.chassis`, with the environment of a task. It only reads.

Exit: as a role's script. The last line on stderr says why, without a secret.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from ..core.hardware.slots import ROLE, Slot
from ..power import SessionFailed
from ..power.certificates import Certificates
from ..power.redfish_line import Line
from ..power.redfish_session import RedfishSession
from ..power.snmp import SnmpAgent, SnmpTarget
from .slots import by_redfish, by_snmp

REDFISH = "redfish"
CERTIFICATES = "chassis-certificates"
WEB_S, GREET_S = 90.0, 15.0


def main() -> int:
    try:
        told = json.loads(Path(os.environ["CROWBAR_ATTRIBUTES"]).read_text(encoding="utf-8"))
        slots = read(told)
        Path(os.environ["CROWBAR_GIVES"]).write_text(json.dumps({ROLE: to_builtins(slots)}), encoding="utf-8")
    except SessionFailed as error:
        print(f"chassis: {error.failed.kind}: {error.failed.message}", file=sys.stderr)
        return 2
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        print(f"chassis: the task cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    for slot in slots:
        print(f"slot {slot.slot}: {slot.serial or slot.uuid or 'empty'}")
    return 0


def read(told: dict[str, Any]) -> list[Slot]:
    """Raises SessionFailed, ValueError."""
    device, every = told.get("device") or {}, told.get("chassis-access") or {}
    access = {**(every.get("*") or {}), **(every.get(str(device.get("name"))) or {})}
    address, table = str(access.get("address") or ""), str(access.get("table") or REDFISH)
    if not address:
        raise ValueError("the address of the chassis is not known: set it in `chassis-access`")
    if device.get("simulated"):
        return []  # machines of a rehearsal stand each by itself
    password = str(told.get("chassis-password") or "")
    if table != REDFISH:
        version, third = str(access.get("version") or "2c"), access.get("version") == "3"
        community = "" if third else str(told.get("chassis-community") or "")
        user = str(access.get("user") or "") if third else ""
        port = int(access.get("port") or 161)
        target = SnmpTarget(address=address, port=port, version=version, community=community, user=user, password=password if third else "")
        return by_snmp(SnmpAgent(target), table)
    certificates = Certificates(Path(os.environ["CROWBAR_STATE"]) / CERTIFICATES)
    deadline = time.monotonic() + WEB_S
    line = Line(address, int(access.get("port") or 443), deadline=deadline, greet_s=GREET_S, sleep=time.sleep, certificates=certificates)
    with RedfishSession(line, str(access.get("user") or "crowbar"), password) as session:
        return by_redfish(session)


if __name__ == "__main__":
    sys.exit(main())
