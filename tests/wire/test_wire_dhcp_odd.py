"""What is refused, and which odd field costs only itself."""

from __future__ import annotations

from typing import Any

import pytest
from dhcp_packets import MAC, raw, reason

from engine.wire.dhcp import (
    DhcpKind,
    DhcpReply,
    decode,
    decode_reply,
    encode,
    reply_to,
)
from engine.wire.dhcp_options import Odd
from engine.wire.faults import DHCP_ODD


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "short"),
        (raw(b"")[:239], "short"),
        (raw(b"\x35\x01\x01").ljust(4097, b"\0"), "oversize"),
        (raw(b"\x35\x01\x01\xff", op=2), "op"),
        (raw(b"\x35\x01\x01\xff").replace(b"\x01\x01\x06", b"\x01\x20\x00", 1), "hardware"),  # InfiniBand (RFC 4390) has no MAC there
        (raw(b"\x35\x01\x01\xff").replace(bytes.fromhex("525400"), bytes.fromhex("535400"), 1), "hardware"),
        (raw(b"\x35\x01\x01\xff").replace(bytes.fromhex("525400123456"), bytes(6), 1), "hardware"),
        (raw(b"\x35\x01\x01\xff").replace(b"\x63\x82", b"\x63\x83", 1), "cookie"),
        (raw(b"\xff"), "kind"),
        (raw(b"\x35\x00\xff"), "kind"),
        (raw(b"\x35\x09\x01\xff"), "kind"),
        (raw(b"\x35\x01\x02\xff"), "kind"),
        (raw(b"\x35\x01\x0d\xff"), "kind"),
        (raw(b"\x35\x01\x03\x32\x04\x0a\0\0\x09\x36\x03\x0a\0\0\xff"), "server_id"),  # nobody knows whose offer it took
        (raw(b"\x35\x01\x03\x32\x04\x0a\0\0\x09\x36\x04\x0a\0"), "server_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_and_why(packet: bytes, why: str) -> None:
    assert reason(decode, packet) == why


DISCOVER = b"\x35\x01\x01"
LONG = bytes(255)


@pytest.mark.parametrize(
    ("options", "odds", "fields"),
    [
        # a REQUEST's server id decides; everything else is as if it had not been sent
        (b"\x39\x02\x05\xc0\x39\x02\x05\xc0", [("repeated", 57)], {"max_size": 1472}),
        (b"\x39\x01\x05", [("length", 57)], {"max_size": 0}),
        (b"\x39\x00", [("length", 57)], {"max_size": 0}),
        (b"\x39\x03\x05\xc0\x00", [("length", 57)], {"max_size": 0}),
        (b"\x35\x01\x01", [("repeated", 53)], {"kind": DhcpKind.DISCOVER}),
        (b"\x32\x00", [("length", 50)], {"requested": ""}),
        (b"\x32\x03\x0a\0\0", [("length", 50)], {"requested": ""}),
        (b"\x32\x04\x0a\0\0\x05\x32\x04\x0a\0\0\x05", [("repeated", 50)], {"requested": "10.0.0.5"}),
        (b"\x36\x03\x0a\0\0", [("length", 54)], {"server_id": ""}),
        (b"\x3c\x03PXE\x0c\x09abc", [("truncated", 12)], {"vendor_class": "PXE", "hostname": ""}),
        (b"\x3c\x03PXE\x0c", [("truncated", 12)], {"vendor_class": "PXE"}),
        (b"\x34\x01\x04", [("value", 52)], {}),
        (b"\x34\x01\x00", [("value", 52)], {}),
        (b"\x34\x02\x01\x01", [("repeated", 52)], {}),
        (b"\x34\x00", [("length", 52)], {}),
        (b"\x3d\x00", [("length", 61)], {"client_id": ""}),
        (b"\x3d\x01\x01", [("length", 61)], {"client_id": "01"}),
        (b"\x3d\xff" + LONG + b"\x3d\x01a", [("too_long", 61), ("value", 61)], {"client_id": ""}),
        (b"\x2b\xff" + LONG + b"\x2b\x01a", [("too_long", 43)], {"vendor_options": ""}),
        (b"\x52\xff" + LONG + b"\x52\x01a", [], {"relay": (LONG + b"a").hex()}),
        ((b"\x52\xff" + LONG) * 3, [("too_long", 82)], {"relay": ""}),
        (b"\x52\x05\x01\x09abc", [], {"relay": "0109616263"}),  # echoed as it came
        (b"\x52\x01\x05", [], {"relay": "05", "link": ""}),
        (b"\x5d\x01\x07", [("length", 93)], {"arch": None}),
        (b"\x5d\x03\0\x07\0", [("value", 93)], {"arch": None}),
        (b"\x5e\x01\x01", [], {}),
        (b"\x61\x10" + bytes(16), [("length", 97)], {"uuid": None}),
        (b"\x61\x12" + bytes(18), [("value", 97)], {"uuid": None}),
        (b"\x37\x00", [("length", 55)], {"parameters": ()}),
        (b"\x0c\x03a b", [("value", 12)], {"hostname": ""}),
        (b"\x0c\x00", [("length", 12)], {"hostname": ""}),
        (b"\x76\x02\x0a\0", [("length", 118)], {"subnet": ""}),
        (b"\xff\x39\x01\x05\x0c\x09", [], {}),  # behind END nothing is read
    ],
    ids=lambda value: "-".join(f"{fault}{option}" for fault, option in value) or "fine" if isinstance(value, list) else "",
)
def test_an_odd_option_costs_itself_and_is_noted(options: bytes, odds: list[Any], fields: dict[str, Any]) -> None:
    seen: list[Odd] = []
    request = decode(raw(DISCOVER + options), ("", 0), seen)
    assert seen == odds
    assert {fault for fault, _ in seen} <= set(DHCP_ODD)
    assert {name: getattr(request, name) for name in fields} == fields
    assert request.kind is DhcpKind.DISCOVER
    assert decode_reply(encode(DhcpReply(kind=DhcpKind.OFFER, to=reply_to(request), yiaddr="10.0.0.1"))).to == reply_to(request)


@pytest.mark.parametrize("length", [244, 299, 576, 1501, 4096])
def test_any_length_is_read(length: int) -> None:
    assert decode(raw(DISCOVER + b"\xff").ljust(length, b"\0")).kind is DhcpKind.DISCOVER


def test_what_stands_in_fields_that_a_client_should_leave_empty_costs_nothing() -> None:
    packet = bytearray(raw(DISCOVER + b"\xff", sname=b"\xff" * 64, file=b"\x1b\x35\x01\x06" * 32))
    packet[8:12] = b"\xff\xff\x7f\xff"  # secs, and flags that nobody defined
    packet[16:24] = b"\xff" * 8  # yiaddr and siaddr
    packet[34:44] = b"\xaa" * 10  # behind the MAC
    seen: list[Odd] = []
    request = decode(bytes(packet), ("", 0), seen)
    assert (request.kind, request.mac, request.secs, request.broadcast, seen) == (DhcpKind.DISCOVER, MAC, 65535, False, [])


@pytest.mark.parametrize(("htype", "hlen"), [(1, 0), (1, 16), (1, 255), (6, 6)])
def test_an_odd_hardware_length_is_echoed_as_clients_compare_it(htype: int, hlen: int) -> None:
    packet = bytearray(raw(DISCOVER + b"\xff"))
    packet[1:3] = htype, hlen
    seen: list[Odd] = []
    request = decode(bytes(packet), ("", 0), seen)
    assert (request.mac, seen) == (MAC, [("hardware", 0)])
    assert encode(DhcpReply(kind=DhcpKind.OFFER, to=reply_to(request)))[1:3] == bytes([htype, hlen])


@pytest.mark.parametrize("kind", [1, 4, 7, 8])
def test_only_a_request_needs_its_server_id(kind: int) -> None:
    assert decode(raw(bytes([0x35, 1, kind]) + b"\x36\x03\x0a\0\0\xff")).server_id == ""
    assert decode(raw(b"\x35\x01\x03\x36\x04\x0a\0\0\x01\x36\x04\x0a\0\0\x01\xff")).server_id == "10.0.0.1"
