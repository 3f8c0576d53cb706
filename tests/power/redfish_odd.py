"""What several tests of odd Redfish services share."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from redfish_rig import Raw, system

from engine.power import PowerDone, PowerFailed, PowerState

READ_OFF = PowerDone(state=PowerState.OFF, boot_device="none")
"""What is read of a usual machine that is off."""
ON, OFF = PowerDone(state=PowerState.ON), PowerDone(state=PowerState.OFF)
FUTURE = {"error": {"@Message.ExtendedInfo": [{"MessageId": "iRMC.1.0.FutureState", "Message": "Write to the future state."}]}}


def failed(result: object, kind: str, *words: str) -> PowerFailed:
    assert isinstance(result, PowerFailed), result
    assert result.kind == kind, result
    assert all(word in result.message for word in words), result
    assert "calvin" not in result.message
    return result


def numbered() -> Iterator[str]:
    """Names of cases that have none which fits on a line."""
    return map(str, itertools.count(1))


def raw(body: bytes, *headers: str) -> Raw:
    head = "".join(f"{one}\r\n" for one in (f"Content-Length: {len(body)}", *headers))
    return Raw(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)


TEXT = json.dumps(system()).encode()


def one(name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return name, system(**more)
