"""Run in a client's namespace: `python net_asks.py ADMIN`. Asks by DHCP, TFTP and HTTP, and sends an LLDP frame. Prints what was answered,
as one object of JSON."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.wire.dhcp import DhcpKind, DhcpRequest, encode_request
from engine.wire.frame import udp_frame

WAIT_S = 1.0
LLDP = bytes.fromhex("0180c200000e") + b"%s" + bytes.fromhex("88cc0205077377312e0405057377703100"[:-2] + "060200780000")
"""IEEE 802.1AB: chassis `sw1.`, port `swp1`, 120 s."""


def dhcp(wire: socket.socket) -> bool:
    mac = wire.getsockname()[4]
    request = DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=mac.hex(":"), vendor_class="PXEClient:Arch:00000:UNDI:002001")
    ends = {"source": ("0.0.0.0", 68), "destination": ("255.255.255.255", 67)}
    wire.send(udp_frame(to_mac=b"\xff" * 6, from_mac=mac, payload=encode_request(request), **ends))
    try:
        while True:
            frame, where = wire.recvfrom(2000)
            if where[2] != socket.PACKET_OUTGOING and frame[36:38] == (68).to_bytes(2, "big"):
                return True
    except TimeoutError:
        return False


def tftp(admin: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
        asks.settimeout(WAIT_S)
        try:
            asks.sendto(b"\0\1no-such-file\0octet\0", (admin, 69))
            return asks.recv(600)[:2] == b"\0\5"
        except OSError:
            return False


def http(admin: str) -> bool:
    try:
        with socket.create_connection((admin, 80), timeout=WAIT_S) as asks:
            asks.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return asks.recv(100).startswith(b"HTTP/1.1 404")
    except OSError:
        return False


def main(admin: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as wire:
        wire.bind(("c0", 0x0800))
        wire.settimeout(WAIT_S)
        wire.send(LLDP.replace(b"%s", wire.getsockname()[4]))
        print(json.dumps({"dhcp": dhcp(wire), "tftp": tftp(admin), "http": http(admin)}))


if __name__ == "__main__":
    main(sys.argv[1])
