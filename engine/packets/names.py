"""The name of a machine on the network: its MAC, or its address if no MAC is known."""

from __future__ import annotations

import re
import socket

MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-]?[0-9a-fA-F]{2}){5}\Z")


def shown(who: bytes) -> str:
    """`52:54:00:12:34:56`, `192.168.124.30`, or `-` for neither."""
    if len(who) == 6:
        return who.hex(":")
    return socket.inet_ntoa(who) if len(who) == 4 else "-"


def octets(text: str) -> bytes:
    """The octets of such a text: six of a MAC, or four of an address. Empty for neither."""
    if MAC.match(text):
        return bytes.fromhex(text.replace(":", "").replace("-", ""))
    try:
        return socket.inet_aton(text) if text.count(".") == 3 else b""
    except OSError:
        return b""
