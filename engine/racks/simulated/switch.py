"""The rack's switches, as their neighbours see them: LLDP frames on each port with a cable (IEEE 802.1AB).

Frames are encoded here and decoded by the listener, so that the codec is used as with real switches. The cables name the switches
(`tor1:swp3`); the chassis MAC of a switch is 52:54:ff:.., from its name.
"""

from __future__ import annotations

import hashlib

from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind, encode_frame

from .spec import Hardware

TTL_S = 120


class Switches:
    """All switches of a rack. A frame is always the same, so it is encoded once per port."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, str], bytes] = {}

    def frames_for(self, machine: Hardware) -> list[tuple[str, bytes]]:
        """What each NIC of the machine hears: (name of the NIC, Ethernet frame). Without a cable, nothing."""
        return [(nic.name, self._frame(nic.switch, nic.port)) for nic in machine.nics if nic.switch]

    def _frame(self, switch: str, port: str) -> bytes:
        found = self._frames.get((switch, port))
        if found is None:
            found = self._frames[switch, port] = frame(switch, port)
        return found


def frame(switch: str, port: str) -> bytes:
    """The Ethernet frame that a switch sends on a port (IEEE 802.1AB)."""
    mac = chassis_mac(switch)
    neighbour = LldpNeighbour(
        chassis_kind=ChassisKind.MAC,
        chassis_id=mac.hex(":"),
        port_kind=PortKind.INTERFACE_NAME,
        port_id=port,
        ttl_s=TTL_S,
        port_description=f"{switch} {port}",
        system_name=switch,
        system_description="rehearsal switch",
        capabilities=("bridge",),
    )
    return encode_frame(neighbour, from_mac=mac)


def telephone() -> bytes:
    """The frame of a telephone with a switch in it, which forwards the frames of the switch behind it."""
    mac = chassis_mac("phone")
    neighbour = LldpNeighbour(
        chassis_kind=ChassisKind.MAC,
        chassis_id=mac.hex(":"),
        port_kind=PortKind.LOCAL,
        port_id="1",
        ttl_s=TTL_S,
        port_description="PC port",
        system_name="phone",
        system_description="rehearsal telephone",
        capabilities=("bridge", "telephone"),
    )
    return encode_frame(neighbour, from_mac=mac)


def chassis_mac(switch: str) -> bytes:
    """Six octets, locally administered, out of the switch's name."""
    return b"\x52\x54\xff" + hashlib.sha256(switch.encode()).digest()[:3]
