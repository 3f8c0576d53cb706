"""The DHCP codec against scapy in both directions, against recorded boot ROMs, against itself, and against junk."""

from __future__ import annotations

import string
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.utils import rdpcap

from engine.wire import dhcp_options
from engine.wire.dhcp import (
    DhcpKind,
    DhcpReply,
    DhcpRequest,
    Malformed,
    ReplyTo,
    decode,
    decode_reply,
    encode,
    encode_request,
    reply_to,
    swapped_uuid,
)
from engine.wire.dhcp_options import relay_port

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
MAC = "52:54:00:12:34:56"
REASONS = {
    "short", "oversize", "op", "hardware", "cookie", "kind", "option_truncated", "option_length", "overload",
    "client_id", "relay",
}  # fmt: skip
PXE = DhcpRequest(
    kind=DhcpKind.DISCOVER,
    xid=0xDEADBEEF,
    mac=MAC,
    secs=4,
    broadcast=True,
    client_id="01525400123456",
    vendor_class="PXEClient:Arch:00007:UNDI:003016",
    arch=7,
    uuid="44454c4c-3600-1053-8033-b8c04f4e3232",
    parameters=(1, 3, 6, 15, 66, 67, 97),
    max_size=1472,
)


def raw(options: bytes, *, sname: bytes = b"", file: bytes = b"", op: int = 1) -> bytes:
    """A packet with hand-made areas."""
    head = bytes([op, 1, 6, 0]) + b"\1\2\3\4" + bytes(20) + bytes.fromhex(MAC.replace(":", "")) + bytes(10)
    return head + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + b"\x63\x82\x53\x63" + options


def reason(decoder: Callable[[bytes], object], packet: bytes) -> str:
    """Why it is refused, "" where it is not; whatever else is raised is a failure."""
    try:
        decoder(packet)
    except Malformed as refused:
        return refused.reason
    return ""


def scapy_options(packet: bytes) -> dict[str, Any]:
    seen = {}
    for entry in BOOTP(packet)[DHCP].options:
        if isinstance(entry, tuple):
            seen[entry[0]] = entry[1] if len(entry) == 2 else entry[1:]
    return seen


def test_a_request_built_by_scapy_is_read_field_by_field() -> None:
    packet = bytes(
        BOOTP(
            op=1, xid=77, secs=9, flags=0x8000, ciaddr="10.0.0.5", giaddr="10.0.0.1", hops=1,
            chaddr=bytes.fromhex(MAC.replace(":", "")),
        )
        / DHCP(
            options=[
                ("message-type", "request"), ("requested_addr", "10.0.0.7"), ("server_id", "10.0.0.10"),
                ("hostname", b"node-1"), ("client_id", b"\x01abcdef"), ("vendor_class_id", b"PXEClient:Arch:00000"),
                ("param_req_list", [1, 3, 67]), ("max_dhcp_size", 1500), ("user_class", b"iPXE"), (93, b"\0\x09"),
                (97, b"\0" + bytes(range(16))), (82, b"\x01\x02ab\x13\x00"), "end",
            ]
        )
    )  # fmt: skip
    assert decode(packet, ("10.0.0.1", 1067)) == DhcpRequest(
        kind=DhcpKind.REQUEST, xid=77, mac=MAC, secs=9, hops=1, broadcast=True, ciaddr="10.0.0.5", giaddr="10.0.0.1",
        requested="10.0.0.7", server_id="10.0.0.10", hostname="node-1", client_id=b"\x01abcdef".hex(),
        vendor_class="PXEClient:Arch:00000", parameters=(1, 3, 67), max_size=1500, user_class=("iPXE",), arch=9,
        uuid="03020100-0504-0706-0809-0a0b0c0d0e0f", relay="010261621300", relay_port_asked=True,
        source_ip="10.0.0.1", source_port=1067,
    )  # fmt: skip


