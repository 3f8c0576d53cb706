"""The DHCP service on real sockets, with an engine that notes what comes."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from engine.serve.dhcp import DhcpService
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, ReplyTo, reply_to

PATIENCE_S = 60.0
MAC = "52:54:00:00:00:01"
Batch = list[tuple[DhcpRequest, float]]


def discover(n: int = 1, **fields: object) -> DhcpRequest:
    return DhcpRequest(kind=DhcpKind.DISCOVER, xid=n, mac=f"52:54:00:00:{n >> 8:02x}:{n & 255:02x}", **fields)  # type: ignore[arg-type]


def offer(request: DhcpRequest, yiaddr: str = "10.0.0.50") -> DhcpReply:
    return DhcpReply(kind=DhcpKind.OFFER, to=reply_to(request), yiaddr=yiaddr, server_id="10.0.0.1", lease_s=600)


class Engine:
    """An inbox: keeps what it is given, up to `room`."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.batches: list[Batch] = []
        self.room = room
        self.gate = Event()  # closed: the engine is busy
        self.gate.set()

    def submit(self, batch: Batch) -> int:
        self.gate.wait(PATIENCE_S)
        taken = batch[: self.room]
        self.room -= len(taken)
        self.batches.append(taken)
        return len(taken)

    @property
    def requests(self) -> list[DhcpRequest]:
        return [request for batch in self.batches for request, _ in batch]


@pytest.fixture
def engine() -> Engine:
    return Engine()


Start = Callable[..., DhcpService]


@pytest.fixture
def start(engine: Engine) -> Iterator[Start]:
    running: list[DhcpService] = []

    def begin(**settings: object) -> DhcpService:
        arguments = {"interface": None, "bind": ("127.0.0.1", 0), "submit": engine.submit, **settings}
        running.append(DhcpService(**arguments))  # type: ignore[arg-type]
        running[-1].start()
        return running[-1]

    yield begin
    engine.gate.set()
    for one in running:
        one.stop()


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE_S)
        yield sock


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        select.select([], [], [], 0.005)


def to(**fields: object) -> ReplyTo:
    return ReplyTo(xid=1, mac=MAC, **fields)  # type: ignore[arg-type]
