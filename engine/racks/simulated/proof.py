"""What the agent of a simulated machine does with a challenge: writes it into the machine's BMC over the bus, as `images/node/agent` does
with ipmitool."""

from __future__ import annotations

from typing import Any

from .machine import Machine, Result

APP, STORAGE = 0x06, 0x0A
SET_INFO, ADD_EVENT = 0x58, 0x44
SYSTEM_NAME, OEM_RECORD = 2, 0xE0


def prove(machine: Machine, text: str, ways: str) -> Result:
    """Tries the ways in their order (`quirks.PROOF_WAYS`)."""
    octets = text.encode("ascii", "replace")[:13]
    why = "the machine has no BMC, or it does not answer"
    for way in ways.split():
        if way == "system-name":
            answer = machine.bmc(APP, SET_INFO, bytes((SYSTEM_NAME, 0, 0, len(octets))) + octets.ljust(14, b"\0"))
        elif way == "sel-entry":
            answer = machine.bmc(STORAGE, ADD_EVENT, bytes((0, 0, OEM_RECORD)) + octets.ljust(13, b"\0"))
        else:
            continue
        if answer is None:
            break
        code, data = answer
        if code == 0:
            gives: dict[str, Any] = {"way": way}
            return Result(gives=gives | ({"record": int.from_bytes(data[:2], "little")} if way == "sel-entry" else {}))
        why = f"the BMC refuses {way} (code {code:02X}h)"
    return Result(exit=1, message=why)
