"""The LLDP codec against scapy, against frames of real switches and NICs, against itself, and against junk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.lldp import (
    LLDPDUChassisID,
    LLDPDUEndOfLLDPDU,
    LLDPDUGenericOrganisationSpecific,
    LLDPDUManagementAddress,
    LLDPDUPortDescription,
    LLDPDUPortID,
    LLDPDUSystemCapabilities,
    LLDPDUSystemDescription,
    LLDPDUSystemName,
    LLDPDUTimeToLive,
)
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from engine.wire.lldp import (
    ChassisKind,
    LldpNeighbour,
    Malformed,
    PortKind,
    decode,
    decode_frame,
    encode,
    encode_frame,
)

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
TCPDUMP, LLDPD = "the-tcpdump-group-tcpdump", "lldpd-lldpd"
REASONS = {
    "short", "ethertype", "oversize", "tlv_truncated", "order", "repeated", "chassis_id", "port_id", "ttl",
}  # fmt: skip
NEIGHBOUR = LldpNeighbour(
    chassis_kind=ChassisKind.MAC,
    chassis_id="52:54:00:00:00:01",
    port_kind=PortKind.INTERFACE_NAME,
    port_id="swp3",
    ttl_s=120,
    port_description="to r07 u10",
    system_name="tor1",
    system_description="Cumulus Linux 5.1",
    capabilities=("bridge", "router"),
    management=("10.0.0.2", "fd00::2"),
    vlan=100,
)
HEAD = b"\x02\x07\x04" + bytes.fromhex("525400000001") + b"\x04\x05\x05swp3" + b"\x06\x02\x00\x78"


def reason(pdu: bytes, whole_frame: bool = False) -> str:
    """Why it is refused, "" where it is not; whatever else is raised is a failure."""
    try:
        (decode_frame if whole_frame else decode)(pdu)
    except Malformed as refused:
        return refused.reason
    return ""


def test_scapy_reads_what_we_build() -> None:
    frame = Ether(encode_frame(NEIGHBOUR, from_mac=bytes.fromhex("525400000001")))
    assert (frame.dst, frame.src, frame.type) == ("01:80:c2:00:00:0e", "52:54:00:00:00:01", 0x88CC)
    assert (frame[LLDPDUChassisID].subtype, frame[LLDPDUChassisID].id) == (4, "52:54:00:00:00:01")
    assert (frame[LLDPDUPortID].subtype, frame[LLDPDUPortID].id) == (5, b"swp3")
    assert frame[LLDPDUTimeToLive].ttl == 120
    assert frame[LLDPDUPortDescription].description == b"to r07 u10"
    assert frame[LLDPDUSystemName].system_name == b"tor1"
    assert frame[LLDPDUSystemDescription].description == b"Cumulus Linux 5.1"
    capabilities = frame[LLDPDUSystemCapabilities]
    assert (capabilities.mac_bridge_enabled, capabilities.router_enabled, capabilities.repeater_enabled) == (1, 1, 0)
    assert bytes(frame[LLDPDUManagementAddress].management_address) == bytes([10, 0, 0, 2])
    assert LLDPDUEndOfLLDPDU in frame


def test_we_read_what_scapy_builds() -> None:
    pdu = (
        LLDPDUChassisID(subtype=5, family=1, id="10.0.0.2")
        / LLDPDUPortID(subtype=3, id="52:54:00:00:00:02")
        / LLDPDUTimeToLive(ttl=30)
        / LLDPDUSystemName(system_name=b"tor2")
        / LLDPDUPortDescription(description=b"uplink")
        / LLDPDUSystemCapabilities(mac_bridge_available=1, router_available=1, mac_bridge_enabled=1)
        / LLDPDUManagementAddress(
            management_address_subtype=1, management_address=bytes([10, 0, 0, 2]), interface_number=3
        )
        / LLDPDUGenericOrganisationSpecific(org_code=0x0080C2, subtype=1, data=b"\x00\x2a")
        / LLDPDUEndOfLLDPDU()
    )
    frame = bytes(Ether(dst="01:80:c2:00:00:0e", src="52:54:00:00:00:02", type=0x88CC) / pdu)
    assert decode_frame(frame) == LldpNeighbour(
        chassis_kind=ChassisKind.ADDRESS, chassis_id="10.0.0.2", port_kind=PortKind.MAC, port_id="52:54:00:00:00:02",
        ttl_s=30, system_name="tor2", port_description="uplink", capabilities=("bridge",), management=("10.0.0.2",),
        vlan=42,
    )  # fmt: skip


macs = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))
words = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=("C", "Z")), max_size=60)
ips = st.ip_addresses().map(str)
named = words.filter(bool)


@st.composite
def neighbours(draw: st.DrawFn) -> LldpNeighbour:
    chassis, port = draw(st.sampled_from(ChassisKind)), draw(st.sampled_from(PortKind))
    addresses = ips | macs
    return LldpNeighbour(
        chassis_kind=chassis,
        chassis_id=draw({ChassisKind.MAC: macs, ChassisKind.ADDRESS: addresses}.get(chassis, named)),
        port_kind=port,
        port_id=draw({PortKind.MAC: macs, PortKind.ADDRESS: addresses}.get(port, named)),
        ttl_s=draw(st.integers(0, 65535)),
        port_description=draw(words),
        system_name=draw(words),
        system_description=draw(words),
        capabilities=draw(st.sampled_from([(), ("station",), ("other", "bridge", "router", "relay")])),
        management=tuple(draw(st.lists(addresses, max_size=8, unique=True))),
        vlan=draw(st.none() | st.integers(1, 4094)),
    )


@given(neighbours())
@settings(deadline=None)
def test_neighbours_survive_the_round_trip(neighbour: LldpNeighbour) -> None:
    assert decode(encode(neighbour)) == neighbour
    frame = encode_frame(neighbour, from_mac=bytes(6))
    assert len(frame) >= 60
    assert decode_frame(frame) == neighbour
    assert decode_frame(frame[:12] + b"\x81\x00\x00\x05" + frame[12:]) == neighbour, "with a VLAN tag"


@given(neighbours(), st.data())
@settings(deadline=None, max_examples=300)
def test_mutations_raise_nothing_but_malformed(neighbour: LldpNeighbour, data: st.DataObject) -> None:
    junk = bytearray(encode_frame(neighbour, from_mac=bytes(6)))
    for _ in range(data.draw(st.integers(1, 6))):
        junk[data.draw(st.integers(0, len(junk) - 1))] = data.draw(st.integers(0, 255))
    frame = bytes(junk[: data.draw(st.just(len(junk)) | st.integers(0, len(junk)))])
    assert reason(frame, whole_frame=True) in REASONS | {""}


@given(st.binary(max_size=120))
@settings(deadline=None)
def test_any_octets_behind_the_mandatory_ones_are_read_or_refused(rest: bytes) -> None:
    assert reason(HEAD + rest) in {"", "tlv_truncated", "repeated"}


@pytest.mark.parametrize(
    ("pdu", "why"),
    [
        (b"", "order"),
        (b"\0\0", "order"),
        (HEAD[:9], "order"),
        (HEAD[9:16] + HEAD[:9] + HEAD[16:], "order"),
        (b"\x0a\x01x" + HEAD, "order"),
        (HEAD + HEAD[-4:], "repeated"),
        (HEAD + HEAD[:9], "repeated"),
        (HEAD + b"\x0a\x09short", "tlv_truncated"),
        (HEAD + b"\x0a", "tlv_truncated"),
        (b"\x02\x01\x04" + HEAD[9:], "chassis_id"),
        (b"\x02\x02\x00a" + HEAD[9:], "chassis_id"),
        (b"\x03\x01\x07" + b"a" * 256 + HEAD[9:], "chassis_id"),
        (HEAD[:9] + b"\x04\x02\x09a" + HEAD[16:], "port_id"),
        (HEAD[:-4] + b"\x06\x01\x78", "ttl"),
        (HEAD + bytes(1500), "oversize"),
    ],
)
def test_what_is_refused_and_why(pdu: bytes, why: str) -> None:
    assert reason(pdu) == why


def test_frames_that_are_not_lldp() -> None:
    assert reason(bytes(12), whole_frame=True) == "short"
    assert reason(bytes(12) + b"\x08\x00" + HEAD, whole_frame=True) == "ethertype"
    assert reason(bytes(12) + b"\x81\x00\0\5" * 3 + b"\x88\xcc" + HEAD, whole_frame=True) == "ethertype"


@pytest.mark.parametrize(
    ("tlv", "discarded"),
    [
        (b"\x10\x03\x05\x01\x0a", 1),  # management address cut short
        (b"\x10\x0c\x05\x01\x0a\0\0\2\2\0\0\0\1\x09", 1),  # object id longer than the TLV
        (b"\x10\x0c\x04\x01\x0a\0\0\2\0\0\0\0\1\0", 1),  # three octets of IPv4
        (b"\x10\x0c\xff\x01\x0a\0\0\2\2\0\0\0\1\0", 1),
        (b"\x0e\x02\0\4", 1),  # capabilities of two octets
        (b"\xfe\x02\x00\x80", 1),  # no room for an organisation
        (b"\xfe\x05\x00\x80\xc2\x01\x05", 1),  # one octet of VLAN
        (b"\xfe\x06\x00\x80\xc2\x01\xff\xff", 1),
        (b"\xfe\x06\x00\x80\xc2\x01\x00\x00", 0),  # no VLAN
        (b"\xfe\x04\x00\x12\x0f\x01", 0),  # 802.3 is not read
        (b"\x1e\x03abc", 0),  # reserved
    ],
)
def test_a_bad_optional_tlv_costs_itself_only(tlv: bytes, discarded: int) -> None:
    seen = decode(HEAD + tlv + b"\x0a\x04tor1\0\0")
    assert (seen.discarded, seen.system_name, seen.management, seen.vlan) == (discarded, "tor1", (), None)


def test_rendering() -> None:
    def port(kind: int, value: bytes) -> str:
        head = HEAD[:9] + (2 << 9 | len(value) + 1).to_bytes(2, "big") + bytes([kind]) + value + HEAD[16:]
        return decode(head).port_id

    assert port(5, b"Gi1/0/13\0\0") == "Gi1/0/13"
    assert port(7, b"\x00\x01\xff") == "00:01:ff"
    assert port(3, b"\xaa\xbb\xcc\xdd\xee\xff") == "aa:bb:cc:dd:ee:ff"
    assert port(4, b"\x02" + bytes(15) + b"\x01") == "::1"
    assert port(4, b"\x07\x01") == "07:01"
    assert port(1, "größe".encode()) == "größe"
    assert port(1, b"\x1b[31m") == "1b:5b:33:31:6d", "no escape sequences to a terminal"
    assert decode(HEAD + b"\x0c\x0bLinux\r\nbox\0" + b"\0\0").system_description == "Linux box"


def test_of_a_doubled_text_the_first_counts() -> None:
    assert decode(HEAD + b"\x0a\x01a\x0a\x01b").system_name == "a"


def test_management_addresses_are_bounded() -> None:
    tlvs = b"".join(b"\x10\x0c\x05\x01\x0a\0\0" + bytes([n]) + b"\1\0\0\0\0\0" for n in range(40))
    assert decode(HEAD + tlvs).management == tuple(f"10.0.0.{n}" for n in range(8))


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
    assert {reason(frame, whole_frame=True) for frame in frames} == {"order"}


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


