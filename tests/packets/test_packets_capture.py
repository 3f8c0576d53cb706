"""The capture file, read by tshark and by scapy: right addresses, right checksums, right protocols."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from engine.packets.capture import Capture, frame
from engine.packets.packet import Packet
from engine.wire import dhcp, lldp, tftp
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, reply_to
from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind

MAC = "52:54:00:00:00:01"
HERE, THERE = "02:00:00:00:00:01", "02:00:00:00:00:02"
US, CLIENT = "10.0.0.1", "10.0.0.30"
ASKS = DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=MAC)
RELAYED = DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=MAC, giaddr="10.9.0.1")
OFFER = DhcpReply(kind=DhcpKind.OFFER, to=reply_to(ASKS), yiaddr=CLIENT, server_id=US)
TOR = LldpNeighbour(
    chassis_kind=ChassisKind.MAC, chassis_id="52:54:00:00:00:09", port_kind=PortKind.INTERFACE_NAME, port_id="swp3", ttl_s=120
)


def packet(
    number: int, kind: str, out: bool, data: bytes, source: tuple[str, int], to: tuple[str, int], cause: str = "", who: str = MAC
) -> Packet:
    return Packet(number=number, at=1.7e9 + number / 4, kind=kind, out=out, who=who, source=source, to=to, data=data, cause=cause)


PACKETS = [
    packet(1, "dhcp", False, dhcp.encode_request(ASKS), ("0.0.0.0", 68), (US, 67), cause="no_pool"),
    packet(2, "dhcp", True, dhcp.encode(OFFER), (US, 67), (CLIENT, 68)),
    packet(3, "dhcp", False, dhcp.encode_request(RELAYED), ("10.9.0.1", 67), (US, 67)),
    packet(
        4, "dhcp", False, dhcp.encode_request(DhcpRequest(kind=DhcpKind.REQUEST, xid=7, mac=MAC, ciaddr=CLIENT)), (CLIENT, 68), (US, 67)
    ),
    packet(5, "tftp", False, tftp.encode(tftp.Read(filename="undionly.kpxe", tsize=0)), (CLIENT, 2070), (US, 20069)),
    packet(6, "tftp", True, tftp.encode(tftp.Error(code=1, message="no such file")), (US, 69), (CLIENT, 2070)),
    packet(7, "http", False, b"GET /boot/script?mac=x HTTP/1.1\r\nHost: x\r\n\r\n", (CLIENT, 40000), (US, 20080)),
    packet(8, "lldp", False, lldp.encode_frame(TOR, from_mac=bytes.fromhex("525400000009")), ("", 0), ("", 0), who="52:54:00:00:00:09"),
    packet(9, "tftp", False, tftp.encode(tftp.Read(filename="x")), (CLIENT, 2071), (US, 69), who=CLIENT),
]


@pytest.fixture(params=["classic.pcap", "new.pcapng"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    with path.open("wb") as out:
        capture = Capture(out, comments=path.suffix == ".pcapng")
        capture.write(PACKETS[:4])
        capture.write(PACKETS[4:])
    assert capture.count == len(PACKETS)
    return path


def test_scapy_reads_it_back(file: Path) -> None:
    seen = rdpcap(str(file))
    assert [float(p.time) for p in seen] == pytest.approx([p.at for p in PACKETS])
    for ours, theirs in zip(PACKETS, seen, strict=True):
        assert bytes(theirs) == frame(ours)
        if ours.kind in ("dhcp", "tftp"):
            assert bytes(theirs[UDP].payload) == ours.data
    discover, offer, relayed, renews, read, error, http, _, stranger = seen
    assert (discover.src, discover.dst, discover[IP].src, discover[IP].dst) == (MAC, "ff:ff:ff:ff:ff:ff", "0.0.0.0", "255.255.255.255")
    assert (offer.src, offer.dst, offer[IP].src, offer[IP].dst, offer[UDP].dport) == (HERE, MAC, US, CLIENT, 68)
    assert (relayed.src, relayed[IP].src, relayed[IP].dst, relayed[BOOTP].giaddr) == (THERE, "10.9.0.1", US, "10.9.0.1")
    assert (renews.src, renews.dst, renews[IP].src, renews[IP].dst) == (MAC, HERE, CLIENT, US)
    assert (read[UDP].sport, read[UDP].dport) == (2070, 69)
    assert (error[UDP].sport, error[UDP].dport) == (69, 2070)
    assert (http[TCP].dport, bytes(http[TCP].payload)) == (80, PACKETS[6].data)
    assert (stranger.src, stranger[IP].src) == (THERE, CLIENT)


def test_checksums_are_right() -> None:
    for one in PACKETS:
        octets = frame(one)
        built = Ether(octets)
        for layer in (IP, UDP, TCP):
            if layer in built:
                del built[layer].chksum
        assert bytes(built)[: len(octets)] == octets


def test_wireshark_names_each_protocol(file: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    words = [
        "tshark",
        "-r",
        str(file),
        "-T",
        "fields",
        "-e",
        "_ws.col.Protocol",
        "-e",
        "frame.comment",
        "-e",
        "_ws.expert.message",
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["DHCP", "DHCP", "DHCP", "DHCP", "TFTP", "TFTP", "HTTP", "LLDP", "TFTP"]
    assert [row[1] for row in rows] == ["no_pool" if file.suffix == ".pcapng" else "", *[""] * 8]
    assert not any("checksum" in row[2].lower() for row in rows)


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 30, bytes(4096)])
@pytest.mark.parametrize("end", [("", 0), ("not an address", 99999), ("1.2.3", -1), ("255.255.255.255", 68)])
@pytest.mark.parametrize("kind", ["dhcp", "tftp", "http"])
def test_any_packet_has_a_frame(kind: str, end: tuple[str, int], data: bytes) -> None:
    for out in (False, True):
        assert len(frame(packet(1, kind, out, data, end, end, who="-"))) >= 42 + len(data)
