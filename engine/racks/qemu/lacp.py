"""The switches' side of the Link Aggregation Control Protocol (IEEE 802.1AX-2020, section 6.4). Pure.

A port channel of a machine spans both switches, which act as one system (as with MLAG). Of the protocol's state machines only what an
always willing partner needs is here: it repeats what it heard of the machine as its partner, and says that its own port is in the
aggregate, in sync, collects and distributes. A port that heard nothing for SILENCE_S says that it only has defaults.

The machine decides by itself: a bond uses the ports whose partner has the same system and key.
"""

from __future__ import annotations

import struct

from msgspec import Struct

ETHERTYPE = 0x8809
"""Slow protocols (IEEE 802.3 annex 57A)."""
GROUP = bytes.fromhex("0180c2000002")
PERIOD_S = 1.0
"""Fast periodic transmission (section 6.4.4)."""
SILENCE_S = 3.0
"""Short time-out (section 6.4.4)."""
ACTIVE, SHORT, AGGREGATES, IN_SYNC, COLLECTS, DISTRIBUTES, DEFAULTED = 1, 2, 4, 8, 16, 32, 64
"""Bits of a port's state (section 6.4.2.3)."""
_LACP, _VERSION = 1, 1
_SYSTEM_PRIORITY, _PORT_PRIORITY = 32768, 32768
_END = 50
_INFORMATION = struct.Struct("!BBH6sHHHB3x")
"""Type, length, system priority, system, key, port priority, port, state."""
_SIZE = 14 + 110


class Port(Struct, frozen=True, kw_only=True):
    """One side of a link, as a LACPDU describes it."""

    system: bytes
    """The system's MAC: six octets."""
    key: int
    port: int
    state: int
    system_priority: int = _SYSTEM_PRIORITY
    port_priority: int = _PORT_PRIORITY


def encode(source: bytes, actor: Port, partner: Port | None) -> bytes:
    """The Ethernet frame of a LACPDU (section 6.4.2.3): 124 octets. `partner`: None if nothing is known of it."""
    nobody = Port(system=bytes(6), key=0, port=0, state=0, system_priority=0, port_priority=0)
    out = GROUP + source + struct.pack("!HBB", ETHERTYPE, _LACP, _VERSION)
    out += _information(1, actor) + _information(2, partner or nobody)
    out += struct.pack("!BBH12x", 3, 16, 0) + bytes(2) + bytes(_END)
    return out


def decode(frame: bytes) -> Port | None:
    """The actor of a LACPDU. None: this frame is not one."""
    if len(frame) < _SIZE or struct.unpack_from("!HB", frame, 12) != (ETHERTYPE, _LACP):
        return None
    kind, length, system_priority, system, key, port_priority, port, state = _INFORMATION.unpack_from(frame, 16)
    if (kind, length) != (1, 20):
        return None
    return Port(system=system, key=key, port=port, state=state, system_priority=system_priority, port_priority=port_priority)


def answer(system: bytes, key: int, port: int, heard: Port | None) -> bytes:
    """What the switches say on a port of a channel. `heard`: the machine's side; None: silent for SILENCE_S."""
    state = ACTIVE | SHORT | AGGREGATES | (DEFAULTED if heard is None else IN_SYNC | COLLECTS | DISTRIBUTES)
    return encode(system, Port(system=system, key=key, port=port, state=state), heard)


def _information(kind: int, of: Port) -> bytes:
    return _INFORMATION.pack(kind, 20, of.system_priority, of.system, of.key, of.port_priority, of.port, of.state)
