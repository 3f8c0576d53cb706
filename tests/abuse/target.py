"""A whole engine in a process of its own, on a lane of loopback, and what its attackers send."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


class Target:
    """An engine on a lane of loopback; `ask` puts a word of `net_engine` to it."""

    def __init__(self, path: Path) -> None:
        # Which lane is free is found by trying: tests of others may run at the same time.
        for lane in range(60 + os.getpid() % 60, 250):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
                probe.bind((f"127.{lane}.124.10", 20067))
                break
        self.host, self.lane = f"127.{lane}.124.10", lane
        (path / "plan.yml").write_text(PLAN)
        with (path / "err").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests/net/net_engine.py"), str(path / "store"), str(path / "plan.yml"), f"lane:{lane}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
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

    def gets_an_address(self, number: int) -> DhcpReply:
        """A machine that boots, through the relay of the lane."""
        asked = DhcpRequest(
            kind=DhcpKind.DISCOVER,
            xid=number,
            mac=f"0a:00:00:00:{number >> 8:02x}:{number & 255:02x}",
            giaddr="192.168.124.1",
            vendor_class="PXEClient:Arch:00007:UNDI:003016",
            arch=7,
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
            relay.bind((f"127.{self.lane}.124.1", 20067))
            relay.settimeout(1.0)
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                relay.sendto(dhcp.encode_request(asked), (self.host, 20067))
                with contextlib.suppress(TimeoutError):
                    reply = dhcp.decode_reply(relay.recv(2048))
                    if reply.to.xid == number:
                        return reply
        raise AssertionError("no offer")

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

    def gets_a_script(self) -> str:
        with socket.create_connection((self.host, 20080), PATIENCE_S) as client:
            client.sendall(b"GET /boot/script?mac=0a:00:00:00:00:01 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()

    def serves(self, number: int) -> None:
        assert self.gets_an_address(number).yiaddr.startswith("192.168.")
        assert self.gets_the_loader() == 512
        assert "#!ipxe" in self.gets_a_script()
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


def strangers(many: int) -> Iterator[bytes]:
    """Boot ROMs, each with a MAC never seen before: what fills tables."""
    for i in range(many):
        mac = f"06:00:{i >> 24 & 255:02x}:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"
        yield dhcp.encode_request(
            DhcpRequest(
                kind=DhcpKind.DISCOVER, xid=i, mac=mac, giaddr="192.168.124.1", vendor_class="PXEClient:Arch:00000:UNDI:002001", arch=0
            )
        )