def test_scapy_reads_the_request_we_build() -> None:
    packet = encode_request(PXE)
    bootp, options = BOOTP(packet), scapy_options(packet)
    assert len(packet) >= 300
    assert (bootp.op, bootp.xid, bootp.secs, int(bootp.flags)) == (1, 0xDEADBEEF, 4, 0x8000)
    assert bootp.chaddr[:6].hex(":") == MAC
    assert options["message-type"] == 1
    assert options["vendor_class_id"] == b"PXEClient:Arch:00007:UNDI:003016"
    assert options["max_dhcp_size"] == 1472
    assert tuple(options["param_req_list"]) == PXE.parameters
    assert options["client_id"] == bytes.fromhex("01525400123456")


REPLY = DhcpReply(
    kind=DhcpKind.OFFER,
    to=ReplyTo(xid=9, mac=MAC, giaddr="10.1.0.1", relay="01026162", client_id="01525400123456"),
    yiaddr="10.1.0.50",
    siaddr="10.1.0.10",
    server_id="10.1.0.10",
    lease_s=600,
    t1_s=300,
    t2_s=525,
    mask="255.255.255.0",
    routers=("10.1.0.1",),
    dns=("10.1.0.10", "10.1.0.11"),
    ntp=("10.1.0.10",),
    domain="r07.example.net",
    hostname="node-10",
    filename="snponly.efi",
    tftp_server="10.1.0.10",
    vendor_class="PXEClient",
    vendor_options="060108ff",
    uuid="44454c4c-3600-1053-8033-b8c04f4e3232",
)


def test_scapy_reads_the_reply_we_build() -> None:
    packet = encode(REPLY)
    bootp, options = BOOTP(packet), scapy_options(packet)
    assert (bootp.op, bootp.xid, bootp.yiaddr, bootp.siaddr, bootp.giaddr) == (
        2, 9, "10.1.0.50", "10.1.0.10", "10.1.0.1",
    )  # fmt: skip
    assert bootp.file.rstrip(b"\0") == b"snponly.efi"
    assert bootp.sname.rstrip(b"\0") == b"10.1.0.10"
    assert options["message-type"] == 2
    assert options["server_id"] == "10.1.0.10"
    assert (options["lease_time"], options["renewal_time"], options["rebinding_time"]) == (600, 300, 525)
    assert options["subnet_mask"] == "255.255.255.0"
    assert options["router"] == "10.1.0.1"
    assert options["name_server"] == ("10.1.0.10", "10.1.0.11")
    assert options["NTP_server"] == "10.1.0.10"
    assert options["domain"] == b"r07.example.net"
    assert options["hostname"] == b"node-10"
    assert options["boot-file-name"] == b"snponly.efi"
    assert options["tftp_server_name"] == b"10.1.0.10"
    assert options["vendor_class_id"] == b"PXEClient"
    assert options["vendor_specific"] == bytes.fromhex("060108ff")
    assert b"\x61\x11\x00" + bytes.fromhex("4c4c4544003653108033b8c04f4e3232") in packet
    end = packet.rindex(b"\xff")
    assert packet[end - 6 : end] == b"\x52\x04\x01\x02ab", "option 82 goes last"


def test_a_reply_built_by_scapy_is_read() -> None:
    packet = bytes(
        BOOTP(
            op=2, xid=5, yiaddr="10.0.0.9", siaddr="10.0.0.2", sname=b"tftp", file=b"pxelinux.0",
            chaddr=bytes.fromhex(MAC.replace(":", "")),
        )
        / DHCP(
            options=[
                ("message-type", "ack"), ("server_id", "10.0.0.2"), ("lease_time", 3600), ("router", "10.0.0.1"),
                ("name_server", "10.0.0.3", "10.0.0.4"), "end",
            ]
        )
    )  # fmt: skip
    assert decode_reply(packet) == DhcpReply(
        kind=DhcpKind.ACK, to=ReplyTo(xid=5, mac=MAC), yiaddr="10.0.0.9", siaddr="10.0.0.2", server_id="10.0.0.2",
        lease_s=3600, routers=("10.0.0.1",), dns=("10.0.0.3", "10.0.0.4"), filename="pxelinux.0", tftp_server="tftp",
    )  # fmt: skip


