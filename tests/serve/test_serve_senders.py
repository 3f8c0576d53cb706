"""Large files go out through processes that hold nothing but the connection and the file."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_rig import Rig, until

from engine.serve.sender_process import CUT, ENDED, ORDER, PIECE, REPORT, SEND, SENT, SenderProcess
from engine.serve.senders import LEAST, Senders

LARGE = random.Random(1).randbytes(24 << 20)
PATH = "/image/sledgehammer/initrd"
IDLE = 4
"""Descriptors of a process with nothing to send: its standard three, and the poll."""


def senders(rig: Rig) -> list[int]:
    """Process ids."""
    return [one.process.pid for one in of(rig)._processes]


def of(rig: Rig) -> Senders:
    return rig.http._gate.senders


def descriptors(pids: list[int]) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def curl(rig: Rig, to: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["curl", "-sSf", "-o", to, *words, rig.url + PATH], stderr=subprocess.DEVNULL)


def slow_client(rig: Rig) -> socket.socket:
    """It has asked, and read the first octets."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((rig.host, rig.port))
    sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert sock.recv(12) == b"HTTP/1.1 200"
    return sock


def test_many_clients_get_the_file_and_the_parts_they_ask_for(rig: Rig, tmp_path: Path) -> None:
    rig.add_image("sledgehammer", "initrd", LARGE, use="initrd")
    parts = {"whole": (), "first": ("-r", f"0-{LEAST}"), "middle": ("-r", "5-9000000"), "last": ("-r", f"-{LEAST + 7}")}
    clients = [curl(rig, tmp_path / name, *words) for name, words in parts.items()] + [curl(rig, tmp_path / str(n)) for n in range(8)]
    assert [client.wait(60) for client in clients] == [0] * len(clients)
    assert (tmp_path / "first").read_bytes() == LARGE[: LEAST + 1]
    assert (tmp_path / "middle").read_bytes() == LARGE[5:9000001]
    assert (tmp_path / "last").read_bytes() == LARGE[-LEAST - 7 :]
    assert all((tmp_path / name).read_bytes() == LARGE for name in ("whole", *map(str, range(8))))
    assert len(senders(rig)) == len(os.sched_getaffinity(0))
    assert rig.http.octets() == 9 * len(LARGE) + LEAST + 1 + 8999996 + LEAST + 7
    until(lambda: rig.http.counters()["image_206"] == 3)
    assert {descriptors([pid]) for pid in senders(rig)} == {IDLE}


def test_one_connection_asks_again_and_again(rig: Rig, tmp_path: Path) -> None:
    rig.add_image("sledgehammer", "initrd", LARGE, use="initrd")
    words = ["curl", "-sSf", "-w", "%{num_connects}"]
    for n in range(3):
        words += ["-o", str(tmp_path / str(n)), rig.url + PATH]
    assert subprocess.run(words, capture_output=True, check=True, timeout=60).stdout == b"100"
    assert all((tmp_path / str(n)).read_bytes() == LARGE for n in range(3))


def test_a_client_that_has_all_and_hangs_up_at_once_counts_as_served(rig: Rig) -> None:
    rig.add_image("ipxe", "snponly.efi", LARGE[:LEAST], kind="loader", use="efi")
    for _ in range(60):
        with socket.create_connection((rig.host, rig.port), timeout=60) as sock:
            sock.sendall(b"GET /image/ipxe/snponly.efi HTTP/1.1\r\nHost: x\r\n\r\n")
            got = b""
            while b"\r\n\r\n" not in got or len(got) < got.index(b"\r\n\r\n") + 4 + LEAST:
                got += sock.recv(1 << 20)
    until(lambda: rig.http.counters()["image_200"] == 60)
    assert len(rig.fetched()) == 60


def test_a_small_file_needs_no_process(rig: Rig) -> None:
    rig.add_image("sledgehammer", "initrd", LARGE[: LEAST - 1], use="initrd")
    assert rig.call("GET", PATH)[1] == LARGE[: LEAST - 1]
    assert senders(rig) == []


