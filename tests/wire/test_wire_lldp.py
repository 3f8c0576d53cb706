"""LLDP: scapy, as the referee, in both directions; round trips, and junk."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from lldp_units import HEAD, REASONS, reason
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

from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind, decode, decode_frame, encode, encode_frame

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
        / LLDPDUManagementAddress(management_address_subtype=1, management_address=bytes([10, 0, 0, 2]), interface_number=3)
        / LLDPDUGenericOrganisationSpecific(org_code=0x0080C2, subtype=1, data=b"\x00\x2a")
        / LLDPDUEndOfLLDPDU()
    )
    frame = bytes(Ether(dst="01:80:c2:00:00:0e", src="52:54:00:00:00:02", type=0x88CC) / pdu)
    assert decode_frame(frame) == LldpNeighbour(
        chassis_kind=ChassisKind.ADDRESS,
        chassis_id="10.0.0.2",
        port_kind=PortKind.MAC,
        port_id="52:54:00:00:00:02",
        ttl_s=30,
        system_name="tor2",
        port_description="uplink",
        capabilities=("bridge",),
        management=("10.0.0.2",),
        vlan=42,
    )


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
    assert reason(HEAD + rest) == ""