ips = st.ip_addresses(v=4).map(str).filter(lambda ip: ip != "0.0.0.0")
maybe_ip = st.just("") | ips
macs = st.binary(min_size=6, max_size=6).map(lambda b: bytes([b[0] & 0xFE | 2]) + b[1:]).map(lambda b: b.hex(":"))
label = st.text(string.ascii_letters + string.digits, min_size=1, max_size=20)
names = st.just("") | st.lists(label, min_size=1, max_size=4).map(".".join)
texts = st.text(string.ascii_letters + string.digits + ":/._- ", max_size=60)
hexes = st.binary(max_size=120).map(bytes.hex)
uuids = st.none() | st.uuids().map(str)
requests = st.builds(
    DhcpRequest,
    kind=st.sampled_from([DhcpKind(k) for k in (1, 3, 4, 7, 8)]),
    xid=st.integers(0, 2**32 - 1),
    mac=macs,
    secs=st.integers(0, 65535),
    hops=st.integers(0, 255),
    broadcast=st.booleans(),
    ciaddr=maybe_ip,
    giaddr=maybe_ip,
    requested=maybe_ip,
    server_id=maybe_ip,
    client_id=hexes,
    hostname=names,
    vendor_class=texts,
    user_class=st.just(("iPXE",)) | st.lists(label, max_size=4).map(tuple),
    arch=st.none() | st.integers(0, 65535),
    uuid=uuids,
    parameters=st.lists(st.integers(0, 255), max_size=60).map(tuple),
    max_size=st.integers(0, 65535),
    relay=st.just("") | st.sampled_from(["0104aabbccdd", "010461626364020161"]),
    vendor_options=hexes,
    message=texts,
)
replies = st.builds(
    DhcpReply,
    kind=st.sampled_from([DhcpKind.OFFER, DhcpKind.ACK]),
    to=st.builds(
        ReplyTo,
        xid=st.integers(0, 2**32 - 1),
        mac=macs,
        broadcast=st.booleans(),
        ciaddr=maybe_ip,
        giaddr=maybe_ip,
        relay=hexes,
        client_id=hexes,
    ),
    yiaddr=maybe_ip,
    siaddr=maybe_ip,
    server_id=maybe_ip,
    lease_s=st.integers(0, 2**32 - 1),
    t1_s=st.integers(0, 2**32 - 1),
    t2_s=st.integers(0, 2**32 - 1),
    mask=maybe_ip,
    routers=st.lists(ips, max_size=4).map(tuple),
    dns=st.lists(ips, max_size=4).map(tuple),
    ntp=st.lists(ips, max_size=4).map(tuple),
    domain=names,
    hostname=names,
    filename=texts | st.just("http://10.0.0.1/" + "a" * 180),
    tftp_server=names,
    vendor_class=st.sampled_from(["", "PXEClient", "HTTPClient"]),
    ipxe_options=hexes,
    vendor_options=hexes,
    uuid=uuids,
    message=texts,
)


@given(requests)
@settings(deadline=None)
def test_requests_survive_the_round_trip(request: DhcpRequest) -> None:
    assert decode(encode_request(request)) == request


@given(replies)
@settings(deadline=None)
def test_replies_survive_the_round_trip(reply: DhcpReply) -> None:
    packet = encode(reply)
    assert 300 <= len(packet) <= 1472
    assert decode_reply(packet) == reply


