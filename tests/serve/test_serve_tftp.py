"""The TFTP service over real sockets: curl, a lossy client, many clients, and clients that misbehave."""

from __future__ import annotations

import random
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import SimpleQueue

import pytest

from engine.serve import ServiceError
from engine.serve.tftp import Limits, Refusal, TftpFile, TftpService
from engine.wire import tftp
from engine.wire.tftp import Error, Oack, Read, Write
from engine.wire.tftp_transfer import Fetch, TransferState

LOADER = random.Random(7).randbytes(1_000_000)
FILES = {"snponly.efi": LOADER, "small": b"#!ipxe\n", "even": bytes(1024), "empty": b""}
PATIENCE_S = 60.0
MANY_S = 300.0
"""For a hundred clients and the engine in one process, on a machine that does much else."""
Ended = tuple[str, str, int, float, bool]


def resolve(filename: str, peer: str) -> TftpFile | Refusal:
    if filename.startswith("small\ufffd"):
        return TftpFile(body=FILES["small"], name="small")
    if filename == "broken":
        raise RuntimeError("a mistake in the engine")
    body = FILES.get(filename)
    return TftpFile(body=body) if body is not None else Refusal(message=f"{peer} may not have it")


class Served:
    """A running service and what it told."""

    def __init__(self, **bounds: object) -> None:
        self.ended: SimpleQueue[Ended] = SimpleQueue()
        settings: dict[str, object] = {"max_per_peer": 200, "limits": Limits(timeout_s=0.2, longest_s=0.4), **bounds}
        self.service = TftpService(
            bind=("127.0.0.1", 0),
            resolve=resolve,
            fetched=lambda *ended: self.ended.put(ended),
            **settings,  # type: ignore[arg-type]
        )
        self.service.start()

    @property
    def port(self) -> int:
        return self.service.address[1]


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    running: list[Served] = []

    def start(**bounds: object) -> Served:
        running.append(Served(**bounds))
        return running[-1]

    yield start
    for one in running:
        one.service.stop()
        assert one.service.counters.active == 0


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        select.select([], [], [], 0.005)


def fetch_all(port: int, requests: list[Read], *, lose: Callable[[], int] = lambda: 1) -> list[Fetch]:
    """Fetch all of them at once. `lose` says how many copies of a packet (either way) arrive."""
    with ExitStack() as opened:
        return _fetch_all(opened, port, requests, lose)


def _fetch_all(opened: ExitStack, port: int, requests: list[Read], lose: Callable[[], int]) -> list[Fetch]:
    waiting = opened.enter_context(select.epoll())
    clients: dict[int, tuple[socket.socket, Fetch, list[tuple[str, int]]]] = {}
    now = time.monotonic()
    for request in requests:
        sock = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        fetch = Fetch(request, timeout_s=0.5, retries=30)
        clients[sock.fileno()] = (sock, fetch, [])
        waiting.register(sock, select.EPOLLIN)
        for packet in fetch.start(now):
            sock.sendto(packet, ("127.0.0.1", port))
    left, deadline = len(clients), now + MANY_S
    while left:
        assert time.monotonic() < deadline, "the files did not arrive"
        for fd, _ in waiting.poll(0.05):
            sock, fetch, server = clients[fd]
            packet, source = sock.recvfrom(70_000)
            server[:] = [source]
            for _ in range(lose()):
                for answer in fetch.receive(packet, time.monotonic()):
                    for _ in range(lose()):
                        sock.sendto(answer, source)
            if fetch.state is not TransferState.RUNNING:
                if fetch.state is TransferState.DONE:
                    sock.sendto(fetch._last, source)  # the test loses packets, but must not lose the end of all
                waiting.unregister(sock)
                left -= 1
        now = time.monotonic()
        for sock, fetch, server in clients.values():
            if fetch.deadline <= now:
                for packet in fetch.tick(now):
                    sock.sendto(packet, server[0] if server else ("127.0.0.1", port))
    return [fetch for _, fetch, _ in clients.values()]


