"""Whatever is sent is read back, and whatever comes is read or refused."""

from __future__ import annotations

import string

from dhcp_packets import PXE, REASONS, raw, reason
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.wire.dhcp import (
    DhcpKind,
    DhcpReply,
    DhcpRequest,
    ReplyTo,
    decode,
    decode_reply,
    encode,
    encode_request,
    reply_to,
)

ips = st.ip_addresses(v=4).map(str).filter(lambda ip: ip != "0.0.0.0")
maybe_ip = st.just("") | ips
macs = st.binary(min_size=6, max_size=6).map(lambda b: bytes([b[0] & 0xFE | 2]) + b[1:]).map(lambda b: b.hex(":"))
label = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)
names = st.just("") | st.lists(label, min_size=1, max_size=4).map(".".join)
texts = st.text(string.ascii_letters + string.digits + ":/._- ", max_size=60)
hexes = st.binary(max_size=120).map(bytes.hex)
uuids = st.none() | st.uuids().map(str)
requests = st.builds(
    DhcpRequest,
    kind=st.sampled_from([DhcpKind(k) for k in (1, 3, 4, 7, 8)]),
    xid=st.integers(0, 2**32 - 1),
    mac=macs,
    secs=st.integers(0, 65535),
    hops=st.integers(0, 255),
    broadcast=st.booleans(),
    ciaddr=maybe_ip,
    giaddr=maybe_ip,
    requested=maybe_ip,
    server_id=maybe_ip,
    client_id=hexes,
    hostname=names,
    vendor_class=texts,
    user_class=st.just(("iPXE",)) | st.lists(label, max_size=4).map(tuple),
    arch=st.none() | st.integers(0, 65535),
    uuid=uuids,
    parameters=st.lists(st.integers(0, 255), max_size=60).map(tuple),
    max_size=st.integers(0, 65535),
    relay=st.just("") | st.sampled_from(["0104aabbccdd", "010461626364020161"]),
    vendor_options=hexes,
    message=texts,
)
replies = st.builds(
    DhcpReply,
    kind=st.sampled_from([DhcpKind.OFFER, DhcpKind.ACK]),
    to=st.builds(
        ReplyTo,
        xid=st.integers(0, 2**32 - 1),
        mac=macs,
        broadcast=st.booleans(),
        ciaddr=maybe_ip,
        giaddr=maybe_ip,
        relay=hexes,
        client_id=hexes,
    ),
    yiaddr=maybe_ip,
    siaddr=maybe_ip,
    server_id=maybe_ip,
    lease_s=st.integers(0, 2**32 - 1),
    t1_s=st.integers(0, 2**32 - 1),
    t2_s=st.integers(0, 2**32 - 1),
    mask=maybe_ip,
    routers=st.lists(ips, max_size=4).map(tuple),
    dns=st.lists(ips, max_size=4).map(tuple),
    ntp=st.lists(ips, max_size=4).map(tuple),
    domain=names,
    hostname=names,
    filename=texts | st.just("http://10.0.0.1/" + "a" * 180),
    tftp_server=names,
    vendor_class=st.sampled_from(["", "PXEClient", "HTTPClient"]),
    ipxe_options=hexes,
    vendor_options=hexes,
    uuid=uuids,
    message=texts,
)


@given(requests)
@settings(deadline=None)
def test_requests_survive_the_round_trip(request: DhcpRequest) -> None:
    assert decode(encode_request(request)) == request


@given(replies)
@settings(deadline=None)
def test_replies_survive_the_round_trip(reply: DhcpReply) -> None:
    packet = encode(reply)
    assert 300 <= len(packet) <= 1472
    assert decode_reply(packet) == reply


@given(st.sampled_from([encode_request(PXE), raw(b"\x35\x01\x01\x34\x01\x03\xff", file=b"\x0c\x02ab\xff")]), st.data())
@settings(deadline=None, max_examples=400)
def test_mutations_raise_nothing_but_malformed(packet: bytes, data: st.DataObject) -> None:
    junk = bytearray(packet)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(junk) - 1) | st.integers(230, min(300, len(junk) - 1)))
        junk[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(junk)) | st.integers(0, len(junk)))
    for decoder in (decode, decode_reply):
        assert reason(decoder, bytes(junk[:cut])) in REASONS | {""}


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_option_area_is_read_or_refused(options: bytes) -> None:
    packet = raw(b"\x35\x01\x01" + options)
    why = reason(decode, packet)
    assert why in REASONS | {""}
    if not why:
        request = decode(packet)
        reply = DhcpReply(kind=DhcpKind.OFFER, to=reply_to(request), uuid=request.uuid, yiaddr="10.0.0.1")
        assert decode_reply(encode(reply)).to == reply_to(request)
