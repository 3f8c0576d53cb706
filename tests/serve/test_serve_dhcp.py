"""The DHCP service over real sockets: batches, bounds, destinations; and on an interface in a network namespace."""

from __future__ import annotations

import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from engine.serve import ServiceError
from engine.serve.dhcp import DhcpCounters, DhcpService, destination
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, ReplyTo, decode_reply, encode, encode_request, reply_to
from engine.wire.frame import udp_frame

PATIENCE_S = 20.0
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


def test_a_request_comes_in_and_the_reply_goes_to_the_relays_port(
    start: Start, engine: Engine, client: socket.socket
) -> None:
    service = start(clock=lambda: 42.0)
    asked = discover(giaddr="127.0.0.1", relay="0104aabbccdd1300", relay_port_asked=True)
    client.sendto(encode_request(asked), service.address)
    until(lambda: len(engine.requests) == 1)
    ((got, at),) = engine.batches[0]
    assert at == 42.0
    assert (got.source_ip, got.source_port) == client.getsockname()
    assert got.relay == asked.relay
    assert service.send([(offer(got), None)]) == 1
    packet, source = client.recvfrom(4096)
    assert source == service.address
    reply = decode_reply(packet)
    assert (reply.kind, reply.yiaddr, reply.to.relay) == (DhcpKind.OFFER, "10.0.0.50", asked.relay)
    assert service.counters == DhcpCounters(received=1, sent=1, batches=1)


def test_packets_that_wait_together_come_together(start: Start, engine: Engine, client: socket.socket) -> None:
    service = start()
    engine.gate.clear()
    client.sendto(encode_request(discover(1)), service.address)
    until(lambda: service.counters.batches == 1)  # the thread is in the engine's hands now
    for n in range(2, 152):
        client.sendto(encode_request(discover(n)), service.address)
    engine.gate.set()
    until(lambda: len(engine.requests) == 151)
    assert [request.xid for request in engine.requests] == list(range(1, 152))
    assert [len(batch) for batch in engine.batches] == [1, 64, 64, 22]


def test_a_full_lane_is_counted(start: Start, engine: Engine, client: socket.socket) -> None:
    engine.room = 3
    service = start()
    for n in range(10):
        client.sendto(encode_request(discover(n)), service.address)
    until(lambda: service.counters.received == 10 and service.counters.dropped == 7)
    assert [request.xid for request in engine.requests] == [0, 1, 2]


def test_junk_is_counted_by_reason_and_goes_no_further(start: Start, engine: Engine, client: socket.socket) -> None:
    service = start()
    good = encode_request(discover(9))
    for junk in (b"", b"x" * 239, b"\2" + good[1:], good.replace(b"\x63\x82", b"\0\0", 1), b"x" * 9000):
        client.sendto(junk, service.address)
    client.sendto(good, service.address)
    until(lambda: len(engine.requests) == 1)
    counters = service.counters
    assert counters.received == 6
    assert counters.malformed == {"short": 2, "op": 1, "cookie": 1, "oversize": 1}


