"""CDP and LLDP in frames and captures. Scapy made the frames, and reads the recorded ones as a second opinion."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
import recorded_facts
from scapy.contrib.cdp import (
    CDPAddrRecordIPv4,
    CDPMsgAddr,
    CDPMsgCapabilities,
    CDPMsgDeviceID,
    CDPMsgMTU,
    CDPMsgNativeVLAN,
    CDPMsgPlatform,
    CDPMsgPortID,
    CDPMsgSoftwareVersion,
    CDPv2_HDR,
)
from scapy.layers.l2 import LLC, SNAP, Dot3
from scapy.utils import PcapWriter, rdpcap

from engine.parts import Heard
from engine.readers.formats import read_octets
from engine.readers.report import Refused
from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind, encode_frame

SWITCH = LldpNeighbour(
    chassis_kind=ChassisKind.MAC,
    chassis_id="44:38:39:00:00:01",
    port_kind=PortKind.INTERFACE_NAME,
    port_id="swp7",
    ttl_s=120,
    system_name="leaf1",
    management=("192.0.2.5",),
    capabilities=("bridge",),
    vlan=100,
)
LLDP = Heard(
    nic="",
    chassis="44:38:39:00:00:01",
    port="swp7",
    port_kind="ifname",
    system="leaf1",
    addresses=("192.0.2.5",),
    vlan=100,
    capabilities=("bridge",),
    ttl=120,
)


def cdp() -> bytes:
    message = [
        CDPMsgDeviceID(val=b"sw2.example"),
        CDPMsgAddr(addr=[CDPAddrRecordIPv4(addr="192.0.2.9"), CDPAddrRecordIPv4(addr="0.0.0.0")]),
        CDPMsgPortID(iface=b"GigabitEthernet1/0/7"),
        CDPMsgCapabilities(cap=0x28),
        CDPMsgSoftwareVersion(val=b"IOS 15"),
        CDPMsgPlatform(val=b"cisco C2960"),
        CDPMsgNativeVLAN(vlan=120),
        CDPMsgMTU(mtu=1500),
    ]
    header = CDPv2_HDR(vers=2, ttl=180, msg=message)
    return bytes(
        Dot3(dst="01:00:0c:cc:cc:cc", src="00:11:22:33:44:55") / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0xC, code=0x2000) / header
    )


CDP = Heard(
    nic="",
    protocol="cdp",
    chassis="sw2.example",
    port="GigabitEthernet1/0/7",
    port_kind="ifname",
    system="sw2.example",
    system_description="cisco C2960 IOS 15",
    addresses=("192.0.2.9",),
    vlan=120,
    capabilities=("bridge",),
    mtu=1500,
    ttl=180,
)


def test_a_frame_of_each_protocol() -> None:
    assert read_octets(encode_frame(SWITCH, from_mac=bytes(6))) == ("frame", read_octets(encode_frame(SWITCH, from_mac=bytes(6)))[1])
    assert read_octets(encode_frame(SWITCH, from_mac=bytes(6)))[1].heard == (LLDP,)
    assert read_octets(cdp())[1].heard == (CDP,)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_a_capture_tells_each_neighbour_once(order: str, nano: bool) -> None:
    frames = [
        encode_frame(SWITCH, from_mac=bytes(6)),
        cdp(),
        encode_frame(SWITCH, from_mac=bytes(6)),
        b"\xff" * 12 + b"\x08\x00" + bytes(46),
    ]
    stream = BytesIO()
    stream.close = lambda: None  # type: ignore[method-assign]
    with PcapWriter(stream, linktype=1, endianness=order, nano=nano) as writer:
        for frame in frames:
            writer.write(frame)
    name, parts = read_octets(stream.getvalue())
    assert (name, parts.heard) == ("pcap", (LLDP, CDP))
    assert parts.odd == ("1 frames: the frame is no LLDP and no CDP (ethertype)",)
    assert "the last frame is cut" in read_octets(stream.getvalue()[:-3])[1].odd[-1]


def test_a_cut_cdp_frame_tells_what_it_has_or_nothing() -> None:
    whole = cdp()
    for at in range(22, len(whole)):
        try:
            (one,) = read_octets(whole[:at])[1].heard
        except Refused:
            continue
        for field in ("chassis", "port", "vlan", "mtu", "addresses", "capabilities"):
            assert getattr(one, field) in (getattr(CDP, field), Heard.__struct_defaults__[Heard.__struct_fields__.index(field) - 1])


def test_other_protocols_are_refused_by_name() -> None:
    head = b"\x00\xe0\x2b\x00\x00\x00" + bytes(6) + b"\x00\x52\xaa\xaa\x03"
    with pytest.raises(Refused, match="EDP"):
        read_octets(head + b"\x00\xe0\x2b\x00\xbb" + bytes(60))


def test_the_tlvs_of_an_inspection() -> None:
    tlvs = [[1, "04443839000001"], [2, "0573777037"], [3, "0078"], [5, "6c65616631"], [0, ""]]
    name, parts = read_octets(json.dumps({"lldp_raw": {"eno1": tlvs, "eno2": [], "eno3": [["x", 1], [1, "zz"]]}}).encode())
    assert name == "lldp-raw"
    assert [(one.nic, one.system, one.port) for one in parts.heard] == [("eno1", "leaf1", "swp7")]
    assert len(parts.odd) == 2


@pytest.mark.parametrize("file", [f"lldpd-lldpd/seed-cdp.{n}.raw" for n in range(4)] + ["the-tcpdump-group-tcpdump/3560_CDP.pcap"])
def test_recorded_cdp_is_read_as_scapy_reads_it(file: str) -> None:
    path = recorded_facts.RECORDED / file
    if not path.exists():
        pytest.skip(f"no recorded frames: {file}")
    frames = [path.read_bytes()] if path.suffix == ".raw" else [bytes(one) for one in rdpcap(str(path))]
    said = read_octets(path.read_bytes())[1].heard
    for frame in frames:
        referee = Dot3(frame)
        device, port = referee[CDPMsgDeviceID].val.decode(), referee[CDPMsgPortID].iface.decode()
        addresses = [one.addr for one in referee[CDPMsgAddr].addr] if referee.haslayer(CDPMsgAddr) else []
        (one,) = [one for one in said if (one.chassis, one.port) == (device, port)]
        assert set(addresses) <= set(one.addresses)
