"""Floods on the live sockets of a whole engine (a process of its own, on loopback): it goes on serving, holds its memory, and counts everything."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutate import mutations
from target import GROWTH, PATIENCE_S, Target, pour, strangers
from test_abuse_decode import dhcp_seeds

from engine.core.boot.strangers import SIGHTINGS
from engine.wire import tftp


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    found = Target(tmp_path)
    yield found
    found.close()


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
    assert counted["DhcpService"]["flooded"] > SIGHTINGS, "packets of machines never seen before are bounded"
    assert len(target.ask("sightings")) <= SIGHTINGS + 16
    assert len(target.ask("leases")) <= SIGHTINGS + 16
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