@given(st.sampled_from([encode_request(PXE), raw(b"\x35\x01\x01\x34\x01\x03\xff", file=b"\x0c\x02ab\xff")]), st.data())
@settings(deadline=None, max_examples=400)
def test_mutations_raise_nothing_but_malformed(packet: bytes, data: st.DataObject) -> None:
    junk = bytearray(packet)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(junk) - 1) | st.integers(230, min(300, len(junk) - 1)))
        junk[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(junk)) | st.integers(0, len(junk)))
    for decoder in (decode, decode_reply):
        assert reason(decoder, bytes(junk[:cut])) in REASONS | {""}


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_any_option_area_is_read_or_refused(options: bytes) -> None:
    packet = raw(b"\x35\x01\x01" + options)
    why = reason(decode, packet)
    assert why in REASONS | {""}
    if not why:
        request = decode(packet)
        reply = DhcpReply(kind=DhcpKind.OFFER, to=reply_to(request), uuid=request.uuid, yiaddr="10.0.0.1")
        assert decode_reply(encode(reply)).to == reply_to(request)


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "short"),
        (raw(b"")[:239], "short"),
        (raw(b"\x35\x01\x01").ljust(4097, b"\0"), "oversize"),
        (raw(b"\x35\x01\x01\xff", op=2), "op"),
        (raw(b"\x35\x01\x01\xff").replace(b"\x01\x01\x06", b"\x01\x06\x06", 1), "hardware"),
        (raw(b"\x35\x01\x01\xff").replace(bytes.fromhex("525400"), bytes.fromhex("535400"), 1), "hardware"),
        (raw(b"\x35\x01\x01\xff").replace(b"\x63\x82", b"\x63\x83", 1), "cookie"),
        (raw(b"\xff"), "kind"),
        (raw(b"\x35\x01\x02\xff"), "kind"),
        (raw(b"\x35\x01\x0d\xff"), "kind"),
        (raw(b"\x35\x02\x01\x01\xff"), "kind"),
        (raw(b"\x35\x01\x01\x0c\x09abc"), "option_truncated"),
        (raw(b"\x35\x01\x01\x0c"), "option_truncated"),
        (raw(b"\x35\x01\x01\x32\x03\x0a\x00\x00\xff"), "option_length"),
        (raw(b"\x35\x01\x01\x34\x01\x04\xff"), "overload"),
        (raw(b"\x35\x01\x01" + b"\x3d\xff" + bytes(255) + b"\x3d\x01a\xff"), "client_id"),
        (raw(b"\x35\x01\x01" + b"\x52\xff" + bytes(255) + b"\x52\x01a\xff"), "relay"),
    ],
)
def test_what_is_refused_and_why(packet: bytes, why: str) -> None:
    assert reason(decode, packet) == why


def test_overloaded_fields_and_split_options_are_one_value_in_order() -> None:
    packet = raw(
        b"\x34\x01\x03\x3c\x03PXE\x35\x01\x01\xff", file=b"\x00\x3c\x06Client\x0c\x02ab\xff", sname=b"\x3c\x02:A\xff"
    )
    request = decode(packet)
    assert request.vendor_class == "PXEClient:A"
    assert request.hostname == "ab"
    reply = decode_reply(raw(b"\x34\x01\x01\x35\x01\x05\xff", file=b"\x43\x04a.ef\x43\x01i\xff", sname=b"srv", op=2))
    assert (reply.filename, reply.tftp_server) == ("a.efi", "srv")


def test_pads_and_a_missing_end_are_fine() -> None:
    assert decode(raw(b"\0\0\x35\x01\x03\0\0\0")).kind is DhcpKind.REQUEST
    assert decode(raw(b"\x35\x01\x03")).kind is DhcpKind.REQUEST


@pytest.mark.parametrize(
    ("value", "classes"),
    [
        (b"iPXE", ("iPXE",)),
        (b"\x04iPXE", ("iPXE",)),
        (b"\x04iPXE\x03lab", ("iPXE", "lab")),
        (b"\x00", ()),
        (b"\x04\xff\xfe\xfd\xfc", ()),
        (b"gPXE\x00", ("gPXE",)),
    ],
)
def test_both_forms_of_user_class(value: bytes, classes: tuple[str, ...]) -> None:
    assert decode(raw(b"\x35\x01\x01\x4d" + bytes([len(value)]) + value)).user_class == classes


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"node-1", "node-1"),
        (b"node-1\0", "node-1"),
        (b"a.b.example", "a.b.example"),
        (b"-node", ""),
        (b"no de", ""),
        (b"$(reboot)", ""),
        (b"n\n", ""),
        (b"\xc3\xa4", ""),
        (b"a" * 64, ""),
        (b"a..b", ""),
    ],
)
def test_host_names_are_typed_or_dropped(sent: bytes, kept: str) -> None:
    assert decode(raw(b"\x35\x01\x01\x0c" + bytes([len(sent)]) + sent)).hostname == kept


