"""A whole engine in a process of its own, on a lane of loopback, and what its attackers send."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from engine.wire import dhcp, tftp
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
GROWTH = 48 << 20
"""Octets that the engine may grow by in a flood: full lanes, 4,096 sightings, caches that fill."""
PLAN = """crowbar: 1
site: {name: a, admin: {address: 192.168.124.10}}
networks: {admin: {subnet: 192.168.0.0/16, ranges: {dhcp: 192.168.128.1-192.168.160.254}, strangers: ignore}}
deployments: {}
"""


_NUMBERS = count(1 << 30)


def mac_of(number: int) -> str:
    """An honest machine."""
    return f"0a:00:00:00:{number >> 8:02x}:{number & 255:02x}"


class Target:
    """An engine on a lane of loopback; `ask` puts a word of `net_engine` to it."""

    def __init__(self, path: Path, plan: str = PLAN, descriptors: int = 0) -> None:
        """`descriptors`: so many open files are allowed; 0: as many as here."""
        self.store = path / "store"
        # Which lane is free is found by trying: tests of others may run at the same time.
        for lane in range(60 + os.getpid() % 60, 250):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
                probe.bind((f"127.{lane}.124.10", 20067))
                break
        self.host, self.lane = f"127.{lane}.124.10", lane
        (path / "plan.yml").write_text(plan)
        with (path / "err").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests/net/net_engine.py"), str(path / "store"), str(path / "plan.yml"), f"lane:{lane}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))) if descriptors else None,
            )
        self.errors = path / "err"
        assert self._line() == {"ready": True}

    def ask(self, word: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        return self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        line = self.process.stdout.readline() if ready else ""
        assert line, f"the engine is silent: {self.errors.read_text()[-3000:]}"
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            assert self.process.wait(PATIENCE_S) == 0, self.errors.read_text()[-3000:]
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while not true(found := self.ask("counters")):
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found

    # -- what an honest client sees --------------------------------------------------------------------------------

    def gets_an_address(self, number: int, patience_s: float = PATIENCE_S) -> DhcpReply:
        """A machine that boots, through the relay of the lane; it asks again every second."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            if (reply := self.asks(DhcpKind.DISCOVER, mac_of(number))) is not None:
                return reply
        raise AssertionError("no offer")

    def takes_an_address(self, number: int) -> str:
        """The same, and it takes the offer."""
        offer = self.gets_an_address(number, 20.0)
        taken = self.asks(DhcpKind.REQUEST, mac_of(number), requested=offer.yiaddr, server_id="192.168.124.10")
        assert taken is not None
        return taken.yiaddr

    def asks(self, kind: DhcpKind, mac: str, patience_s: float = 1.0, **fields: Any) -> DhcpReply | None:
        """Sends one packet through the relay. Returns the answer; None: there was none."""
        xid = next(_NUMBERS)
        values: dict[str, Any] = {"vendor_class": "PXEClient:Arch:00007:UNDI:003016", "arch": 7, **fields}
        asked = DhcpRequest(kind=kind, xid=xid, mac=mac, giaddr="192.168.124.1", **values)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
            relay.bind((f"127.{self.lane}.124.1", 20067))
            end = time.monotonic() + patience_s
            relay.sendto(dhcp.encode_request(asked), (self.host, 20067))
            while (left := end - time.monotonic()) > 0:
                relay.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    reply = dhcp.decode_reply(relay.recv(2048))
                    if reply.to.xid == xid:
                        return reply
        return None

    def here(self, address: str) -> str:
        """Where an address of the plan is on this machine."""
        _, _, c, d = address.split(".")
        return f"127.{self.lane}.{c}.{d}"

    def gets_the_loader(self) -> int:
        """Octets of the loader's first block."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1.0)
            for _ in range(int(PATIENCE_S)):
                client.sendto(tftp.encode(tftp.Read(filename="snponly.efi")), (self.host, 20069))
                with contextlib.suppress(TimeoutError):
                    packet, peer = client.recvfrom(2048)
                    client.sendto(tftp.encode(tftp.Error(code=0, message="enough")), peer)
                    return len(packet) - 4
        raise AssertionError("no block")

    def gets_a_script(self, address: str = "", number: int = 1) -> str:
        """From an address of the plan, in one try."""
        source = (self.here(address), 0) if address else None
        with socket.create_connection((self.host, 20080), PATIENCE_S, source) as client:
            client.sendall(f"GET /boot/script?mac={mac_of(number)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()

    def serves(self, number: int) -> None:
        assert self.gets_an_address(number).yiaddr.startswith("192.168.")
        assert self.gets_the_loader() == 512
        assert "#!ipxe" in self.gets_a_script(self.takes_an_address(number), number)
        counted = self.ask("counters")
        assert counted["failure"] == ""
        assert counted["letters"] == []
        assert counted["HttpService"].get("broken", 0) == 0


def pour(to: tuple[str, int], packets: Iterator[bytes], received: Callable[[], int]) -> int:
    """Send datagrams as fast as they are taken out of the socket's buffer; how many."""
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        start = received()
        for packet in packets:
            flood.sendto(packet, to)
            sent += 1
            # A few hundred on their way: they fit the buffer, so that what comes can be compared with what was sent.
            if sent % 200 == 0:
                end = time.monotonic() + PATIENCE_S
                while received() - start < sent - 200:
                    assert time.monotonic() < end, "it takes no more packets"
                    time.sleep(0.001)
    return sent


def strangers(many: int, version: int = 0, relays: int = 1, first: int = 1) -> Iterator[bytes]:
    """Boot ROMs, each with a MAC never seen before: what fills tables. With another version, the same machines say something else."""
    for i in range(many):
        mac = f"06:00:{i >> 24 & 255:02x}:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"
        yield dhcp.encode_request(
            DhcpRequest(
                kind=DhcpKind.DISCOVER,
                xid=i,
                mac=mac,
                giaddr=f"192.168.124.{first + i % relays}",
                vendor_class=f"PXEClient:Arch:00000:UNDI:{version:06}",
                arch=0,
            )
        )
