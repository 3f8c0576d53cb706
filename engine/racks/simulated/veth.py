"""Wiring of a rack with its own network namespace: real addresses, real ports, one end of a veth pair for all cables.

* Machines without an address speak DHCP in raw Ethernet frames from their own MACs (packet(7)), with the broadcast bit, as most ROMs do.
  A filter in the kernel passes only packets to UDP port 68, so that bulk data costs nothing here.
* The admin node's own cable ends in a port, too. Its switch speaks LLDP there, so the engine hears where it is.
* An address is on the interface (rtnetlink(7)) while a machine or BMC holds it, so that ARP and unreachable hosts are real.

Trap: an address may be held twice (a machine asks again before it let go, twins), hence the counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import time
from ipaddress import IPv4Address

from engine.wire.dhcp import DhcpRequest, encode_request
from engine.wire.frame import udp_frame

from ..counters import Counters
from .switch import frame
from .wiring import DhcpPort, SocketPort

_BROADCAST_MAC = b"\xff" * 6
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_ETH_P_IP = 0x0800
_RTM_NEWADDR, _RTM_DELADDR, _NLMSG_ERROR = 20, 21, 2
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_REPLACE, _NLM_F_CREATE = 1, 4, 0x100, 0x400
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_EEXIST, _EADDRNOTAVAIL = 17, 99

# tcpdump -dd 'ip and udp dst port 68', first fragments only
_FILTER = (
    (0x28, 0, 0, 12),
    (0x15, 0, 8, _ETH_P_IP),
    (0x30, 0, 0, 23),
    (0x15, 0, 6, 17),
    (0x28, 0, 0, 20),
    (0x45, 4, 0, 0x1FFF),
    (0xB1, 0, 0, 14),
    (0x48, 0, 0, 16),
    (0x15, 0, 1, 68),
    (0x6, 0, 0, 0x40000),
    (0x6, 0, 0, 0),
)


SPEAK_S = 5.0
"""Seconds between two LLDP frames. Real switches send one every 30 s."""


class RawPort(SocketPort):
    """DHCP of machines that have no address, on one interface. Needs CAP_NET_RAW in this namespace."""

    def __init__(self, interface: str, counters: Counters) -> None:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        program = b"".join(struct.pack("HBBI", *line) for line in _FILTER)
        held = ctypes.create_string_buffer(program)
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_FILTER), ctypes.addressof(held)))
        sock.bind((interface, _ETH_P_IP))
        super().__init__(sock, counters)

    def _put(self, request: DhcpRequest) -> None:
        frame = udp_frame(
            to_mac=_BROADCAST_MAC,
            from_mac=bytes.fromhex(request.mac.replace(":", "")),
            source=("0.0.0.0", 68),
            destination=("255.255.255.255", 67),
            payload=encode_request(request),
        )
        self._sock.send(frame)

    def _message(self, octets: bytes) -> bytes:
        return octets[14 + (octets[14] & 15) * 4 + 8 :]


class VethWiring:
    """Real addresses on `interface`, which leads to the admin node. Raises OSError without the privilege."""

    def __init__(self, interface: str, counters: Counters, admin_port: tuple[str, str]) -> None:
        """`admin_port`: switch and port of the admin node's cable."""
        self._index = _index(interface)
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._netlink.bind((0, 0))
        self._holders: dict[str, int] = {}
        self._dhcp = RawPort(interface, counters)
        self._speaking = asyncio.get_running_loop().create_task(_speak(interface, frame(*admin_port)))

    @property
    def dhcp(self) -> DhcpPort:
        return self._dhcp

    def remote(self, address: str, port: int) -> tuple[str, int]:
        return str(IPv4Address(address)), port

    def local(self, address: str, port: int) -> tuple[str, int]:
        return address, port

    def attach(self, address: str) -> None:
        self._holders[address] = self._holders.get(address, 0) + 1
        if self._holders[address] == 1:
            self._order(_RTM_NEWADDR, address, _NLM_F_CREATE | _NLM_F_REPLACE, _EEXIST)

    def detach(self, address: str) -> None:
        left = self._holders.get(address, 0) - 1
        if left > 0:
            self._holders[address] = left
        elif self._holders.pop(address, 0):
            self._order(_RTM_DELADDR, address, 0, _EADDRNOTAVAIL)

    def close(self) -> None:
        self._speaking.cancel()
        self._dhcp.close()
        self._netlink.close()

    def _order(self, kind: int, address: str, flags: int, harmless: int) -> None:
        """One rtnetlink request and its answer; the kernel answers before `send` returns."""
        octets = IPv4Address(address).packed
        body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, self._index)
        for attribute in (_IFA_LOCAL, _IFA_ADDRESS):
            body += struct.pack("=HH", 8, attribute) + octets
        head = struct.pack("=IHHII", 16 + len(body), kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, 1, 0)
        self._netlink.send(head + body)
        answer = self._netlink.recv(4096)
        if struct.unpack_from("=H", answer, 4)[0] == _NLMSG_ERROR:
            code = -struct.unpack_from("=i", answer, 16)[0]
            if code not in (0, harmless):
                raise OSError(code, os.strerror(code), address)


async def _speak(interface: str, octets: bytes) -> None:
    """Sends a switch's frame to the admin node, until it is cancelled."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.setblocking(False)
        while True:
            with contextlib.suppress(OSError):  # the link is down, or the engine is not there
                sock.sendto(octets, (interface, 0))
            await asyncio.sleep(SPEAK_S)


def _index(interface: str, seconds: float = 10.0) -> int:
    """The interface is moved here by who made the namespace, shortly after this process began."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = socket.if_nametoindex(interface)
        except OSError:
            if time.monotonic() > end:
                raise
        else:
            if _is_up(interface) or time.monotonic() > end:
                return found
        time.sleep(0.01)


def _is_up(interface: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", interface.encode()[:15], 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(any_socket, 0x8913, asked), 16)  # SIOCGIFFLAGS
        return bool(flags & 1)