def test_uuid_is_in_smbios_order_and_the_other_order_is_at_hand() -> None:
    wire = bytes.fromhex("4c4c4544003653108033b8c04f4e3232")  # a Dell: "LLED" is DELL in the other order
    request = decode(raw(b"\x35\x01\x01\x61\x11\x00" + wire))
    assert request.uuid == "44454c4c-3600-1053-8033-b8c04f4e3232"
    assert swapped_uuid(request.uuid) == "4c4c4544-0036-5310-8033-b8c04f4e3232"
    assert swapped_uuid(swapped_uuid(request.uuid)) == request.uuid
    assert decode(raw(b"\x35\x01\x01\x61\x11\x01" + wire)).uuid is None
    assert decode(raw(b"\x35\x01\x01\x61\x10" + wire)).uuid is None
    with pytest.raises(ValueError, match="not a UUID"):
        dhcp_options.uuid_octets("abcd")


@pytest.mark.parametrize(("value", "arch"), [(b"\0\x07", 7), (b"\0\x10\0\x07", 16), (b"\7", None), (b"", None)])
def test_architecture_is_the_first_of_the_list(value: bytes, arch: int | None) -> None:
    assert decode(raw(b"\x35\x01\x01\x5d" + bytes([len(value)]) + value)).arch == arch


def test_the_relay_port_is_answered_only_where_it_is_asked_for() -> None:
    asked = decode(raw(b"\x35\x01\x01\x52\x06\x01\x02ab\x13\x00"), ("10.0.0.1", 5067))
    assert asked.relay_port_asked
    assert reply_to(asked).relay_port == 5067
    plain = decode(raw(b"\x35\x01\x01\x52\x04\x01\x02\x13\x00"), ("10.0.0.1", 5067))  # 19 inside a value
    assert not plain.relay_port_asked
    assert reply_to(plain).relay_port == 67


def test_a_nak_says_no_and_nothing_else() -> None:
    nak = DhcpReply(
        kind=DhcpKind.NAK,
        to=ReplyTo(xid=1, mac=MAC, giaddr="10.0.0.1", ciaddr="10.0.0.4", client_id="0101", relay="0101aa"),
        yiaddr="10.0.0.5",
        siaddr="10.0.0.2",
        server_id="10.0.0.2",
        lease_s=60,
        filename="x",
        message="wrong network",
    )
    seen = decode_reply(encode(nak))
    assert seen == DhcpReply(
        kind=DhcpKind.NAK,
        to=ReplyTo(xid=1, mac=MAC, giaddr="10.0.0.1", broadcast=True, client_id="0101", relay="0101aa"),
        server_id="10.0.0.2",
        message="wrong network",
    )


def test_a_long_file_name_is_never_cut() -> None:
    url = "http://10.0.0.1/" + "a" * 200
    packet = encode(DhcpReply(kind=DhcpKind.ACK, to=ReplyTo(xid=1, mac=MAC), filename=url))
    assert packet[108:236] == bytes(128)
    assert decode_reply(packet).filename == url
    with pytest.raises(ValueError, match="more than 1472"):
        encode(DhcpReply(kind=DhcpKind.ACK, to=ReplyTo(xid=1, mac=MAC), filename="a" * 1500))


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
    ["dhcp-option-33.pcap", "dhcp-rfc3004.pcap", "dhcp-rfc5859.pcap", "dhcp-option-108.pcapng", "dhcp-rfc4388.pcap",
     "dhcpv4v6-rfc5970-rfc8572.pcap", "bootp_asan.pcap", "bootp_asan-2.pcap"],
)  # fmt: skip
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


def test_reading_and_answering_is_fast_enough_for_a_boot_storm() -> None:
    packet = encode_request(PXE)

    def turn() -> None:
        request = decode(packet)
        encode(DhcpReply(kind=DhcpKind.OFFER, to=reply_to(request), yiaddr="10.1.0.5", server_id="10.1.0.1"))

    best = min(timeit.repeat(turn, number=500, repeat=5)) / 500
    assert best < 100e-6, f"{best * 1e6:.0f} us for one decode and encode (about 12 on an idle machine)"


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
