"""Two probes on the network with scapy, in a separate process: other DHCP servers, and other machines with our address.

    python -m engine.packets.probe_process dhcp INTERFACE SECONDS           {"found": ["10.0.0.3"]}
    python -m engine.packets.probe_process arp INTERFACE SECONDS ADDRESS    {"found": ["52:54:00:12:34:56"]}

Prints one JSON object; {"trouble": "..."} if the probe failed. It is a separate process because of scapy's licence, like
`decode_process`.

* DHCP: one DISCOVER of a boot ROM, as a raw frame, so that it needs no address of our own and disturbs no service of ours. A server that
  offers gets no further message, and takes its offer back after a while.
* ARP: three probes (RFC 5227 2.1.1: sender 0.0.0.0, so that no cache learns anything). The kernel does not answer what this machine
  sends, so every answer comes from another machine. The same holds for a machine that announces the address meanwhile.
"""

from __future__ import annotations

import json
import secrets
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from .decode_process import bind, clean

FRAMES = 2000
"""Most frames that are examined: a busy network must not occupy this process."""
FOUND = 16
"""Most answers that are reported."""
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def discover(mac: str, xid: int) -> bytes:
    """The frame of a DISCOVER (RFC 2131 3.1), broadcast, as from a boot ROM."""
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    options: list[Any] = [("message-type", "discover"), ("vendor_class_id", b"PXEClient:Arch:00000:UNDI:002001"), "end"]
    chaddr = bytes.fromhex(mac.replace(":", ""))
    ask = BOOTP(op=1, xid=xid, flags=0x8000, chaddr=chaddr) / DHCP(options=options)
    return bytes(Ether(src=mac, dst=EVERYBODY) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / ask)


def parsed(frame: bytes) -> Any:
    """The frame as scapy reads it. None: it cannot, whatever error a stranger's bytes cause."""
    from scapy.layers.l2 import Ether

    try:
        return Ether(frame)
    except Exception:
        return None


def offer(frame: bytes, xid: int) -> str:
    """The server that offers in this frame. Empty: another kind of frame."""
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import IP, UDP

    packet = parsed(frame)
    if packet is None or UDP not in packet or DHCP not in packet or (packet[UDP].sport, packet[UDP].dport) != (67, 68):
        return ""
    if packet[BOOTP].op != 2 or packet[BOOTP].xid != xid:
        return ""
    options = {o[0]: o[1] for o in packet[DHCP].options if isinstance(o, tuple) and len(o) > 1}
    if options.get("message-type") != 2:
        return ""
    return clean(options.get("server_id") or packet[IP].src)


def arp_probe(mac: str, address: str) -> bytes:
    """The frame of an ARP probe for the address (RFC 5227 2.1.1)."""
    from scapy.layers.l2 import ARP, Ether

    return bytes(Ether(src=mac, dst=EVERYBODY) / ARP(op=1, hwsrc=mac, psrc="0.0.0.0", hwdst="00:00:00:00:00:00", pdst=address))


def holder(frame: bytes, mac: str, address: str) -> str:
    """The MAC that claims the address in this frame. Empty: another kind of frame."""
    from scapy.layers.l2 import ARP

    packet = parsed(frame)
    if packet is None or ARP not in packet or packet[ARP].op not in (1, 2):
        return ""
    theirs = str(packet[ARP].hwsrc)
    return clean(theirs) if packet[ARP].psrc == address and theirs.lower() != mac.lower() else ""


def listen(wire: socket.socket, ask: bytes, times: int, seconds: float, read: Callable[[bytes], str]) -> list[str]:
    """Sends the probe `times` times, spread over the first half of `seconds`. Returns the different answers until the end, at most
    FOUND."""
    found: dict[str, None] = {}
    begun = time.monotonic()
    sent = seen = 0
    while (now := time.monotonic() - begun) < seconds and seen < FRAMES and len(found) < FOUND:
        if sent < times and now >= sent * seconds / 2 / times:
            wire.send(ask)
            sent += 1
        if not select.select([wire], [], [], min(seconds - now, 0.1))[0]:
            continue
        seen += 1
        if answer := read(wire.recv(4096)):
            found[answer] = None
    return list(found)


def run(what: str, interface: str, seconds: float, address: str) -> list[str]:
    """The answers to a probe (`what`: `dhcp` or `arp`) on this interface. Raises OSError."""
    kind = 0x0800 if what == "dhcp" else 0x0806
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as wire:
        wire.bind((interface, kind))
        raw: bytes = wire.getsockname()[4]
        if len(raw) != 6 or raw == bytes(6):
            raw = b"\x52\x54\x00" + secrets.token_bytes(3)  # loopback has none; locally administered
        mac = raw.hex(":")
        if what == "dhcp":
            xid = secrets.randbits(32)
            return listen(wire, discover(mac, xid), 1, seconds, lambda frame: offer(frame, xid))
        return listen(wire, arp_probe(mac, address), 3, seconds, lambda frame: holder(frame, mac, address))


def main(argv: list[str]) -> None:
    bind()
    what, interface, seconds, *rest = argv
    try:
        told: dict[str, Any] = {"found": run(what, interface, float(seconds), rest[0] if rest else "")}
    except PermissionError:
        told = {"trouble": "it needs privilege (CAP_NET_RAW)"}
    except OSError as error:
        told = {"trouble": clean(f"{interface}: {error.strerror or error}")}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
