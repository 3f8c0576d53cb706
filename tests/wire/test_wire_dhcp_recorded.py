"""Packets of real boot ROMs and servers, and the speed of a boot storm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dhcp_packets import REASONS, reason, scapy_options
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.utils import rdpcap

from engine.wire.dhcp import (
    DhcpReply,
    DhcpRequest,
    decode,
    decode_reply,
)

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"


def recorded(path: str) -> list[bytes]:
    file = RECORDED / path
    if not file.exists():
        pytest.skip(f"no recorded packets: {path}")
    return [bytes(packet[BOOTP]) for packet in rdpcap(str(file)) if BOOTP in packet]


def test_a_recorded_boot_rom_and_its_servers() -> None:
    packets = recorded("danderson-netboot/dhcp4-testdata-dhcp.pcap")
    asked = [decode(p) for p in packets if p[0] == 1]
    told = [decode_reply(p) for p in packets if p[0] == 2]
    roms = [request for request in asked if request.vendor_class.startswith("PXEClient:Arch:00000")]
    assert roms
    assert told
    for rom in roms:
        assert rom.arch == 0
        assert rom.uuid == "03000200-0400-0500-0006-000700080009"  # the junk of AMI boards, as dmidecode shows it
    assert {rom.xid for rom in roms} & {reply.to.xid for reply in told}
    assert any(reply.vendor_class == "PXEClient" and reply.vendor_options for reply in told)


@pytest.mark.parametrize(
    "path",
    [
        "dhcp-option-33.pcap",
        "dhcp-rfc3004.pcap",
        "dhcp-rfc5859.pcap",
        "dhcp-option-108.pcapng",
        "dhcp-rfc4388.pcap",
        "dhcpv4v6-rfc5970-rfc8572.pcap",
        "bootp_asan.pcap",
        "bootp_asan-2.pcap",
    ],
)
def test_recorded_packets_are_read_as_scapy_reads_them(path: str) -> None:
    for packet in recorded(f"the-tcpdump-group-tcpdump/{path}"):
        referee = BOOTP(packet)
        decoder: Callable[[bytes], DhcpRequest | DhcpReply] = decode if packet[0] == 1 else decode_reply
        if why := reason(decoder, packet):
            leasequery = DHCP in referee and scapy_options(packet).get("message-type", 0) > 8
            assert why in REASONS
            assert leasequery or "asan" in path or why == "hardware"
            continue
        seen = decoder(packet)
        assert seen.kind == scapy_options(packet)["message-type"]
        to = seen if isinstance(seen, DhcpRequest) else seen.to
        assert to.xid == referee.xid
        assert to.mac == bytes(referee.chaddr)[:6].hex(":")
