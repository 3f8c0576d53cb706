"""SMBIOS structure 42, in which firmware tells the operating system the BMC's network address. Pure.

DMTF DSP0134 section 7.43 (management controller host interface) and DSP0270 table 3 (Redfish over IP). A kernel without an IPMI driver
finds the BMC's address there (`/sys/firmware/dmi/entries/42-0/raw`).
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from uuid import UUID

_NETWORK, _PCIE_V2, _REDFISH_OVER_IP = 0x40, 0x05, 0x04
_HANDLE = 0x2A00
_STATIC, _IPV4 = 1, 1


def host_interface(uuid: str, mac: str, address: str, prefix: int = 24, port: int = 443) -> bytes:
    """The whole structure with its string area. `mac` is in the device's data, `address` the service's."""
    device = struct.pack("<BBHHHH6sHBB", _PCIE_V2, 20, 0x1AF4, 0x1041, 0, 0, bytes.fromhex(mac.replace(":", "")), 0, 0, 0)
    mask = IPv4Address((0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF).packed
    service = UUID(uuid).bytes_le
    service += struct.pack("<BB16s16s", _STATIC, _IPV4, bytes(16), bytes(16))
    service += struct.pack("<BB16s16sHI", _STATIC, _IPV4, IPv4Address(address).packed, mask, port, 0)
    service += b"\x00"  # length of the host name
    protocol = struct.pack("<BB", _REDFISH_OVER_IP, len(service)) + service
    body = struct.pack("<BB", _NETWORK, len(device)) + device + b"\x01" + protocol
    return struct.pack("<BBH", 42, 4 + len(body), _HANDLE) + body + b"\x00\x00"
