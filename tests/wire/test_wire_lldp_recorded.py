"""LLDP: frames of real switches and NICs."""

from __future__ import annotations

from pathlib import Path

import pytest
from lldp_units import REASONS, reason
from scapy.contrib.lldp import (
    LLDPDUChassisID,
    LLDPDUPortID,
    LLDPDUSystemName,
    LLDPDUTimeToLive,
)
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from engine.wire.lldp import ChassisKind, PortKind, decode, decode_frame, encode

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
TCPDUMP, LLDPD = "the-tcpdump-group-tcpdump", "lldpd-lldpd"


def recorded(path: str) -> list[bytes]:
    file = RECORDED / path
    if not file.exists():
        pytest.skip(f"no recorded frames: {path}")
    if file.suffix == ".raw":
        return [file.read_bytes()]
    return [bytes(packet) for packet in rdpcap(str(file))]


def test_recorded_cisco_sg200() -> None:
    (seen,) = {decode_frame(frame) for frame in recorded(f"{LLDPD}/tests-integration-data-sg200.pcap")}
    assert (seen.chassis_kind, seen.port_kind) == (ChassisKind.MAC, PortKind.INTERFACE_NAME)
    assert seen.port_id.startswith("g")


@pytest.mark.parametrize(
    "path",
    [
        f"{LLDPD}/tests-integration-data-8023bt.pcap",
        f"{LLDPD}/tests-integration-data-connectx.pcap",
        f"{LLDPD}/tests-integration-data-sg200.pcap",
        f"{LLDPD}/seed-lldp.0.raw",
        f"{LLDPD}/seed-lldp.1.raw",
        f"{TCPDUMP}/LLDP_and_CDP.pcap",
        f"{TCPDUMP}/lldp-app-priority.pcap",
        f"{TCPDUMP}/lldp_mudurl.pcap",
    ],
)
def test_recorded_frames_are_read_as_scapy_reads_them(path: str) -> None:
    read = 0
    for frame in recorded(path):
        if frame[12:14] != b"\x88\xcc":
            assert reason(frame, whole_frame=True) == "ethertype", "CDP"
            continue
        seen = decode_frame(frame)
        referee = Ether(frame)
        read += 1
        assert seen.chassis_kind == referee[LLDPDUChassisID].subtype
        assert seen.port_kind == referee[LLDPDUPortID].subtype
        assert seen.ttl_s == referee[LLDPDUTimeToLive].ttl
        theirs = referee[LLDPDUPortID].id
        assert seen.port_id == (theirs.decode().rstrip("\0 ") if isinstance(theirs, bytes) else theirs)
        if LLDPDUSystemName in referee:
            assert seen.system_name == referee[LLDPDUSystemName].system_name.decode().strip("\0 ")
        assert decode(encode(seen)) == seen
    assert read


def test_a_recorded_unit_without_its_mandatory_parts() -> None:
    frames = recorded(f"{TCPDUMP}/lldp_8021_linkagg.pcap")
    assert {reason(frame, whole_frame=True) for frame in frames} == {"chassis_id"}


@pytest.mark.parametrize(
    "path",
    [
        f"{TCPDUMP}/lldp-infinite-loop-1.pcap",
        f"{TCPDUMP}/lldp-infinite-loop-2.pcap",
        f"{TCPDUMP}/lldp_8023_mtu-oobr.pcap",
        f"{TCPDUMP}/lldp_asan.pcap",
        f"{TCPDUMP}/lldp_mgmt_addr_tlv_asan.pcap",
        f"{LLDPD}/tests-integration-data-med-loc-malformed.pcap",
        *(f"{LLDPD}/seed-cdp.{n}.raw" for n in range(4)),
        *(f"{LLDPD}/seed-edp.{n}.raw" for n in range(5)),
        *(f"{LLDPD}/seed-sonmp.{n}.raw" for n in range(3)),
    ],
)
def test_recorded_junk_and_other_protocols_do_no_harm(path: str) -> None:
    for frame in recorded(path):
        assert reason(frame, whole_frame=True) in REASONS | {""}
