"""A capture file for Wireshark from packets that were kept as UDP and TCP payloads (LLDP: as whole frames). Link type Ethernet.

    FILE.pcapng    pcapng: each packet with a comment, which holds the cause of a drop
    any other      the classic format of libpcap, which has no comments

The sockets give the engine no headers, so this makes headers of Ethernet, IP and UDP, and the pcapng file says so:
* addresses and ports are those of the sockets; DHCP of a client without an address is a broadcast;
* the MAC of the machine is real if it is known. The engine has the MAC HERE. A relay, or a machine of which only the address is known,
  has THERE. Both are locally administered;
* an HTTP request is one TCP segment, with invented sequence numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct as Packing
from typing import IO

from ..wire.dhcp_options import address_octets
from ..wire.frame import checksum, udp_frame
from .names import octets
from .packet import Packet

HERE, THERE = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
EVERYBODY = b"\xff" * 6
SNAP = 65535
ETHERNET = 1
REBUILT = (
    "Written by crowbar packets. Ethernet, IP, UDP and TCP headers were rebuilt: "
    "02:00:00:00:00:01 is the engine, 02:00:00:00:00:02 a relay."
)
_HEAD = Packing("<IHHiIII")
_RECORD = Packing("<IIII")
_BLOCK = Packing("<II")
_ENHANCED = Packing("<IIIII")
_IP = Packing("!BBHHHBBH4s4s")
_TCP = Packing("!HHIIBBHHH")
_PSEUDO = Packing("!4s4sBBH")


def frame(packet: Packet) -> bytes:
    """The Ethernet frame of a packet, as far as it is known."""
    if packet.kind == "lldp":
        return packet.data
    who = octets(packet.who)
    theirs = who if len(who) == 6 else THERE
    source, to = packet.source, packet.to
    if packet.kind == "dhcp":
        relayed = packet.data[24:28] not in (b"\0\0\0\0", b"")
        if relayed:
            theirs = THERE
        elif not packet.out and source[0] in ("", "0.0.0.0"):
            to = ("255.255.255.255", to[1])
    source, to = _usual(packet, source, to)
    from_mac, to_mac = (HERE, theirs) if packet.out else (theirs, HERE)
    if to[0] == "255.255.255.255":
        to_mac = EVERYBODY
    build = _tcp if packet.kind == "http" else udp_frame
    return build(to_mac=to_mac, from_mac=from_mac, source=source, destination=to, payload=packet.data)


def _quad(text: str) -> bytes:
    try:
        return address_octets(text)
    except ValueError:
        return b""


def _usual(packet: Packet, source: tuple[str, int], to: tuple[str, int]) -> tuple[tuple[str, int], tuple[str, int]]:
    """Source and destination with the ports by which Wireshark recognises the protocol. A rehearsal without root uses other ports."""
    here, there = (source, to) if packet.out else (to, source)
    if packet.kind == "dhcp" and here[1] not in (67, 4011):
        here, there = (here[0], 67), (there[0], there[1] if there[1] in (67, 68) else 68)
    elif packet.kind == "tftp" and packet.data[:2] in (b"\0\1", b"\0\2"):
        here = (here[0], 69)
    elif packet.kind == "http":
        here = (here[0], 80)
    here, there = ((one[0] if len(_quad(one[0])) == 4 else "", one[1] & 0xFFFF) for one in (here, there))
    return (here, there) if packet.out else (there, here)


def _tcp(*, to_mac: bytes, from_mac: bytes, source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    from_ip, to_ip = address_octets(source[0]), address_octets(destination[0])
    tcp = _TCP.pack(source[1], destination[1], 1, 1, 5 << 4, 0x18, 65535, 0, 0)
    pseudo = _PSEUDO.pack(from_ip, to_ip, 0, 6, len(tcp) + len(payload))
    tcp = tcp[:16] + checksum(pseudo + tcp + payload).to_bytes(2, "big") + tcp[18:]
    ip = _IP.pack(0x45, 0, 20 + len(tcp) + len(payload), 0, 0, 64, 6, 0, from_ip, to_ip)
    ip = ip[:10] + (checksum(ip) % 0xFFFF).to_bytes(2, "big") + ip[12:]
    return to_mac + from_mac + b"\x08\0" + ip + tcp + payload


class Capture:
    """Writes to an open binary file. `comments`: as pcapng, which has them. Every method raises OSError."""

    def __init__(self, file: IO[bytes], comments: bool) -> None:
        self._file = file
        self._comments = comments
        self.count = 0
        if comments:
            head = Packing("<IHHq").pack(0x1A2B3C4D, 1, 0, -1) + _option(1, REBUILT) + _option(4, "crowbar") + bytes(4)
            file.write(_block(0x0A0D0D0A, head))
            file.write(_block(1, Packing("<HHI").pack(ETHERNET, 0, SNAP)))
        else:
            file.write(_HEAD.pack(0xA1B2C3D4, 2, 4, 0, 0, SNAP, ETHERNET))

    def write(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            octets_ = frame(packet)[:SNAP]
            micros = max(round(packet.at * 1e6), 0)
            if self._comments:
                padded = octets_ + bytes(-len(octets_) % 4)
                words = _option(1, packet.cause) + bytes(4) if packet.cause else b""
                head = _ENHANCED.pack(0, micros >> 32, micros & 0xFFFFFFFF, len(octets_), len(octets_))
                self._file.write(_block(6, head + padded + words))
            else:
                self._file.write(_RECORD.pack(micros // 1_000_000 & 0xFFFFFFFF, micros % 1_000_000, len(octets_), len(octets_)) + octets_)
            self.count += 1
        self._file.flush()


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return _BLOCK.pack(kind, size) + body + Packing("<I").pack(size)


def _option(code: int, text: str) -> bytes:
    raw = text.encode("utf-8")
    return Packing("<HH").pack(code, len(raw)) + raw + bytes(-len(raw) % 4)
