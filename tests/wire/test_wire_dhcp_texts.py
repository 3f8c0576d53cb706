"""A text is the same for a reader of C strings and for one that believes the length."""

from __future__ import annotations

import pytest
from dhcp_packets import MAC, scapy_options
from scapy.layers.dhcp import BOOTP

from engine.wire.dhcp import (
    DhcpKind,
    DhcpReply,
    ReplyTo,
    decode_reply,
    encode,
)

TEXTS = {"filename": 67, "tftp_server": 66, "hostname": 12, "domain": 15, "vendor_class": 60, "message": 56}


def as_a_c_string(packet: bytes, code: int) -> bytes:
    """What a client reads that finds the option and goes on to the first NUL, whatever the length says."""
    at = 240
    while packet[at] != code:
        at += 1 if packet[at] == 0 else 2 + packet[at + 1]
    return packet[at + 2 :].partition(b"\0")[0]


def by_length(packet: bytes, code: int) -> bytes:
    """What a client reads that believes the length, and takes a NUL for a part of the name."""
    at, found = 240, b""
    while packet[at] != 255:
        if packet[at] == code:
            found += packet[at + 2 : at + 2 + packet[at + 1]]
        at += 1 if packet[at] == 0 else 2 + packet[at + 1]
    return found


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"vendor_options": "060108ff"},
        {"ipxe_options": "b00101"},
        {"uuid": "44454c4c-3600-1053-8033-b8c04f4e3232"},
        {"subnet": "10.0.0.0"},
        dict.fromkeys(TEXTS, "undionly.kpxe"),
    ],
    ids=["alone", "43", "175", "97", "118", "all"],
)
@pytest.mark.parametrize("to", [{}, {"client_id": "0152540012ff"}, {"relay": "0102aabb"}], ids=["end", "61", "82"])
def test_a_text_is_the_same_for_a_reader_of_c_strings_and_for_one_that_believes_the_length(
    name: str, beside: dict[str, str], to: dict[str, str]
) -> None:
    reply = DhcpReply(kind=DhcpKind.OFFER, to=ReplyTo(xid=1, mac=MAC, **to), **{**beside, name: "undionly.kpxe"})
    packet = encode(reply)
    assert as_a_c_string(packet, TEXTS[name]) == by_length(packet, TEXTS[name]) == b"undionly.kpxe"
    assert BOOTP(packet).xid == 1  # scapy reads past the pads
    assert scapy_options(packet)["message-type"] == 2
    assert decode_reply(packet) == reply


@pytest.mark.parametrize("length", [1, 63, 64, 127, 128, 129, 255, 256, 600])
def test_the_fields_of_the_head_always_end_with_nul(length: int) -> None:
    name = "a" * length
    packet = encode(DhcpReply(kind=DhcpKind.OFFER, to=ReplyTo(xid=1, mac=MAC), filename=name, tftp_server=name[:200]))
    assert packet[108:236].partition(b"\0")[0] in (name.encode() if length < 128 else b"", b"")
    assert packet[235] == packet[107] == 0
    assert by_length(packet, 67) == name.encode()
    if length <= 255:
        assert as_a_c_string(packet, 67) == name.encode()


def test_a_text_with_a_nul_inside_has_no_place_on_the_wire() -> None:
    with pytest.raises(ValueError, match="NUL"):
        encode(DhcpReply(kind=DhcpKind.OFFER, to=ReplyTo(xid=1, mac=MAC), filename="a\0b"))
