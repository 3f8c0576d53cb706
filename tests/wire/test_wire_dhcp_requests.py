"""Requests: scapy, as the referee, builds and reads them as we do."""

from __future__ import annotations

from dhcp_packets import MAC, PXE, scapy_options
from scapy.layers.dhcp import BOOTP, DHCP

from engine.wire.dhcp import (
    DhcpKind,
    DhcpRequest,
    decode,
    encode_request,
)


def test_a_request_built_by_scapy_is_read_field_by_field() -> None:
    packet = bytes(
        BOOTP(
            op=1,
            xid=77,
            secs=9,
            flags=0x8000,
            ciaddr="10.0.0.5",
            giaddr="10.0.0.1",
            hops=1,
            chaddr=bytes.fromhex(MAC.replace(":", "")),
        )
        / DHCP(
            options=[
                ("message-type", "request"),
                ("requested_addr", "10.0.0.7"),
                ("server_id", "10.0.0.10"),
                ("hostname", b"node-1"),
                ("client_id", b"\x01abcdef"),
                ("vendor_class_id", b"PXEClient:Arch:00000"),
                ("param_req_list", [1, 3, 67]),
                ("max_dhcp_size", 1500),
                ("user_class", b"iPXE"),
                (93, b"\0\x09"),
                (97, b"\0" + bytes(range(16))),
                (82, b"\x01\x02ab\x13\x00"),
                "end",
            ]
        )
    )
    assert decode(packet, ("10.0.0.1", 1067)) == DhcpRequest(
        kind=DhcpKind.REQUEST,
        xid=77,
        mac=MAC,
        secs=9,
        hops=1,
        broadcast=True,
        ciaddr="10.0.0.5",
        giaddr="10.0.0.1",
        requested="10.0.0.7",
        server_id="10.0.0.10",
        hostname="node-1",
        client_id=b"\x01abcdef".hex(),
        vendor_class="PXEClient:Arch:00000",
        parameters=(1, 3, 67),
        max_size=1500,
        user_class=("iPXE",),
        arch=9,
        uuid="03020100-0504-0706-0809-0a0b0c0d0e0f",
        relay="010261621300",
        relay_port_asked=True,
        source_ip="10.0.0.1",
        source_port=1067,
    )


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