@pytest.mark.client
@pytest.mark.parametrize("options", [["--tftp-blksize", "1468"], ["--tftp-blksize", "512"], ["--tftp-no-options"]])
def test_curl_gets_the_loader_whole(serve: Callable[..., Served], options: list[str]) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is missing")
    served = serve()
    url = f"tftp://127.0.0.1:{served.port}/snponly.efi"
    got = subprocess.run([curl, "-s", "-m", "60", *options, url], capture_output=True, check=True, timeout=120)
    assert got.stdout == LOADER
    peer, name, octets, seconds, ok = served.ended.get(timeout=PATIENCE_S)
    assert (peer, name, octets, ok) == ("127.0.0.1", "snponly.efi", len(LOADER), True)
    assert seconds > 0


@pytest.mark.client
def test_curl_is_told_what_is_not_there(serve: Callable[..., Served]) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is missing")
    served = serve()
    url = f"tftp://127.0.0.1:{served.port}//etc/passwd"
    got = subprocess.run([curl, "-sS", "-m", "60", url], capture_output=True, check=False, timeout=120)
    assert got.returncode == 68, "curl's code for TFTP: file not found"
    assert got.stdout == b""
    assert served.service.counters.refused == {"not_offered": 1}


@pytest.mark.client
@pytest.mark.parametrize("program", ["atftp", "tftp"])
def test_other_clients(serve: Callable[..., Served], program: str, tmp_path: object) -> None:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is missing")
    served = serve()
    target = f"{tmp_path}/got"
    if program == "atftp":
        arguments = [path, "--option", "blksize 1024", "-g", "-r", "snponly.efi", "-l", target, "127.0.0.1"]
        subprocess.run([*arguments, str(served.port)], check=True, timeout=60, capture_output=True)
    else:
        words = f"mode binary\nget snponly.efi {target}\nquit\n".encode()
        subprocess.run([path, "127.0.0.1", str(served.port)], input=words, check=True, timeout=60, capture_output=True)
    with open(target, "rb") as got:
        assert got.read() == LOADER


@pytest.mark.parametrize("window", [None, 1, 4, 16, 64])
def test_windows(serve: Callable[..., Served], window: int | None) -> None:
    served = serve()
    (fetch,) = fetch_all(served.port, [Read(filename="snponly.efi", blksize=1468, tsize=0, windowsize=window)])
    assert bytes(fetch.body) == LOADER
    assert fetch.tsize == len(LOADER)
    assert fetch.window == (window or 1)


@pytest.mark.parametrize("name", ["small", "even", "empty"])
def test_odd_sizes(serve: Callable[..., Served], name: str) -> None:
    served = serve()
    (fetch,) = fetch_all(served.port, [Read(filename=name)])
    assert bytes(fetch.body) == FILES[name]
    assert served.ended.get(timeout=PATIENCE_S)[2:5:2] == (len(FILES[name]), True)


@pytest.mark.parametrize("window", [None, 8])
def test_lost_and_doubled_packets(serve: Callable[..., Served], window: int | None) -> None:
    """One packet in 50 lost and one in ten doubled, both ways."""
    served = serve(limits=Limits(timeout_s=0.05, longest_s=0.1, retries=20))
    dice = random.Random(3)
    request = Read(filename="snponly.efi", blksize=8192, windowsize=window)  # granted 1468
    (fetch,) = fetch_all(served.port, [request], lose=lambda: dice.choices((0, 1, 2), (2, 88, 10))[0])
    assert bytes(fetch.body) == LOADER
    assert fetch.blksize == 1468
    assert served.ended.get(timeout=PATIENCE_S)[4]
    assert served.service.counters.resent > 0


