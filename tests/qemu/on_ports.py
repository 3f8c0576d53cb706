"""Sends frames through the switches of a rack of two machines, in a network namespace of its own, and prints which arrived, as JSON.

The machines are the far ends of veth pairs that have the names of their taps: `on_ports.py` needs no QEMU.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time

from engine.racks.qemu import lacp, network
from engine.racks.qemu.rack import _filter, _ip
from engine.racks.qemu.speaker import Speaker
from engine.racks.qemu.spec import Ports, QemuRackSpec, guests

SPEC = QemuRackSpec(nodes=2)
ONE, TWO = guests(SPEC)
EVERYBODY = b"\xff" * 6
KIND = 0x88B5
"""Local experimental EtherType (IEEE 802)."""
QUIET_S = 1.0


def far(tap: str) -> str:
    return "x" + tap


def built() -> None:
    taps = [words for words in network.inner(SPEC) if words[:2] == ("tuntap", "add")]
    for words in taps:
        _ip([("link", "add", words[3], "type", "veth", "peer", "name", far(words[3]))])
    for name in (network.UP, network.MGMT):
        _ip([("link", "add", name, "type", "veth", "peer", "name", far(name))])
    _ip([words for words in network.inner(SPEC) if words not in taps])
    for words in taps:
        _ip([("link", "set", far(words[3]), "mtu", str(network.LARGEST), "up")])


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def frame(to: bytes, source: str, vlan: int = 0, size: int = 100) -> bytes:
    tag = b"\x81\x00" + vlan.to_bytes(2, "big") if vlan else b""
    return to + mac(source) + tag + KIND.to_bytes(2, "big") + bytes(size)


class Wires:
    """All far ends, as the machines' NICs."""

    def __init__(self) -> None:
        self.sockets = {}
        for guest in (ONE, TWO):
            for nic in guest.nics:
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
                sock.bind((far(nic.tap), 0))
                self.sockets[nic.tap] = sock

    def arrives(self, out: str, octets: bytes) -> list[str]:
        """Sends at one tap; the taps at which that frame arrives, by the number in its last octets."""
        mark = time.monotonic_ns().to_bytes(8, "big")
        for sock in self.sockets.values():
            sock.setblocking(False)
        self.sockets[out].send(octets[:-8] + mark)
        came: set[str] = set()
        end = time.monotonic() + QUIET_S
        while time.monotonic() < end:
            for tap, sock in self.sockets.items():
                try:
                    got, (_, _, kind, *_) = sock.recvfrom(16384)
                except BlockingIOError:
                    continue
                if kind != socket.PACKET_OUTGOING and got.endswith(mark):
                    came.add(tap)
            time.sleep(0.005)
        return sorted(came)


def said(speaker: Speaker, wires: Wires) -> dict[str, object]:
    """What the switches answer to a machine's LACPDU on both ports."""
    mine = lacp.Port(system=mac(ONE.nics[0].mac), key=9, port=1, state=lacp.ACTIVE | lacp.SHORT | lacp.AGGREGATES)
    heard: dict[str, object] = {}

    async def talk() -> None:
        running = asyncio.create_task(speaker.run())
        end = time.monotonic() + 60
        while len(heard) < 2 and time.monotonic() < end:
            for nic in ONE.nics:
                wires.sockets[nic.tap].send(lacp.encode(mac(nic.mac), mine, None))
            await asyncio.sleep(0.05)
            for nic in ONE.nics:
                try:
                    while True:
                        got, (_, _, kind, *_) = wires.sockets[nic.tap].recvfrom(4096)
                        port = lacp.decode(got) if kind != socket.PACKET_OUTGOING else None
                        if port is not None and port.state & lacp.IN_SYNC:
                            heard[nic.tap] = [port.system.hex(":"), port.key, port.port, port.state]
                except BlockingIOError:
                    pass
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(talk())
    return heard


def main() -> None:
    built()
    wires = Wires()
    first, second = (nic.tap for nic in ONE.nics)
    there = TWO.nics[0]
    out: dict[str, object] = {}

    def sent(name: str, tap: str, octets: bytes) -> None:
        out[name] = wires.arrives(tap, octets)

    sent("as delivered", first, frame(EVERYBODY, ONE.nics[0].mac))
    sent("as delivered, tagged", first, frame(EVERYBODY, ONE.nics[0].mac, 200))
    sent("as delivered, large", first, frame(EVERYBODY, ONE.nics[0].mac, 0, 9000))
    ports = {"m1": Ports(vlans=(300,), mtu=1500)}
    _filter(network.rules(SPEC, ports))
    sent("vlan not carried", first, frame(EVERYBODY, ONE.nics[0].mac, 200))
    sent("vlan carried", first, frame(EVERYBODY, ONE.nics[0].mac, 300))
    sent("untagged", first, frame(EVERYBODY, ONE.nics[0].mac))
    sent("mtu", first, frame(EVERYBODY, ONE.nics[0].mac, 0, 1500))
    sent("tagged mtu", first, frame(EVERYBODY, ONE.nics[0].mac, 300, 1500))
    sent("too large", first, frame(EVERYBODY, ONE.nics[0].mac, 0, 1501))
    sent("too large, from the other", there.tap, frame(EVERYBODY, there.mac, 0, 1501))
    _filter(network.rules(SPEC, {"m1": Ports(vlans=())}))
    sent("no vlan", first, frame(EVERYBODY, ONE.nics[0].mac, 300))
    ports = {"m1": Ports(channel=True)}
    _filter(network.rules(SPEC, ports))
    sent("channel, first", first, frame(EVERYBODY, ONE.nics[0].mac))
    sent("channel, second", second, frame(EVERYBODY, ONE.nics[0].mac))
    sent("channel, from the other", there.tap, frame(EVERYBODY, there.mac))
    sent("channel, to the machine", there.tap, frame(mac(ONE.nics[0].mac), there.mac))
    speaker = Speaker(network.ports(SPEC), network.channels(SPEC, ports))
    out["lacp"] = said(speaker, wires)
    speaker.close()
    out["rules"] = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout.count("drop")
    _filter(network.rules(SPEC, {"m1": Ports()}))
    sent("delivered again", first, frame(EVERYBODY, ONE.nics[0].mac, 200))
    print(json.dumps(out))


main()
