"""The table of a switch's ports that the plan wants: records for the engine, which makes it, and for the delegate, which carries it out.

A VLAN id is 1 to 4094 (IEEE 802.1Q section 9.6). A link aggregation group has a name here: its number is the switch's own affair.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ROLE = "switch-ports"
"""The role that carries the table out (barclamp `switch`)."""
FDB_ROLE = "switch-addresses"
"""The role that reads a switch's table of addresses."""
VLANS = range(1, 4095)

LagMode = Literal["", "lacp", "static"]


class PortWish(Struct, frozen=True, kw_only=True):
    """What one port of a switch must be."""

    port: str
    """In the plan's spelling, or as the switch calls it."""
    untagged: int = 0
    """VLAN of frames without a tag. 0: as it is."""
    tagged: tuple[int, ...] = ()
    """VLANs of frames with a tag, sorted: these and no others."""
    lag: str = ""
    """Name of the group that the port belongs to. Empty: none."""
    mode: LagMode = ""
    description: str = ""
    why: str = ""
    """How the port is known: `lldp`, or `plan` (a cable of the plan on which nothing is heard)."""


class OwnPath(Struct, frozen=True, kw_only=True):
    """How the engine itself reaches the rack. These ports are never changed."""

    port: str = ""
    """The port in which the engine's own cable ends, if it is on this switch."""
    macs: tuple[str, ...] = ()
    """MACs of the engine's machine. The port behind which the switch sees one of them is the engine's way."""


class WantedPorts(Struct, frozen=True, kw_only=True):
    """All that the plan wants of one switch."""

    ports: tuple[PortWish, ...] = ()
    left: dict[str, str] = {}
    """Port -> why the role leaves it as it is."""
    own: OwnPath = OwnPath()


class SeenAddress(Struct, frozen=True, kw_only=True):
    """An entry of a switch's table of addresses (filtering database, IEEE 802.1Q section 8.8)."""

    mac: str
    port: str
    vlan: int = 0
    """0: not reported."""
    age_s: int = -1
    """Seconds since its last frame. -1: not reported."""