def test_a_mistake_in_the_engine_does_not_end_the_service(
    start: Start, client: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def submit(batch: Batch) -> int:
        calls.append(len(batch))
        if len(calls) == 1:
            raise RuntimeError("a mistake in the inbox")
        return len(batch)

    service = start(submit=submit)
    client.sendto(encode_request(discover(1)), service.address)
    until(lambda: service.counters.failed == 1)
    client.sendto(encode_request(discover(2)), service.address)
    until(lambda: len(calls) == 2)
    assert "a mistake in the inbox" in caplog.text


def test_route_maps_the_racks_addresses_to_local_ones(start: Start, client: socket.socket) -> None:
    asked: list[tuple[str, int]] = []

    def route(host: str, port: int) -> tuple[str, int]:
        asked.append((host, port))
        return client.getsockname()  # type: ignore[no-any-return]

    service = start(route=route)
    assert service.send([(offer(discover(giaddr="192.168.124.1")), None)]) == 1
    assert decode_reply(client.recvfrom(4096)[0]).to.giaddr == "192.168.124.1"
    assert service.send([(offer(discover()), ("192.168.124.7", 4011))]) == 1
    client.recvfrom(4096)
    assert asked == [("192.168.124.1", 67), ("192.168.124.7", 4011)]


def test_what_cannot_be_sent_is_counted_and_the_rest_goes_out(start: Start, client: socket.socket) -> None:
    service = start()
    here = client.getsockname()
    too_long = DhcpReply(kind=DhcpKind.ACK, to=ReplyTo(xid=1, mac=MAC), filename="a" * 2000)
    no_route = ("255.255.255.254", 68)
    sent = service.send([(too_long, here), (offer(discover(1)), no_route), (offer(discover(2)), here)])
    assert sent == 1
    assert decode_reply(client.recvfrom(4096)[0]).to.xid == 2
    service.stop()
    assert service.send([(offer(discover(3)), here)]) == 0
    counters = service.counters
    assert (counters.sent, counters.send_errors) == (1, 3)


def to(**fields: object) -> ReplyTo:
    return ReplyTo(xid=1, mac=MAC, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("frames", [True, False])
@pytest.mark.parametrize(
    ("kind", "reply", "where", "framed"),
    [
        (DhcpKind.OFFER, to(giaddr="10.9.0.1", ciaddr="10.0.0.4", broadcast=True), ("10.9.0.1", 67), False),
        (DhcpKind.ACK, to(giaddr="10.9.0.1", relay_port=5067), ("10.9.0.1", 5067), False),
        (DhcpKind.NAK, to(giaddr="10.9.0.1"), ("10.9.0.1", 67), False),
        (DhcpKind.NAK, to(ciaddr="10.0.0.4"), ("255.255.255.255", 68), False),
        (DhcpKind.ACK, to(ciaddr="10.0.0.4", broadcast=True), ("10.0.0.4", 68), False),
        (DhcpKind.OFFER, to(broadcast=True), ("255.255.255.255", 68), False),
        (DhcpKind.OFFER, to(), ("10.0.0.50", 68), True),
    ],
)
def test_destinations_of_rfc_2131(
    kind: DhcpKind, reply: ReplyTo, where: tuple[str, int], framed: bool, frames: bool
) -> None:
    expected = (where, framed) if frames or not framed else (("255.255.255.255", 68), False)
    assert destination(DhcpReply(kind=kind, to=reply, yiaddr="10.0.0.50"), frames=frames) == expected


def test_a_proxy_offer_without_an_address_is_broadcast() -> None:
    assert destination(DhcpReply(kind=DhcpKind.OFFER, to=to()), frames=True) == (("255.255.255.255", 68), False)


@given(st.binary(max_size=1472), st.integers(1, 2**32 - 1), st.integers(0, 65535))
def test_frames_are_what_scapy_builds(payload: bytes, ip: int, port: int) -> None:
    there = ".".join(str(ip >> shift & 255) for shift in (24, 16, 8, 0))
    frame = udp_frame(
        to_mac=bytes.fromhex("525400000001"), from_mac=bytes.fromhex("525400000002"), source=("10.0.0.1", 67),
        destination=(there, port), payload=payload,
    )  # fmt: skip
    referee = Ether(frame)
    sums = referee[IP].chksum, referee[UDP].chksum
    del referee[IP].chksum, referee[UDP].chksum
    again = Ether(bytes(referee))
    assert sums == (again[IP].chksum, again[UDP].chksum)
    assert sums[1] != 0
    assert (referee.dst, referee[IP].dst, referee[UDP].dport) == ("52:54:00:00:00:01", there, port)
    assert bytes(referee[UDP].payload) == payload


def test_a_sum_of_zero_is_zero_in_ip_and_all_ones_in_udp() -> None:
    """0 and 0xFFFF are one number in ones' complement, but clients that compare take only the one that is written in the RFCs: a machine
    with such an address would never hear us."""
    zeros = 0
    for last in range(256):
        for size in range(300, 340):
            frame = udp_frame(
                to_mac=bytes(6), from_mac=bytes(6), source=("192.168.124.10", 67), destination=(f"192.168.124.{last}", 68), payload=bytes(size)
            )  # fmt: skip
            assert frame[24:26] != b"\xff\xff"
            zeros += frame[24:26] == b"\0\0"
    assert zeros, "there are such addresses"
    whole = udp_frame(to_mac=bytes(6), from_mac=bytes(6), source=("10.0.0.1", 67), destination=("10.0.0.50", 68), payload=bytes(2))
    back = udp_frame(to_mac=bytes(6), from_mac=bytes(6), source=("10.0.0.1", 67), destination=("10.0.0.50", 68), payload=whole[40:42])
    assert back[40:42] == b"\xff\xff", "0 would say that there is no sum"


def test_a_frame_carries_the_reply() -> None:
    frame = udp_frame(
        to_mac=bytes(6), from_mac=bytes(6), source=("10.0.0.1", 67), destination=("10.0.0.50", 68),
        payload=encode(offer(discover(5))),
    )  # fmt: skip
    assert Ether(frame)[BOOTP].yiaddr == "10.0.0.50"


def test_start_and_stop_are_clean(start: Start, engine: Engine, client: socket.socket) -> None:
    service = start()
    address = service.address
    with pytest.raises(ServiceError, match="already running"):
        service.start()
    service.stop()
    service.stop()
    again = start(bind=address)
    client.sendto(encode_request(discover(1)), address)
    until(lambda: len(engine.requests) == 1)
    again.stop()
    again.start()
    client.sendto(encode_request(discover(2)), address)
    until(lambda: len(engine.requests) == 2)


def test_a_port_in_use_is_a_sentence_with_what_to_do(start: Start) -> None:
    service = start()
    with pytest.raises(ServiceError, match=r"DHCP cannot listen on udp port \d+ of 127.0.0.1: it is in use.*ss -lnu"):
        start(bind=service.address)
    with pytest.raises(ServiceError, match="no such address"):
        start(bind=("192.0.2.1", 0))
    with pytest.raises(ServiceError, match="interface does not exist"):
        start(interface="nosuch0", bind=("0.0.0.0", 0))


def test_two_instances_serve_two_ports(start: Start, engine: Engine, client: socket.socket) -> None:
    main, proxy = start(), start()
    client.sendto(encode_request(discover(1)), main.address)
    until(lambda: main.counters.received == 1)
    client.sendto(encode_request(discover(2)), proxy.address)
    until(lambda: proxy.counters.received == 1 and len(engine.requests) == 2)


@pytest.mark.net
@pytest.mark.parametrize("bound", ["device", "index"])
def test_on_an_interface_of_a_namespace(bound: str) -> None:
    """Ports 67 and 68, broadcast both ways, a frame to a client without an address, and deafness to other interfaces."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare or ip is missing")
    if subprocess.run(["unshare", "-Urn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    here = Path(__file__).parent
    ran = subprocess.run(
        ["unshare", "-Urn", sys.executable, str(here / "dhcp_on_veth.py"), bound],
        capture_output=True, text=True, check=False, timeout=60, cwd=here.parents[1],
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "all as expected"
