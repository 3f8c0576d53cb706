"""Run by test_serve_dhcp_start.py inside a network namespace of its own: two veth pairs, the service on one of them.

s0 10.0.0.1 (server) -- c0 (client, no address), and s1 10.1.0.1 -- c1, on which the service must hear nothing.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.serve.dhcp import DhcpService
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, decode_reply, encode_request, reply_to
from engine.wire.frame import udp_frame

PATIENCE_S = 60.0


def main(bound: str) -> None:
    for line in (
        "link add s0 type veth peer name c0",
        "link add s1 type veth peer name c1",
        "address add 10.0.0.1/24 dev s0",
        "address add 10.1.0.1/24 dev s1",
        "link set lo up",
        "link set s0 up",
        "link set c0 up",
        "link set s1 up",
        "link set c1 up",
    ):
        subprocess.run(["ip", *line.split()], check=True)
    heard: list[DhcpRequest] = []
    service = DhcpService(interface="s0", bind=("0.0.0.0", 67), submit=lambda batch: heard.extend(r for r, _ in batch) or len(batch))
    if bound == "index":  # as on a kernel that does not let an unprivileged process bind to a device
        refuse_device()
    service.start()
    assert service.sends_frames
    listener, other = tap("c0"), tap("c1")

    mac = listener.getsockname()[4]
    for tapped in (other, listener):
        tapped.send(broadcast(tapped, request(tapped.getsockname()[4].hex(":"))))
    until(lambda: len(heard) == 1)
    assert heard[0].mac == mac.hex(":"), "only s0 is heard"
    assert (heard[0].source_ip, heard[0].source_port) == ("0.0.0.0", 68)

    quiet = reply(heard[0])
    assert service.send([(quiet, None)]) == 1
    frame = reply_frame(listener)
    assert frame[:6] == mac, "unicast to a client that has no address"
    assert frame[30:34] == socket.inet_aton("10.0.0.50")
    assert frame[26:30] == socket.inet_aton("10.0.0.1")
    assert decode_reply(frame[42:]) == quiet

    other.send(broadcast(other, request(mac.hex(":"))))
    listener.send(broadcast(listener, request(mac.hex(":"), flag=True)))
    until(lambda: len(heard) == 2)
    assert service.send([(reply(heard[1]), None)]) == 1
    frame = reply_frame(listener)
    assert frame[:6] == b"\xff" * 6
    assert frame[30:34] == b"\xff" * 4
    assert decode_reply(frame[42:]).to.broadcast
    assert len(heard) == 2
    assert service.counters.elsewhere == (2 if bound == "index" else 0)

    beside = DhcpService(interface="s1", bind=("0.0.0.0", 67), submit=len)
    if bound == "device":
        beside.start()  # another rack on another interface is no conflict
        beside.stop()
    subprocess.run(["ip", "link", "set", "s0", "down"], check=True)
    assert service.send([(quiet, None)]) == 0
    subprocess.run(["ip", "link", "set", "s0", "up"], check=True)
    until(lambda: service.send([(quiet, None)]) == 1)
    until(lambda: heard_again(lambda: listener.send(broadcast(listener, request(mac.hex(":")))), heard))
    assert service.counters.send_errors >= 1
    service.stop()
    print("all as expected")


def refuse_device() -> None:
    plain = socket.socket

    class Unprivileged(plain):
        def setsockopt(self, level: int, name: int, value: int | bytes) -> None:  # type: ignore[override]
            if name == socket.SO_BINDTODEVICE and level == socket.SOL_SOCKET:
                raise PermissionError("not permitted")
            super().setsockopt(level, name, value)

    socket.socket = Unprivileged  # type: ignore[misc]


def tap(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    sock.bind((interface, 0x0800))
    sock.settimeout(PATIENCE_S)
    return sock


def request(mac: str, *, flag: bool = False) -> bytes:
    return encode_request(DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=mac, broadcast=flag))


def reply(asked: DhcpRequest) -> DhcpReply:
    return DhcpReply(kind=DhcpKind.OFFER, to=reply_to(asked), yiaddr="10.0.0.50", server_id="10.0.0.1", lease_s=60)


def broadcast(tapped: socket.socket, payload: bytes) -> bytes:
    return udp_frame(
        to_mac=b"\xff" * 6,
        from_mac=tapped.getsockname()[4],
        source=("0.0.0.0", 68),
        destination=("255.255.255.255", 67),
        payload=payload,
    )


def reply_frame(tapped: socket.socket) -> bytes:
    while True:
        frame, where = tapped.recvfrom(2000)
        if where[2] != socket.PACKET_OUTGOING and frame[36:38] == (68).to_bytes(2, "big"):
            return frame


def heard_again(ask, heard) -> bool:  # type: ignore[no-untyped-def]
    """Asks, and waits half a second for the third. The first request may be lost, because the link is new."""
    ask()
    end = time.monotonic() + 0.5
    while len(heard) < 3 and time.monotonic() < end:
        select.select([], [], [], 0.005)
    return len(heard) >= 3


def until(true) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        select.select([], [], [], 0.005)


if __name__ == "__main__":
    main(sys.argv[1])