def test_a_client_that_hangs_up_leaves_nothing(rig: Rig) -> None:
    rig.add_image("sledgehammer", "initrd", LARGE, use="initrd")
    clients = [slow_client(rig) for _ in range(4)]
    until(lambda: sum(len(one.open) for one in of(rig)._processes) == 4)
    for client in clients:
        client.close()
    until(lambda: descriptors(senders(rig)) == IDLE * len(senders(rig)))
    until(lambda: rig.http.counters()["open_connections"] == 0)
    until(lambda: sum(len(one.open) for one in of(rig)._processes) == 0)


def test_a_process_that_dies_costs_its_clients_the_rest_and_another_takes_over(rig: Rig, tmp_path: Path) -> None:
    rig.add_image("sledgehammer", "initrd", LARGE, use="initrd")
    client = curl(rig, tmp_path / "got", "--limit-rate", "1M")
    until(lambda: (tmp_path / "got").exists() and (tmp_path / "got").stat().st_size > 0)
    old = senders(rig)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    assert client.wait(60) == 18, "curl: a partial file"
    until(lambda: rig.http.counters().get("senders_ended") == len(old))
    assert curl(rig, tmp_path / "got", "-C", "-").wait(60) == 0
    assert (tmp_path / "got").read_bytes() == LARGE
    until(lambda: rig.call("GET", PATH)[1] == LARGE and bool(senders(rig)))
    assert not set(senders(rig)) & set(old)


def test_the_processes_end_with_the_service_in_the_middle_of_a_file(rig: Rig) -> None:
    rig.add_image("sledgehammer", "initrd", LARGE, use="initrd")
    client = slow_client(rig)
    until(lambda: senders(rig))
    pids = senders(rig)
    rig.http.stop()
    client.close()
    assert pids
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_where_no_process_can_start_the_loop_sends(rig: Rig) -> None:
    rig.add_image("sledgehammer", "initrd", LARGE, use="initrd")
    of(rig)._command = ("/nonexistent/program",)
    assert rig.call("GET", PATH)[1] == LARGE
    assert senders(rig) == []


# -- the process by itself ------------------------------------------------------------------------------------------


class Alone:
    """A sender in a thread, for clients that read or do not."""

    def __init__(self, path: Path, piece_s: float) -> None:
        self.orders, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.orders.settimeout(60)
        self.file = open(path, "rb")  # noqa: SIM115
        self._thread = threading.Thread(target=SenderProcess(self._theirs, piece_s).serve)
        self._thread.start()

    def send(self, number: int, first: int, count: int) -> socket.socket:
        """The client's end."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.settimeout(60)
        with theirs:
            socket.send_fds(self.orders, [ORDER.pack(SEND, number, first, count)], [theirs.fileno(), self.file.fileno()])
        return ours

    def ended(self) -> tuple[int, int]:
        """Number and octets of the next one that ended."""
        while True:
            what, number, octets = REPORT.unpack(self.orders.recv(REPORT.size))
            if what == ENDED:
                return number, octets
            assert what == SENT

    def close(self) -> None:
        self.orders.close()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self._theirs.close()
        self.file.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    (tmp_path / "file").write_bytes(LARGE[: 2 * PIECE])
    one = Alone(tmp_path / "file", piece_s=1.0)
    yield one
    one.close()


def test_a_client_that_does_not_read_is_cut_off_and_the_others_go_on(alone: Alone) -> None:
    lazy = alone.send(1, 0, 2 * PIECE)
    eager = alone.send(2, 0, PIECE)
    got = b""
    while len(got) < PIECE:
        got += eager.recv(1 << 20)
    assert got == LARGE[:PIECE]
    assert alone.ended() == (2, PIECE)
    number, octets = alone.ended()
    assert number == 1
    assert 0 < octets < 2 * PIECE
    lazy.close()
    eager.close()


def test_a_file_that_became_shorter_ends_early(alone: Alone) -> None:
    with alone.send(1, 2 * PIECE - 100, 500) as client:
        assert alone.ended() == (1, 100)
        assert client.recv(1000) == LARGE[2 * PIECE - 100 : 2 * PIECE]
        assert client.recv(1) == b""


def test_orders_that_make_no_sense_end_nothing(alone: Alone) -> None:
    alone.orders.send(ORDER.pack(CUT, 77, 0, 0))
    alone.orders.send(ORDER.pack(SEND, 78, 0, 5))
    assert alone.ended() == (78, 0), "no descriptors came with it"
    with alone.send(79, 0, 5) as client:
        assert client.recv(10) == LARGE[:5]
    assert alone.ended() == (79, 5)
