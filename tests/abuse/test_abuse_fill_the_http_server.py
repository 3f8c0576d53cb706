"""Goal: no machine can load its boot script or its packages. Means: many source addresses, each with connections that do nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from target import PATIENCE_S, Target

from engine.attach.client import Attached

SOURCES, EACH = 70, 20
DESCRIPTORS = 1280
"""The engine fits its connections to the open files that it may have: here 512. The attackers want 1,400."""
SLOW = (b"", b"GET /boot", b"POST /agent/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n{")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    found = Target(tmp_path, descriptors=DESCRIPTORS)
    yield found
    found.close()


@contextlib.contextmanager
def held(target: Target, addresses: list[str], port: int, starts: tuple[bytes, ...], each: int = EACH) -> Iterator[list[socket.socket]]:
    """Connections from these addresses of the plan that begin like that and do not go on."""
    with contextlib.ExitStack() as open_:
        out = []
        for i in range(each):
            for address in addresses:
                with contextlib.suppress(OSError):
                    client = open_.enter_context(socket.create_connection((target.host, port), PATIENCE_S, (target.here(address), 0)))
                    out.append(client)
                    client.sendall(starts[i % len(starts)])
        yield out


def strangers() -> list[str]:
    return [f"192.168.200.{i}" for i in range(1, SOURCES + 1)]


def test_slow_requests_of_many_strangers_do_not_shut_others_out(target: Target) -> None:
    leased = target.takes_an_address(1)
    with held(target, strangers(), 20080, SLOW):
        assert "kernel" in target.gets_a_script(leased), "a machine with a lease"
        assert "script_elsewhere" in target.gets_a_script(), "and another stranger, for which an idle one is cut"
        counted = target.ask("counters")["HttpService"]
        assert 100 <= counted["open_connections"] <= 130, "strangers have a quarter of the places"
        assert counted.get("cut_for_another", 0) + counted.get("too_many_connections", 0) > 1_000


def test_handshakes_of_tls_that_never_end_do_not_shut_others_out(target: Target) -> None:
    leased = target.takes_an_address(1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"
    with held(target, strangers(), 20443, (b"", hello)):
        assert len(os.listdir(f"/proc/{target.process.pid}/fd")) < DESCRIPTORS // 2, "descriptors are left"
        assert "kernel" in target.gets_a_script(leased)
        plain = socket.create_connection((target.host, 20443), PATIENCE_S, (target.here(leased), 0))
        with context.wrap_socket(plain) as client:
            client.sendall(b"GET /boot/script?mac=0a:00:00:00:00:01 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b"".join(iter(lambda: client.recv(65536), b"")).startswith(b"HTTP/1.1 200")
        counted = target.ask("counters")["HttpService"]
        assert counted["open_connections"] <= 130


def test_a_leased_address_that_holds_many_connections_gives_way_to_one_that_wants_one(target: Target) -> None:
    """An attacker can lease addresses too."""
    attackers = [target.takes_an_address(number) for number in range(600, 600 + SOURCES)]
    with held(target, attackers, 20080, SLOW):
        assert target.ask("counters")["HttpService"]["open_connections"] > 300
        for number in (1, 2, 3):
            assert "kernel" in target.gets_a_script(target.takes_an_address(number), number)


def test_the_slow_are_cut_and_named(target: Target) -> None:
    with held(target, strangers(), 20080, SLOW):
        target.until(lambda c: c["HttpService"].get("slow_head", 0) >= 30)
        with Attached(target.store) as engine:
            floods = engine.health().result["floods"]
        assert {one["what"] for one in floods} == {"connections"}
        assert all(one["source"].startswith("192.168.200.") for one in floods)
    target.until(lambda c: c["HttpService"]["open_connections"] == 0)
