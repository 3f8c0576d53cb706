"""Floods on the live sockets of a whole engine (a process of its own, on loopback): it goes on serving, holds its memory, and counts everything."""

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

import pytest
from mutate import mutations
from test_abuse_decode import dhcp_seeds

from engine.core.boot.strangers import SIGHTINGS
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


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    found = Target(tmp_path)
    yield found
    found.close()


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


def flood_dhcp(target: Target, many: int, seed: int) -> None:
    counted = target.ask("counters")["DhcpService"]
    sent = pour((target.host, 20067), mutations(dhcp_seeds(), many, seed), lambda: target.ask("counters")["DhcpService"]["received"])
    after = target.until(lambda c: c["DhcpService"]["received"] >= counted["received"] + sent and not c["loop"]["waiting"]["packets"])
    found = after["DhcpService"]
    assert found["received"] == counted["received"] + sent
    events = found["received"] - sum(found["malformed"].values()) - found["elsewhere"] - found["dropped"] - found["failed"]
    assert events > 0
    assert found["failed"] == 0
    assert sum(found["malformed"].values()) > many / 10


def strangers(many: int) -> Iterator[bytes]:
    """Boot ROMs, each with a MAC never seen before: what fills tables."""
    for i in range(many):
        mac = f"06:00:{i >> 24 & 255:02x}:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"
        yield dhcp.encode_request(
            DhcpRequest(
                kind=DhcpKind.DISCOVER, xid=i, mac=mac, giaddr="192.168.124.1", vendor_class="PXEClient:Arch:00000:UNDI:002001", arch=0
            )
        )


def flood_tftp(target: Target, many: int, seed: int) -> None:
    seeds = [
        tftp.encode(tftp.Read(filename="undionly.kpxe", blksize=1468, windowsize=16)),
        tftp.encode(tftp.Read(filename="../../../etc/passwd")),
        tftp.encode(tftp.Write(filename="x")),
        tftp.ack(1),
        tftp.data(1, b"x" * 100),
    ]
    counted = target.ask("counters")["TftpService"]
    sent = pour((target.host, 20069), mutations(seeds, many, seed), lambda: target.ask("counters")["TftpService"]["requests"])
    after = target.until(lambda c: c["TftpService"]["requests"] >= counted["requests"] + sent)["TftpService"]
    assert after["requests"] == counted["requests"] + sent
    assert after["active"] <= 512
    assert sum(after["malformed"].values()) > 0
    assert sum(after["refused"].values()) > 0


def flood_http(target: Target, many: int, seed: int) -> None:
    """Each on a connection of its own, closed in the middle by every fourth client."""
    seeds = [
        b"GET /boot/script?mac=52:54:00:aa:00:01 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /image/loader/snponly.efi HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n",
        b'POST /agent/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n{"boot_id":"x","environment":"y","z":[]}',
        b"GET /agent/next HTTP/1.1\r\nAuthorization: Bearer n1.00.11\r\n\r\n",
        b"POST /agent/result HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ]
    statuses: dict[bytes, int] = {}
    for number, request in enumerate(mutations(seeds, many, seed)):
        try:
            with socket.create_connection((target.host, 20080), PATIENCE_S) as client:
                client.sendall(request)
                if number % 4:
                    client.settimeout(0.1)  # where the change left the request unfinished, the engine waits for the rest of it
                    answer = client.recv(4096)
                    statuses[answer[9:12]] = statuses.get(answer[9:12], 0) + 1
        except TimeoutError:
            statuses[b""] = statuses.get(b"", 0) + 1
        except ConnectionError:
            statuses[b"cut"] = statuses.get(b"cut", 0) + 1
    assert b"500" not in statuses, "a mistake of the engine"
    assert statuses.get(b"400", 0) > 0, statuses


def floods(target: Target, many: int) -> None:
    target.serves(1)
    flood_dhcp(target, many // 5, 10)
    flood_tftp(target, many // 5, 11)
    before = target.ask("memory")
    flood_dhcp(target, many, 20)
    flood_tftp(target, many, 21)
    flood_http(target, many // 10, 22)
    target.serves(2)
    sent = pour((target.host, 20067), strangers(2 * SIGHTINGS), lambda: target.ask("counters")["DhcpService"]["received"])
    target.until(lambda c: not c["loop"]["waiting"]["packets"])
    assert sent == 2 * SIGHTINGS
    counted = target.ask("counters")
    assert counted["live"]["ignored.too_many"] > 0, "machines never seen before are bounded"
    assert len(target.ask("leases")) <= SIGHTINGS + 16, "and are refused before they get an address"
    grown = target.ask("memory") - before
    assert grown < GROWTH, f"grew by {grown >> 20} MiB"
    # Who was known before is served on.
    target.serves(1)


def test_it_stands_a_flood(target: Target) -> None:
    floods(target, 4_000)


@pytest.mark.slow
def test_it_stands_100_000_mutated_packets_of_each_protocol(target: Target) -> None:
    floods(target, 100_000)


def test_slow_clients_and_oversized_bodies_hold_nothing(target: Target) -> None:
    """As many connections as a peer may have say nothing, or a body of which the rest never comes: others are served meanwhile."""
    held = []
    for i in range(60):
        client = socket.create_connection((target.host, 20080), PATIENCE_S)
        client.sendall((b"", b"GET /boot", b"POST /agent/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n{")[i % 3])
        held.append(client)
    try:
        target.serves(3)
        for size in (16 * 1024 + 1, 1 << 40):
            with socket.create_connection((target.host, 20080), PATIENCE_S) as client:
                client.sendall(b"POST /agent/hello HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
                assert client.recv(4096).startswith(b"HTTP/1.1 413")
        with socket.create_connection((target.host, 20080), PATIENCE_S) as client, contextlib.suppress(ConnectionError):
            client.sendall(b"POST /agent/hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(40):
                client.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 413")
        counted = target.until(lambda c: c["HttpService"].get("refused_too_large", 0) >= 3)
        assert counted["HttpService"]["open_connections"] >= 59
        # The rest of the heads never comes: they are cut off, without anybody's doing.
        target.until(lambda c: c["HttpService"].get("slow_head", 0) >= 30)
    finally:
        for client in held:
            client.close()
    target.until(lambda c: c["HttpService"]["open_connections"] == 0)
