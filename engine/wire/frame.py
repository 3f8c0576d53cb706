"""An Ethernet frame around a UDP datagram, for clients that have no address yet and so do not answer ARP (RFC 2131 4.1).

Pure. IPv4 without options, not fragmented, at most 1472 octets of payload. The ones' complement sum of 16-bit words is the number itself
modulo 65535, which `int` computes at the speed of C (RFC 1071 1; a sum of 0 stands for 0xFFFF).

Trap: if the complement of the sum is 0, IP wants 0x0000 (RFC 791 3.1) and UDP wants 0xFFFF (RFC 768). The kernel accepts both. udhcpc and
dhclient compare the sum and drop the frame. Addresses and length make the sum, so they drop every reply for that address.
"""

from __future__ import annotations

from struct import Struct as Packing

from engine.wire.dhcp_options import address_octets

_ETHER = Packing("!6s6sH")
_IP = Packing("!BBHHHBBH4s4s")
_UDP = Packing("!HHHH")
_PSEUDO = Packing("!4s4sBBH")


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071) of octets that are not all zero. 0 is returned as 0xFFFF, as UDP wants it (RFC 768)."""
    if len(octets) % 2:
        octets += b"\0"
    return 0xFFFF - int.from_bytes(octets, "big") % 0xFFFF


def udp_frame(*, to_mac: bytes, from_mac: bytes, source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    """The frame, without its check sequence. `source` and `destination` are (address, port), a MAC has six octets. Raises ValueError if an
    address is not IPv4."""
    from_ip, to_ip = address_octets(source[0]), address_octets(destination[0])
    length = 8 + len(payload)
    udp = _UDP.pack(source[1], destination[1], length, 0)
    pseudo = _PSEUDO.pack(from_ip, to_ip, 0, 17, length)
    udp = udp[:6] + checksum(pseudo + udp + payload).to_bytes(2, "big")
    ip = _IP.pack(0x45, 0, 20 + length, 0, 0, 64, 17, 0, from_ip, to_ip)
    ip = ip[:10] + (checksum(ip) % 0xFFFF).to_bytes(2, "big") + ip[12:]
    return _ETHER.pack(to_mac, from_mac, 0x0800) + ip + udp + payload
