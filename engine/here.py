"""The admin node as its own engine sees it: which machine it is, its addresses, and what its port hears."""

from __future__ import annotations

from msgspec import Struct


class HeardPort(Struct, frozen=True, kw_only=True, gc=False):
    """A neighbour on the admin node's port, as LLDP told it. The fields are those of `neighbours.Neighbour`."""

    chassis: str
    port: str
    system: str = ""
    port_description: str = ""
    port_kind: str = ""
    capabilities: tuple[str, ...] | None = None


class Here(Struct, frozen=True, kw_only=True, gc=False):
    interface: str = ""
    """The interface that serves the rack. Empty: not known."""
    uuid: str = ""
    serial: str = ""
    macs: tuple[str, ...] = ()
    """Of its network hardware."""
    addresses: tuple[str, ...] = ()
    """`ADDRESS/PREFIX`, IPv4, of all interfaces but loopback. Empty: not known."""
    neighbours: tuple[HeardPort, ...] = ()
    """What the interface hears now, sorted. Empty: nothing, or the engine may not listen."""
    deaf: str = ""
    """Why LLDP is not heard. Empty: the engine listens."""