def test_doubled_acks_do_not_multiply_data(serve: Callable[..., Served]) -> None:
    served = serve(limits=Limits(timeout_s=5.0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendto(tftp.encode(Read(filename="even", blksize=64)), ("127.0.0.1", served.port))
        _, server = sock.recvfrom(2000)
        heard = []
        for n in range(1024 // 64 + 1):
            for _ in range(5):
                sock.sendto(tftp.ack(n), server)
            packet, _ = sock.recvfrom(2000)
            heard.append(int.from_bytes(packet[2:4], "big"))
        sock.sendto(tftp.ack(17), server)
        served.ended.get(timeout=PATIENCE_S)  # all ACKs have been dealt with by now
        sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            sock.recvfrom(2000)
    assert heard == list(range(1, 18))
    assert served.service.counters.resent == 0


def test_a_hundred_clients_at_once(serve: Callable[..., Served]) -> None:
    served = serve()
    fetches = fetch_all(served.port, [Read(filename="snponly.efi", blksize=1468, windowsize=16)] * 100)
    assert all(bytes(fetch.body) == LOADER for fetch in fetches)
    until(lambda: served.service.counters.done == 100)
    counters = served.service.counters
    assert counters.active == 0
    assert counters.octets == 100 * len(LOADER)


def ask(port: int, packet: bytes) -> tftp.Packet:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendto(packet, ("127.0.0.1", port))
        return tftp.decode(sock.recvfrom(70_000)[0])


def test_refusals_and_their_counters(serve: Callable[..., Served], caplog: pytest.LogCaptureFixture) -> None:
    served = serve()
    assert ask(served.port, tftp.encode(Write(filename="small"))) == Error(code=2, message="read only")
    assert ask(served.port, tftp.encode(Read(filename="small", mode="netascii"))) == Error(code=0, message="only mode octet is served")
    assert ask(served.port, tftp.encode(Read(filename="../../etc/passwd"))) == Error(code=1, message="127.0.0.1 may not have it")
    assert ask(served.port, b"\0\1no end") == Error(code=4, message="malformed: text")
    assert ask(served.port, tftp.encode(Read(filename="broken"))) == Error(code=0, message="internal error")
    assert "a mistake in the engine" in caplog.text
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for stray in (b"", b"\0\5\0\1no\0", tftp.ack(4), b"\xff" * 2000):
            sock.sendto(stray, ("127.0.0.1", served.port))
    until(lambda: sum(served.service.counters.malformed.values()) == 5)
    counters = served.service.counters
    assert counters.requests == 9
    assert counters.refused == {"write": 1, "mode": 1, "not_offered": 1, "broken": 1}
    assert counters.malformed == {"text": 1, "short": 1, "opcode": 3}
    assert counters.callback_errors == 1
    assert ask(served.port, tftp.encode(Read(filename="empty"))) == tftp.Data(block=1, payload=b""), "it lives on"


def test_bounds_on_transfers(serve: Callable[..., Served]) -> None:
    read = tftp.encode(Read(filename="snponly.efi"))
    served = serve(max_transfers=3)
    for _ in range(3):
        assert isinstance(ask(served.port, read), tftp.Data)
    assert ask(served.port, read) == Error(code=0, message="busy, ask again")
    assert served.service.counters.refused == {"busy": 1}
    one_each = serve(max_per_peer=1)
    assert isinstance(ask(one_each.port, read), tftp.Data)
    assert ask(one_each.port, read) == Error(code=0, message="busy with your other transfers")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.2", 0))
        sock.settimeout(PATIENCE_S)
        sock.sendto(read, ("127.0.0.1", one_each.port))
        assert isinstance(tftp.decode(sock.recvfrom(2000)[0]), tftp.Data), "another peer has its own bound"


def test_a_repeated_request_is_one_transfer_and_a_new_one_replaces_the_old(serve: Callable[..., Served]) -> None:
    served = serve(limits=Limits(timeout_s=5.0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        read = tftp.encode(Read(filename="snponly.efi", tsize=0))
        for _ in range(3):
            sock.sendto(read, ("127.0.0.1", served.port))
        until(lambda: served.service.counters.repeated == 2)
        packet, _ = sock.recvfrom(2000)
        assert tftp.decode(packet) == Oack(tsize=len(LOADER))
        sock.sendto(tftp.encode(Read(filename="small")), ("127.0.0.1", served.port))  # as ROMs do after the size
        packet, server = sock.recvfrom(2000)
        assert tftp.decode(packet) == tftp.Data(block=1, payload=b"#!ipxe\n")
        assert served.ended.get(timeout=PATIENCE_S)[1:5:3] == ("snponly.efi", False)
        sock.sendto(tftp.ack(1), server)
        assert served.ended.get(timeout=PATIENCE_S)[1:5:3] == ("small", True)
    counters = served.service.counters
    assert (counters.probed, counters.done, counters.failed) == (1, 1, 0)


def test_clients_that_abort_vanish_or_fall_silent_are_let_go(serve: Callable[..., Served]) -> None:
    served = serve(limits=Limits(timeout_s=0.05, longest_s=0.05, retries=2))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendto(tftp.encode(Read(filename="small", tsize=0)), ("127.0.0.1", served.port))
        _, server = sock.recvfrom(2000)
        sock.sendto(tftp.encode(Error(code=8, message="only the size")), server)
        assert served.ended.get(timeout=PATIENCE_S)[2:5:2] == (0, False)
    assert served.service.counters.probed == 1
    ask(served.port, tftp.encode(Read(filename="snponly.efi")))  # its port is closed now
    assert served.ended.get(timeout=PATIENCE_S)[2:5:2] == (0, False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(tftp.encode(Read(filename="snponly.efi")), ("127.0.0.1", served.port))
        assert served.ended.get(timeout=PATIENCE_S)[2:5:2] == (0, False)
    assert served.service.counters.failed == 2


def test_stop_ends_transfers_and_frees_the_port(serve: Callable[..., Served]) -> None:
    served = serve()
    ask(served.port, tftp.encode(Read(filename="snponly.efi")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE_S)
        sock.sendto(tftp.encode(Read(filename="snponly.efi")), ("127.0.0.1", served.port))
        sock.recvfrom(2000)
        port = served.port
        served.service.stop()
        served.service.stop()
        assert not served.ended.get(timeout=PATIENCE_S)[4]
    again = TftpService(bind=("127.0.0.1", port), resolve=resolve, fetched=lambda *_: None)
    again.start()
    again.stop()


def test_a_port_in_use_is_a_sentence_with_what_to_do(serve: Callable[..., Served]) -> None:
    served = serve()
    second = TftpService(bind=("127.0.0.1", served.port), resolve=resolve, fetched=lambda *_: None)
    with pytest.raises(ServiceError, match=r"TFTP cannot listen on udp port \d+ of 127.0.0.1: it is in use.*ss -lnup"):
        second.start()
    second.stop()
    with pytest.raises(ServiceError, match="no such address"):
        TftpService(bind=("192.0.2.1", 0), resolve=resolve, fetched=lambda *_: None).start()
    with pytest.raises(ServiceError, match="interface does not exist"):
        TftpService(bind=("", 0), interface="nosuch0", resolve=resolve, fetched=lambda *_: None).start()


def test_answers_come_from_the_address_that_was_asked() -> None:
    ended: SimpleQueue[Ended] = SimpleQueue()
    service = TftpService(bind=("0.0.0.0", 0), resolve=resolve, fetched=lambda *e: ended.put(e))
    service.start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_S)
            sock.sendto(tftp.encode(Read(filename="small")), ("127.0.0.9", service.address[1]))
            _, server = sock.recvfrom(2000)
            assert server[0] == "127.0.0.9"
            sock.sendto(tftp.ack(1), server)
        assert ended.get(timeout=PATIENCE_S)[4]
    finally:
        service.stop()


def test_a_name_with_octets_behind_it_is_served_and_told_by_its_own_name(serve: Callable[..., Served]) -> None:
    """A boot ROM that reads option 67 past its end."""
    served = serve()
    got = ask(served.port, b"\0\1small\xff\x2b\x04\0octet\0")
    assert got == tftp.Data(block=1, payload=FILES["small"])
    assert served.service.counters.tails == 1
    assert served.service.counters.malformed == {}
    until(lambda: served.service.counters.failed + served.service.counters.done == 1)
    assert served.ended.get(timeout=PATIENCE_S)[1] == "small"
