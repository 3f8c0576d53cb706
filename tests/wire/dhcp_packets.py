"""Packets for the tests of DHCP, and how scapy and a reader see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scapy.layers.dhcp import BOOTP, DHCP

from engine.wire.dhcp import (
    DhcpKind,
    DhcpRequest,
    Malformed,
)
from engine.wire.faults import DHCP_LOST

MAC = "52:54:00:12:34:56"
REASONS = set(DHCP_LOST)
PXE = DhcpRequest(
    kind=DhcpKind.DISCOVER,
    xid=0xDEADBEEF,
    mac=MAC,
    secs=4,
    broadcast=True,
    client_id="01525400123456",
    vendor_class="PXEClient:Arch:00007:UNDI:003016",
    arch=7,
    uuid="44454c4c-3600-1053-8033-b8c04f4e3232",
    parameters=(1, 3, 6, 15, 66, 67, 97),
    max_size=1472,
)


def raw(options: bytes, *, sname: bytes = b"", file: bytes = b"", op: int = 1) -> bytes:
    """A packet with hand-made areas."""
    head = bytes([op, 1, 6, 0]) + b"\1\2\3\4" + bytes(20) + bytes.fromhex(MAC.replace(":", "")) + bytes(10)
    return head + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + b"\x63\x82\x53\x63" + options


def reason(decoder: Callable[[bytes], object], packet: bytes) -> str:
    """Why it is refused, "" where it is not; whatever else is raised is a failure."""
    try:
        decoder(packet)
    except Malformed as refused:
        return refused.reason
    return ""


def scapy_options(packet: bytes) -> dict[str, Any]:
    seen = {}
    for entry in BOOTP(packet)[DHCP].options:
        if isinstance(entry, tuple):
            seen[entry[0]] = entry[1] if len(entry) == 2 else entry[1:]
    return seen
