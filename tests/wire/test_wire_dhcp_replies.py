"""Replies: scapy, as the referee, builds and reads them as we do; a NAK; a name that is too long."""

from __future__ import annotations

import pytest
from dhcp_packets import MAC, scapy_options
from scapy.layers.dhcp import BOOTP, DHCP

from engine.wire.dhcp import (
    DhcpKind,
    DhcpReply,
    ReplyTo,
    decode_reply,
    encode,
)

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
        2,
        9,
        "10.1.0.50",
        "10.1.0.10",
        "10.1.0.1",
    )
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
            op=2,
            xid=5,
            yiaddr="10.0.0.9",
            siaddr="10.0.0.2",
            sname=b"tftp",
            file=b"pxelinux.0",
            chaddr=bytes.fromhex(MAC.replace(":", "")),
        )
        / DHCP(
            options=[
                ("message-type", "ack"),
                ("server_id", "10.0.0.2"),
                ("lease_time", 3600),
                ("router", "10.0.0.1"),
                ("name_server", "10.0.0.3", "10.0.0.4"),
                "end",
            ]
        )
    )
    assert decode_reply(packet) == DhcpReply(
        kind=DhcpKind.ACK,
        to=ReplyTo(xid=5, mac=MAC),
        yiaddr="10.0.0.9",
        siaddr="10.0.0.2",
        server_id="10.0.0.2",
        lease_s=3600,
        routers=("10.0.0.1",),
        dns=("10.0.0.3", "10.0.0.4"),
        filename="pxelinux.0",
        tftp_server="tftp",
    )


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
