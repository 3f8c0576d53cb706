"""Takes what goes over network interfaces, flow by flow, and the command lines of all processes meanwhile: `wire.py FOLDER INTERFACE ...`.

Says `ready` when it listens, ends when its input ends, and writes FOLDER/N.flow: the payloads of one direction of one flow in their order, so that
nothing is hidden by where a segment ends; FOLDER/other: frames of anything but TCP and UDP over IPv4; FOLDER/cmdlines. Then one line of JSON.

The line tells also how many octets went each way by service, whole: `out` is what the engine's side said.

Bounded: of what one side says without hearing anything in between, BULK octets are kept. What is longer is the body of an image.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import time
from pathlib import Path

BULK = 1 << 20
BUFFER = 64 << 20
LOOK_S = 0.25
ETH_P_ALL = 0x0003
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_STATISTICS = 263, 6
Flow = tuple[str, int, str, int, int]
"""Source, its port, target, its port, protocol."""
SERVICES = {(17, 67): "dhcp", (17, 68): "dhcp", (6, 80): "http", (6, 443): "https", (6, 22): "ssh", (17, 623): "ipmi", (17, 69): "tftp"}


class Wire:
    def __init__(self) -> None:
        self.flows: dict[Flow, bytearray] = {}
        self.other = bytearray()
        self.sizes: dict[Flow, int] = {}
        """All that went, kept or not."""
        self._since: dict[Flow, int] = {}
        """Octets of a direction since something came the other way."""
        self.packets = self.octets = self.left_out = 0

    def take(self, frame: bytes) -> None:
        self.packets += 1
        self.octets += len(frame)
        found = payload(frame)
        if found is None:
            if len(self.other) < BUFFER:
                self.other += frame
            return
        (source, near, target, far, protocol), said = found
        if not said:
            return
        flow = (source, near, target, far, protocol)
        self.sizes[flow] = self.sizes.get(flow, 0) + len(said)
        self._since[target, far, source, near, protocol] = 0
        since = self._since.get(flow, 0)
        self._since[flow] = since + len(said)
        kept = said[: max(BULK - since, 0)]
        self.left_out += len(said) - len(kept)
        self.flows.setdefault(flow, bytearray()).extend(kept)


def service(flow: Flow) -> str:
    """What a flow belongs to; TFTP goes on from another port than it was asked on."""
    _, near, _, far, protocol = flow
    return SERVICES.get((protocol, near)) or SERVICES.get((protocol, far)) or ("tftp" if protocol == 17 else "other")


def by_service(sizes: dict[Flow, int], ours: str) -> dict[str, dict[str, int]]:
    """Service -> octets `out` of the address `ours`, and all others as `in`."""
    out: dict[str, dict[str, int]] = {}
    for flow, size in sizes.items():
        one = out.setdefault(service(flow), {"out": 0, "in": 0})
        one["out" if flow[0] == ours else "in"] += size
    return dict(sorted(out.items()))


def payload(frame: bytes) -> tuple[Flow, bytes] | None:
    """Of TCP and UDP over IPv4 in Ethernet (RFC 791, 768, 9293); None: it is something else, or a later fragment."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00":
        return None
    head = 14 + (frame[14] & 15) * 4
    total, _, fragment, _, protocol = struct.unpack_from("!HHHBB", frame, 16)
    if fragment & 0x1FFF or protocol not in (6, 17) or len(frame) < head + 8:
        return None
    end = 14 + total if total else len(frame)  # 0: longer than the field can say, segmented later
    near, far = struct.unpack_from("!HH", frame, head)
    begin = head + 8 if protocol == 17 else head + (frame[head + 12] >> 4) * 4
    return (socket.inet_ntoa(frame[26:30]), near, socket.inet_ntoa(frame[30:34]), far, protocol), frame[begin:end]


def listening(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    except PermissionError:  # in a user namespace
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.bind((interface, ETH_P_ALL))
    sock.setblocking(False)
    return sock


def command_lines(known: set[bytes]) -> None:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                known.add(Path(f"/proc/{name}/cmdline").read_bytes())
            except OSError:
                continue


def main(folder: Path, interfaces: list[str]) -> None:
    wire, lines = Wire(), set[bytes]()
    socks = [listening(name) for name in interfaces]
    with selectors.DefaultSelector() as wait:
        for sock in socks:
            wait.register(sock, selectors.EVENT_READ)
        wait.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        looked, over = 0.0, False
        while not over:
            for key, _ in wait.select(LOOK_S):
                if key.fileobj is sys.stdin:
                    over = not os.read(0, 4096)
                    continue
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                for _ in range(512):
                    try:
                        wire.take(sock.recv(1 << 17))
                    except BlockingIOError:
                        break
            if time.monotonic() - looked >= LOOK_S:
                command_lines(lines)
                looked = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    named = {}
    for i, (flow, said) in enumerate(wire.flows.items(), 1):
        (folder / f"{i}.flow").write_bytes(said)
        named[str(i)] = flow
    (folder / "other").write_bytes(wire.other)
    (folder / "cmdlines").write_bytes(b"\n".join(sorted(lines)))
    dropped = sum(struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1] for sock in socks)
    services = by_service(wire.sizes, "192.168.124.10")
    about = {
        "services": services,
        "packets": wire.packets,
        "octets": wire.octets,
        "left_out": wire.left_out,
        "dropped": dropped,
        "flows": named,
        "cmdlines": len(lines),
    }
    print(json.dumps(about), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
