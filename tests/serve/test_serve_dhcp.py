"""The DHCP service over real sockets: batches, bounds, and what is counted."""

from __future__ import annotations

import socket

import pytest
from dhcp_rig import MAC, Batch, Engine, Start, discover, offer, until
from noted import Noted

from engine.serve.dhcp import DhcpCounters
from engine.wire.dhcp import DhcpKind, DhcpReply, ReplyTo, decode_reply, encode_request


def test_a_request_comes_in_and_the_reply_goes_to_the_relays_port(start: Start, engine: Engine, client: socket.socket) -> None:
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


def with_options(options: bytes) -> bytes:
    """A DISCOVER of machine 1 with these octets behind its message type."""
    whole = encode_request(discover(1))
    return whole[:243] + options


@pytest.mark.parametrize(
    ("options", "odd"),
    [
        (b"\x39\x02\x05\xc0\x39\x02\x05\xc0\xff", {"repeated": 1}),
        (b"\x35\x01\x01\xff", {"repeated": 1}),
        (b"\x39\x01\x05\xff", {"length": 1}),
        (b"\x32\x00\xff", {"length": 1}),
        (b"\x0c\x40node", {"truncated": 1}),
        (b"\x39\x00\x32\x00\x36\x00\x61\x00\x5d\x00\x0c\x00\x37\x00\x3d\x00\x3c\x00\x4d\x00\xff", {"length": 8}),
    ],
    ids=["57 twice", "53 twice", "57 of one octet", "50 of none", "runs over", "everything"],
)
def test_a_discover_with_an_odd_option_is_handed_on_and_the_option_counted(
    start: Start, engine: Engine, client: socket.socket, options: bytes, odd: dict[str, int]
) -> None:
    noted = Noted()
    service = start(record=noted)
    packet = with_options(options)
    client.sendto(packet, service.address)
    until(lambda: len(engine.requests) == 1)
    assert engine.requests[0].kind is DhcpKind.DISCOVER
    assert (service.counters.malformed, service.counters.odd) == ({}, odd)
    assert noted.heard_ == [("dhcp", bytes.fromhex(MAC.replace(":", "")), packet)]
    assert [how for how, *_ in noted.faults] == ["odd"] * sum(odd.values())


def test_what_is_dropped_and_what_is_sent_is_recorded_with_its_machine(start: Start, engine: Engine, client: socket.socket) -> None:
    noted = Noted()
    service = start(record=noted)
    who = bytes.fromhex(MAC.replace(":", ""))
    for junk in (encode_request(discover(1)).replace(b"\x35\x01\x01", b"\x35\x01\x09"), b"short"):
        client.sendto(junk, service.address)
    client.sendto(encode_request(discover(1, giaddr="127.0.0.1", relay="1300", relay_port_asked=True)), service.address)
    until(lambda: len(engine.requests) == 1)
    assert noted.faults == [("lost", who, "kind", 53), ("lost", bytes([127, 0, 0, 1]), "short", 0)]
    service.send([(offer(engine.requests[0]), None)])
    ((kind, to_who, to, data),) = noted.sent_
    assert (kind, to_who, to) == ("dhcp", who, client.getsockname())
    assert decode_reply(data).kind is DhcpKind.OFFER
    engine.room = 0
    client.sendto(encode_request(discover(1)), service.address)
    until(lambda: service.counters.dropped == 1)
    assert noted.causes == [(who, "the engine was busy: too many packets waited")]
    service.send([(offer(engine.requests[0]), ("127.0.0.1", 0))])
    assert noted.causes[-1][1].startswith("the reply could not be sent")


def test_a_mistake_in_the_engine_does_not_end_the_service(start: Start, client: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
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
