"""The sensors of a simulated BMC and the room of its event log: sensor records (IPMI 2.0 section 43.1) and readings (35.14).

A machine that nobody gave sensors has none. `endless` and `room` imitate BMCs that are out of order.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Threshold = Literal["", "upper non-critical", "upper critical", "lower critical"]
_BITS: dict[str, int] = {"": 0, "lower critical": 0x02, "upper non-critical": 0x08, "upper critical": 0x10}
TEMPERATURE, FAN, SUPPLY = 1, 4, 8
"""Types of sensors (table 42-3)."""
_UNITS = {TEMPERATURE: 1, FAN: 18}
_DISCRETE = 0x6F


class SimSensor(Struct, kw_only=True):
    """One sensor. Its fields may change at any time."""

    name: str
    type: int
    value: int = 0
    """As it is read. Fans count in units of 60 turns a minute, so that one octet holds them."""
    beyond: Threshold = ""
    states: int = 0
    """Of a power supply: the bits of table 42-3; 1: it is present."""


class SimVitals:
    def __init__(self) -> None:
        self.sensors: list[SimSensor] = []
        self.endless = False
        """The last record leads to the first one again."""
        self.room = 64
        """Entries that fit into the event log."""
        self.first = 1
        """Number of the first entry: a log that wraps, or is cleared by some BMCs, goes on counting."""
        self.clock_off_s = 0.0
        self.erased = 0
        """How often the log was cleared."""

    def record(self, number: int) -> bytes | None:
        """The sensor record of this number, from 2 on: 1 is the BMC's own. None: there is none."""
        if not 2 <= number < 2 + len(self.sensors):
            return None
        one = self.sensors[number - 2]
        discrete = one.type == SUPPLY
        name = one.name.encode("latin-1", "replace")[:16]
        key = bytes((0x20, 0, number))
        factor = 60 if one.type == FAN else 1
        kind = bytes((3, 1, 0x7F, 0x40, one.type, _DISCRETE if discrete else 1)) + bytes(6)
        numbers = bytes((0xC0 if discrete else 0, _UNITS.get(one.type, 0), 0, 0, factor)) + bytes(9) + b"\xff" + bytes(12)
        body = key + kind + numbers + bytes((0xC0 | len(name),)) + name
        return number.to_bytes(2, "little") + bytes((0x51, 0x01, len(body))) + body

    def following(self, number: int) -> int:
        """The number of the next record; FFFFh: none."""
        if number < 1 + len(self.sensors):
            return number + 1
        return 1 if self.endless else 0xFFFF

    def reading(self, number: int) -> bytes | None:
        if not 2 <= number < 2 + len(self.sensors):
            return None
        one = self.sensors[number - 2]
        if one.type == SUPPLY:
            return bytes((0, 0xC0, one.states & 0xFF, 0x80 | one.states >> 8))
        return bytes((one.value & 0xFF, 0xC0, _BITS[one.beyond]))
