"""Goal: no machine can install any more. Means: many requests for packages that take every fetch from a mirror, and are left alone."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "serve"))

from http_rig import Rig

from engine.serve import package_cache
from engine.serve.standing import Standing

PATIENCE_S = 60.0
NODE, ATTACKER = "127.0.0.30", "127.0.0.66"
BODY = bytes(range(256)) * 400


class Mirror:
    """Sends half of each file that is named slow, and the rest when it may. Counts what is open."""

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.open: set[str] = set()
        mirror = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.open.add(self.path)
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(BODY)))
                    self.end_headers()
                    self.wfile.write(BODY[:1000])
                    self.wfile.flush()
                    if "slow" in self.path:
                        mirror.waits(self.connection)
                    self.wfile.write(BODY[1000:])
                finally:
                    mirror.open.discard(self.path)

            def log_message(self, *_: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def waits(self, connection: socket.socket) -> None:
        """Until it may go on, or the client is gone."""
        connection.settimeout(0.05)
        while not self.hold.is_set():
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    raise ConnectionResetError("the client went away")

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


STRANGER = "127.0.9.9"


class FixedStandings:
    """One address is a node's, one is of a stranger, all others are of machines that boot."""

    def of_mac(self, mac: str) -> Standing:
        return Standing.STRANGER

    def of_address(self, peer: str) -> Standing:
        return Standing.KNOWN if peer == NODE else Standing.STRANGER if peer == STRANGER else Standing.SEEN


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror()
    yield made
    made.close()


@pytest.fixture
def rig(tmp_path: Path, mirror: Mirror) -> Iterator[Rig]:
    made = Rig(tmp_path, upstream=lambda _name, path: f"{mirror.url}/{path}", standings=FixedStandings())
    yield made
    made.stop()


def begin(rig: Rig, source: str, file: str) -> socket.socket:
    client = socket.create_connection((rig.host, rig.port), PATIENCE_S, (source, 0))
    client.sendall(f"GET /packages/debian/pool/{file}.deb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    return client


def get(rig: Rig, source: str, file: str) -> bytes:
    with begin(rig, source, file) as client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def until(true: Callable[[], bool], told: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.01)


def test_one_address_cannot_take_all_fetches(rig: Rig, mirror: Mirror) -> None:
    with contextlib.ExitStack() as held:
        for i in range(4 * package_cache.FETCHES):
            held.enter_context(begin(rig, ATTACKER, f"slow-{i}"))
        until(lambda: bool(mirror.open) and rig.http.counters().get("refused_too_many_packages", 0) > 0, rig.http.counters)
        answer = get(rig, NODE, "wanted")
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(BODY)
        assert len(mirror.open) <= package_cache.FETCHES // 2
        assert [flood for flood in rig.record.floods if flood[:2] == ("package requests", ATTACKER)]


def test_requests_that_are_left_alone_end_with_their_client(rig: Rig, mirror: Mirror, tmp_path: Path) -> None:
    """The mirror is asked no more, and what was written of the file is gone."""
    clients = [begin(rig, f"127.0.1.{i}", f"slow-{i}") for i in range(2 * package_cache.FETCHES)]
    until(lambda: len(mirror.open) == package_cache.FETCHES, rig.http.counters)
    for client in clients:
        client.close()
    until(lambda: not mirror.open, lambda: mirror.open)
    until(lambda: not list((tmp_path / "packages").glob("*.part")), rig.http.counters)
    assert get(rig, NODE, "wanted").endswith(BODY)
    assert rig.http.counters()["packages_dropped"] == len(clients)


def test_a_file_that_another_client_waits_for_is_not_dropped(rig: Rig, mirror: Mirror) -> None:
    attacker, node = begin(rig, ATTACKER, "slow-shared"), begin(rig, NODE, "slow-shared")
    until(lambda: bool(mirror.open), rig.http.counters)
    head = node.recv(12)
    attacker.close()
    until(lambda: rig.http.counters().get("cut", 0) + rig.http.counters().get("gone", 0) > 0, rig.http.counters)
    mirror.hold.set()
    with node:
        answer = head + b"".join(iter(lambda: node.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(BODY)
    assert rig.http.counters().get("packages_dropped", 0) == 0


def test_an_address_that_the_engine_does_not_know_gets_no_package(rig: Rig, mirror: Mirror) -> None:
    with begin(rig, STRANGER, "hello") as client:
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"no_node" in answer
    assert not mirror.open
