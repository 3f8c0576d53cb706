"""What a relay adds: ports, link selection, server override."""

from __future__ import annotations

import pytest
from dhcp_packets import MAC, raw, scapy_options
from scapy.layers.dhcp import BOOTP, DHCP

from engine.wire.dhcp import (
    DhcpKind,
    DhcpReply,
    DhcpRequest,
    decode,
    encode,
    encode_request,
    reply_to,
)
from engine.wire.dhcp_options import relay_port

SUBOPTIONS = "0104aabbccdd" + "05040a090800" + "0b040a010001"


@pytest.mark.parametrize(
    ("relay", "giaddr", "link", "override"),
    [
        (SUBOPTIONS, "10.1.0.1", "10.9.8.0", "10.1.0.1"),
        (SUBOPTIONS, "", "", ""),  # a client's own word, or a switch's that is no relay
        ("0503aabbcc0b00", "10.1.0.1", "", ""),
        ("05040000000005040a090800", "10.1.0.1", "", ""),
        ("01ff05040a090800", "10.1.0.1", "", ""),
        ("", "10.1.0.1", "", ""),
    ],
)
def test_what_a_relay_says_of_subnet_and_server(relay: str, giaddr: str, link: str, override: str) -> None:
    seen = decode(encode_request(DhcpRequest(kind=DhcpKind.DISCOVER, xid=1, mac=MAC, giaddr=giaddr, relay=relay)))
    assert (seen.link, seen.override, seen.relay) == (link, override, relay)


def test_scapy_and_we_agree_on_link_selection_override_and_subnet_selection() -> None:
    built = BOOTP(op=1, htype=1, hlen=6, xid=9, giaddr="10.1.0.1", chaddr=bytes.fromhex(MAC.replace(":", ""))) / DHCP(
        options=[
            ("message-type", "discover"),
            ("subnet-selection", "10.7.0.0"),
            ("relay_agent_information", bytes.fromhex(SUBOPTIONS)),
            "end",
        ]
    )
    seen = decode(bytes(built))
    assert (seen.link, seen.override, seen.subnet) == ("10.9.8.0", "10.1.0.1", "10.7.0.0")
    told = scapy_options(encode(DhcpReply(kind=DhcpKind.OFFER, to=reply_to(seen), subnet=seen.subnet, server_id=seen.override)))
    assert (told["subnet-selection"], told["server_id"]) == ("10.7.0.0", "10.1.0.1")


def test_the_relay_port_is_answered_only_where_it_is_asked_for() -> None:
    asked = decode(raw(b"\x35\x01\x01\x52\x06\x01\x02ab\x13\x00"), ("10.0.0.1", 5067))
    assert asked.relay_port_asked
    assert reply_to(asked).relay_port == 5067
    plain = decode(raw(b"\x35\x01\x01\x52\x04\x01\x02\x13\x00"), ("10.0.0.1", 5067))  # 19 inside a value
    assert not plain.relay_port_asked
    assert reply_to(plain).relay_port == 67


@pytest.mark.parametrize(
    ("relay", "told"),
    [
        (b"\x01\x04swp3\x02\x04tor1", "tor1:swp3"),
        (b"\x02\x04tor1\x01\x04swp3", "tor1:swp3"),
        (b"\x01\x0bEthernet1/3", ":Ethernet1/3"),
        (b"\x01\x06\x00\x04\x00\x0a\x00\x03\x02\x08\x00\x06\x52\x54\x00\x12\x34\x56", "0006525400123456:0004000a0003"),
        (b"\x02\x04tor1", ""),
        (b"\x01\x00", ""),
        (b"\x01\xffab", ":ab"),
        (b"\x01", ""),
        (b"", ""),
        (b"\x01\x03a\xffb", ":61ff62"),
    ],
)
def test_what_a_relay_tells_of_a_port(relay: bytes, told: str) -> None:
    assert relay_port(relay.hex()) == told


def test_any_option_82_is_read() -> None:
    for n in range(256):
        assert len(relay_port(bytes((7 * n + i * i) % 256 for i in range(n)).hex())) <= 128
