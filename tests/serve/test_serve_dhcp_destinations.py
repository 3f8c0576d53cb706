"""Where a DHCP reply goes, and the frames that carry it."""

from __future__ import annotations

import pytest
from dhcp_rig import discover, offer, to
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from engine.serve.dhcp import destination
from engine.wire.dhcp import DhcpKind, DhcpReply, ReplyTo, encode
from engine.wire.frame import udp_frame


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
def test_destinations_of_rfc_2131(kind: DhcpKind, reply: ReplyTo, where: tuple[str, int], framed: bool, frames: bool) -> None:
    expected = (where, framed) if frames or not framed else (("255.255.255.255", 68), False)
    assert destination(DhcpReply(kind=kind, to=reply, yiaddr="10.0.0.50"), frames=frames) == expected


def test_a_proxy_offer_without_an_address_is_broadcast() -> None:
    assert destination(DhcpReply(kind=DhcpKind.OFFER, to=to()), frames=True) == (("255.255.255.255", 68), False)


@given(st.binary(max_size=1472), st.integers(1, 2**32 - 1), st.integers(0, 65535))
def test_frames_are_what_scapy_builds(payload: bytes, ip: int, port: int) -> None:
    there = ".".join(str(ip >> shift & 255) for shift in (24, 16, 8, 0))
    frame = udp_frame(
        to_mac=bytes.fromhex("525400000001"),
        from_mac=bytes.fromhex("525400000002"),
        source=("10.0.0.1", 67),
        destination=(there, port),
        payload=payload,
    )
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
                to_mac=bytes(6),
                from_mac=bytes(6),
                source=("192.168.124.10", 67),
                destination=(f"192.168.124.{last}", 68),
                payload=bytes(size),
            )
            assert frame[24:26] != b"\xff\xff"
            zeros += frame[24:26] == b"\0\0"
    assert zeros, "there are such addresses"
    whole = udp_frame(to_mac=bytes(6), from_mac=bytes(6), source=("10.0.0.1", 67), destination=("10.0.0.50", 68), payload=bytes(2))
    back = udp_frame(to_mac=bytes(6), from_mac=bytes(6), source=("10.0.0.1", 67), destination=("10.0.0.50", 68), payload=whole[40:42])
    assert back[40:42] == b"\xff\xff", "0 would say that there is no sum"


def test_a_frame_carries_the_reply() -> None:
    frame = udp_frame(
        to_mac=bytes(6),
        from_mac=bytes(6),
        source=("10.0.0.1", 67),
        destination=("10.0.0.50", 68),
        payload=encode(offer(discover(5))),
    )
    assert Ether(frame)[BOOTP].yiaddr == "10.0.0.50"
