"""DHCPv4 (RFC 2131, 2132) with what network boot needs: PXE (RFC 4578), relays (RFC 3046, 8357), user class (RFC 3004).

The engine decodes bytes to a `DhcpRequest` (`decode`) and encodes a `DhcpReply` to bytes (`encode`). Simulated machines use the other side
of the same records: `encode_request` and `decode_reply`. `decode(encode_request(r)) == r` and `decode_reply(encode(r)) == r`.

Rules
* A request is refused only if a field is bad that the answer needs. `decode` raises only `Malformed`, with one of these reasons: short,
  oversize, op, hardware, cookie, kind, and server_id of a REQUEST. Without server_id nobody knows whose offer the client took.
* Every other field that cannot be read counts as absent, and is noted in `odds`.
* The engine echoes at most 255 octets of client id and 512 of option 82. So no request makes a reply too long to send.
* Ethernet only: the first six octets of chaddr are the MAC of one machine. A wrong hlen and htype 6 (IEEE 802) are echoed.
* There is no plain BOOTP: without the magic cookie and a kind, the engine leases nothing.
* A reply has at least 300 octets, as relays and old ROMs expect (RFC 1542 2.1), and at most 1472, which fit into one Ethernet frame.
* A NAK carries only server, message and echoes (RFC 2131 table 3). Through a relay it has the broadcast bit (4.3.2).

Traps
* Boot ROMs read the file name from the `file` field, UEFI HTTP boot reads it from option 67. So both are written. A name over 127 octets
  fits only into the option.
* Option 82 goes last (RFC 3046 2.1). The client id is echoed (RFC 6842), because clients match replies by it.
* A pad follows every text; `dhcp_options` says why. Both fields of the head always end with NUL.

The codec uses plain structs. A template for each reply was not faster, and scapy, which the tests compare with, is ten times slower. Both
directions of a record are in one file, so that a reader sees them side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import Struct as Packing
from typing import Any

from msgspec import Struct

from engine.wire import dhcp_options as opt
from engine.wire.dhcp_options import Odd, address, address_octets, option, swapped_uuid, text_option
from engine.wire.malformed import Malformed

__all__ = [
    "DhcpKind",
    "DhcpReply",
    "DhcpRequest",
    "Malformed",
    "Odd",
    "ReplyTo",
    "decode",
    "decode_reply",
    "encode",
    "encode_request",
    "reply_to",
    "swapped_uuid",
]

SERVER_PORT, CLIENT_PORT, PROXY_PORT = 67, 68, 4011
MAX_PACKET = 4096  # a request above this is refused unread
MAX_REPLY = 1472
MIN_PACKET = 300
MAX_RELAY = 512
"""Octets of option 82 that are echoed."""

_HEAD = Packing("!BBBBIHH4s4s4s4s6s10x64s128s4s")
_COOKIE = b"\x63\x82\x53\x63"
_BROADCAST = 0x8000
_U16, _U32 = Packing("!H"), Packing("!I")
_NO_MAC = b"\0\0\0\0\0\0"


class DhcpKind(IntEnum):
    """Option 53 (RFC 2132 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


_ASKS = {bytes((k,)): DhcpKind(k) for k in (1, 3, 4, 7, 8)}
_TELLS = {bytes((k,)): DhcpKind(k) for k in (2, 5, 6)}


class DhcpRequest(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a client, or a relay for it, sent. Addresses are dotted text, "" for not given. The journal holds many of these, so their JSON
    leaves out what was not given."""

    kind: DhcpKind
    xid: int
    mac: str  # lower-case, with colons
    secs: int = 0  # seconds since the client began, as it says
    hops: int = 0
    broadcast: bool = False  # the client cannot take unicast yet
    ciaddr: str = ""  # the address that the client holds and answers ARP for
    giaddr: str = ""  # the relay
    requested: str = ""
    server_id: str = ""
    client_id: str = ""  # hex, type octet included; at most 255 octets
    hostname: str = ""
    vendor_class: str = ""  # "PXEClient:Arch:00007:UNDI:003016", "HTTPClient:...", "udhcp 1.35"
    user_class: tuple[str, ...] = ()
    arch: int | None = None  # option 93, the first of its list; IANA "Processor Architecture Types"
    uuid: str | None = None  # option 97; see dhcp_options.uuid for the byte order
    relay: str = ""  # option 82 in hex, to be echoed
    relay_port_asked: bool = False  # RFC 8357: answer to the relay's source port
    link: str = ""  # link selection of a relay (RFC 3527): an address of the client's subnet
    override: str = ""  # server identifier override of a relay (RFC 5107)
    subnet: str = ""  # option 118 (RFC 3011): the subnet that the client wants an address of
    htype: int = 1
    hlen: int = 6
    parameters: tuple[int, ...] = ()
    max_size: int = 0  # option 57, octets, 0 for not given
    vendor_options: str = ""  # option 43 in hex: the boot item on port 4011
    message: str = ""  # option 56: why a client declines
    source_ip: str = ""  # of the datagram
    source_port: int = 0


class ReplyTo(Struct, frozen=True, kw_only=True, gc=False):
    """What a reply takes from the request: its destination, and the values that it echoes."""

    xid: int
    mac: str
    broadcast: bool = False
    ciaddr: str = ""
    giaddr: str = ""
    relay_port: int = SERVER_PORT  # the UDP port on which the relay listens; it is not in the packet
    relay: str = ""
    client_id: str = ""
    htype: int = 1
    hlen: int = 6


class DhcpReply(Struct, frozen=True, kw_only=True, gc=False):
    """An offer, ACK or NAK. Empty or 0 leaves the option out."""

    kind: DhcpKind
    to: ReplyTo
    yiaddr: str = ""
    siaddr: str = ""
    server_id: str = ""
    lease_s: int = 0
    t1_s: int = 0
    t2_s: int = 0
    mask: str = ""
    routers: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    domain: str = ""
    hostname: str = ""
    filename: str = ""  # file field and option 67; a URL for HTTP boot
    tftp_server: str = ""  # sname field and option 66
    vendor_class: str = ""  # "PXEClient" or "HTTPClient": without it such a client ignores the offer
    vendor_options: str = ""  # option 43 in hex (PXE: 060108 is "no discovery, boot the file")
    uuid: str | None = None  # option 97, echoed as RFC 4578 2.3 says
    ipxe_options: str = ""  # option 175 in hex (b00101: there is no proxy to wait for)
    subnet: str = ""  # option 118, echoed where the address was chosen by it
    message: str = ""


def reply_to(request: DhcpRequest) -> ReplyTo:
    """What a reply to `request` needs: where it goes, and what it echoes."""
    return ReplyTo(
        xid=request.xid,
        mac=request.mac,
        broadcast=request.broadcast,
        ciaddr=request.ciaddr,
        giaddr=request.giaddr,
        relay_port=request.source_port or SERVER_PORT if request.relay_port_asked else SERVER_PORT,
        relay=request.relay,
        client_id=request.client_id,
        htype=request.htype,
        hlen=request.hlen,
    )


def decode(data: bytes, source: tuple[str, int] = ("", 0), odds: list[Odd] | None = None) -> DhcpRequest:
    """A client's packet (BOOTREQUEST) that came from `source`. Adds to `odds` each field that counts as absent. Raises Malformed."""
    odds = [] if odds is None else odds
    (_, htype, hlen, hops, xid, secs, flags, ciaddr, _, _, giaddr, mac, _, _, _), found = _open(data, 1, odds)
    kind = _ASKS.get(opt.fixed(found, opt.KIND, 1, odds) or b"")
    if kind is None:
        raise Malformed("kind", opt.KIND)
    server_id = opt.one_address(found, opt.SERVER_ID, odds)
    if odds and not server_id and kind is DhcpKind.REQUEST and any(odd.option == opt.SERVER_ID for odd in odds):
        raise Malformed("server_id", opt.SERVER_ID)
    relay = _bounded(found, opt.RELAY, MAX_RELAY, odds)
    sub = opt.suboptions(relay) if relay else {}
    by_relay = sub if giaddr != b"\0\0\0\0" else {}  # only a relay's word counts, never a client's
    host, vendor, user, arch, guid, wanted, message = map(found.get, _DESCRIBED)
    client_id = _bounded(found, opt.CLIENT_ID, 255, odds)
    request = DhcpRequest(
        kind=kind,
        xid=xid,
        mac=mac.hex(":"),
        secs=secs,
        hops=hops,
        broadcast=flags & _BROADCAST != 0,
        ciaddr=address(ciaddr),
        giaddr=address(giaddr),
        requested=opt.one_address(found, opt.REQUESTED, odds),
        server_id=server_id,
        client_id=client_id.hex(),
        hostname=opt.hostname(host),
        vendor_class=opt.text(vendor),
        user_class=opt.user_classes(user),
        arch=arch[0] << 8 | arch[1] if arch and len(arch) % 2 == 0 else None,
        uuid=opt.uuid(guid),
        relay=relay.hex(),
        relay_port_asked=opt.RELAY_SOURCE_PORT in sub,
        link=opt.sub_address(by_relay, opt.LINK_SELECTION, odds) if by_relay else "",
        override=opt.sub_address(by_relay, opt.SERVER_OVERRIDE, odds) if by_relay else "",
        subnet=opt.one_address(found, opt.SUBNET, odds),
        parameters=tuple(wanted[:255]) if wanted else (),
        max_size=opt.number(found, opt.MAX_SIZE, 2, odds),
        vendor_options=_bounded(found, opt.VENDOR_OPTIONS, 255, odds).hex(),
        message=opt.text(message),
        source_ip=source[0],
        source_port=source[1],
        htype=htype,
        hlen=hlen,
    )
    if (
        (host is not None and not request.hostname)
        or (vendor is not None and not request.vendor_class)
        or (user is not None and not request.user_class)
        or (arch is not None and request.arch is None)
        or (guid is not None and request.uuid is None)
        or (message and not request.message)
        or wanted == b""
        or (len(client_id) < 2 and opt.CLIENT_ID in found)
    ):
        _note(request, found, odds)
    return request


_DESCRIBED = (opt.HOSTNAME, opt.VENDOR_CLASS, opt.USER_CLASS, opt.ARCH, opt.UUID, opt.PARAMETERS, opt.MESSAGE)
_TYPED: tuple[tuple[int, str, int], ...] = (
    (opt.HOSTNAME, "hostname", 1),
    (opt.VENDOR_CLASS, "vendor_class", 1),
    (opt.USER_CLASS, "user_class", 1),
    (opt.ARCH, "arch", 2),
    (opt.UUID, "uuid", 17),
    (opt.PARAMETERS, "parameters", 1),
    (opt.CLIENT_ID, "client_id", 2),
    (opt.MESSAGE, "message", 0),
)
"""Options that only describe, their fields, and the least octets that their definition allows."""


def _note(request: DhcpRequest, found: dict[int, bytes], odds: list[Odd]) -> None:
    """Adds to `odds` the options that were sent and cannot be read, or are shorter than their definition allows."""
    for code, name, least in _TYPED:
        raw = found.get(code)
        if raw is not None and (len(raw) < least or (raw and getattr(request, name) in ("", (), None))):
            odds.append(Odd("length" if len(raw) < least else "value", code))


def _bounded(found: dict[int, bytes], code: int, most: int, odds: list[Odd]) -> bytes:
    """A value that is echoed or kept. A value of more than `most` octets counts as absent."""
    raw = found.get(code, b"")
    if len(raw) > most:
        odds.append(Odd("too_long", code))
        return b""
    return raw


def encode(reply: DhcpReply) -> bytes:
    """A server's packet (BOOTREPLY) of 300 to 1472 octets. Raises ValueError if a field cannot be encoded."""
    to, nak = reply.to, reply.kind is DhcpKind.NAK
    out = [b"\x35\x01" + bytes((reply.kind,))]
    put = out.append
    if reply.server_id:
        put(b"\x36\x04" + address_octets(reply.server_id))
    if not nak:
        _put_lease(reply, put)
    if reply.vendor_class:
        put(text_option(opt.VENDOR_CLASS, reply.vendor_class))
    if reply.message:
        put(text_option(opt.MESSAGE, reply.message))
    if reply.uuid is not None:
        put(b"\x61\x11" + opt.uuid_octets(reply.uuid))
    if to.client_id:
        put(option(opt.CLIENT_ID, bytes.fromhex(to.client_id)))
    if to.relay:
        put(option(opt.RELAY, bytes.fromhex(to.relay)))
    out.append(b"\xff")
    head = _HEAD.pack(
        2,
        to.htype,
        to.hlen,
        0,
        to.xid,
        0,
        _BROADCAST if to.broadcast or (nak and to.giaddr) else 0,
        address_octets("" if nak else to.ciaddr),
        address_octets("" if nak else reply.yiaddr),
        address_octets("" if nak else reply.siaddr),
        address_octets(to.giaddr),
        bytes.fromhex(to.mac.replace(":", "")),
        b"" if nak else _field(reply.tftp_server, 64),
        b"" if nak else _field(reply.filename, 128),
        _COOKIE,
    )
    packet = head + b"".join(out)
    if len(packet) > MAX_REPLY:
        raise ValueError(f"DHCP reply of {len(packet)} octets is more than {MAX_REPLY}")
    return packet.ljust(MIN_PACKET, b"\0")


def _put_lease(reply: DhcpReply, put: Callable[[bytes], None]) -> None:
    """Adds the options that an offer and an ACK carry, and a NAK does not (RFC 2131 table 3)."""
    if reply.lease_s:
        put(b"\x33\x04" + _U32.pack(reply.lease_s))
    if reply.t1_s:
        put(b"\x3a\x04" + _U32.pack(reply.t1_s))
    if reply.t2_s:
        put(b"\x3b\x04" + _U32.pack(reply.t2_s))
    if reply.mask:
        put(b"\x01\x04" + address_octets(reply.mask))
    if reply.routers:
        put(option(opt.ROUTERS, b"".join(map(address_octets, reply.routers))))
    if reply.dns:
        put(option(opt.DNS, b"".join(map(address_octets, reply.dns))))
    if reply.hostname:
        put(text_option(opt.HOSTNAME, reply.hostname))
    if reply.domain:
        put(text_option(opt.DOMAIN, reply.domain))
    if reply.ntp:
        put(option(opt.NTP, b"".join(map(address_octets, reply.ntp))))
    if reply.tftp_server:
        put(text_option(opt.TFTP_SERVER, reply.tftp_server))
    if reply.filename:
        put(text_option(opt.FILENAME, reply.filename))
    if reply.vendor_options:
        put(option(opt.VENDOR_OPTIONS, bytes.fromhex(reply.vendor_options)))
    if reply.ipxe_options:
        put(option(opt.IPXE, bytes.fromhex(reply.ipxe_options)))
    if reply.subnet:
        put(b"\x76\x04" + address_octets(reply.subnet))


def encode_request(request: DhcpRequest) -> bytes:
    """A client's packet (BOOTREQUEST) of at least 300 octets. Raises ValueError if a field cannot be encoded."""
    out = [option(opt.KIND, bytes((request.kind,)))]
    put = out.append
    if request.requested:
        put(option(opt.REQUESTED, address_octets(request.requested)))
    if request.server_id:
        put(option(opt.SERVER_ID, address_octets(request.server_id)))
    if request.max_size:
        put(option(opt.MAX_SIZE, _U16.pack(request.max_size)))
    if request.client_id:
        put(option(opt.CLIENT_ID, bytes.fromhex(request.client_id)))
    if request.hostname:
        put(option(opt.HOSTNAME, request.hostname.encode("ascii")))
    if request.vendor_class:
        put(option(opt.VENDOR_CLASS, request.vendor_class.encode("ascii")))
    if request.user_class:
        put(option(opt.USER_CLASS, opt.user_class_octets(request.user_class)))
    if request.arch is not None:
        put(option(opt.ARCH, _U16.pack(request.arch)))
    if request.uuid is not None:
        put(option(opt.UUID, opt.uuid_octets(request.uuid)))
    if request.parameters:
        put(option(opt.PARAMETERS, bytes(request.parameters)))
    if request.vendor_options:
        put(option(opt.VENDOR_OPTIONS, bytes.fromhex(request.vendor_options)))
    if request.subnet:
        put(option(opt.SUBNET, address_octets(request.subnet)))
    if request.message:
        put(option(opt.MESSAGE, request.message.encode("ascii")))
    if request.relay:
        put(option(opt.RELAY, bytes.fromhex(request.relay)))
    out.append(b"\xff")
    head = _HEAD.pack(
        1,
        request.htype,
        request.hlen,
        request.hops,
        request.xid,
        request.secs,
        _BROADCAST if request.broadcast else 0,
        address_octets(request.ciaddr),
        address_octets(""),
        address_octets(""),
        address_octets(request.giaddr),
        bytes.fromhex(request.mac.replace(":", "")),
        b"",
        b"",
        _COOKIE,
    )
    return (head + b"".join(out)).ljust(MIN_PACKET, b"\0")


def decode_reply(data: bytes) -> DhcpReply:
    """A server's packet (BOOTREPLY), as a client reads it. Raises Malformed."""
    odds: list[Odd] = []
    (_, htype, hlen, _, xid, _, flags, ciaddr, yiaddr, siaddr, giaddr, mac, sname, file, _), found = _open(data, 2, odds)
    get = found.get
    kind = _TELLS.get(opt.fixed(found, opt.KIND, 1, odds) or b"")
    if kind is None:
        raise Malformed("kind", opt.KIND)
    overload = (get(opt.OVERLOAD) or b"\0")[0]
    overload = overload if overload <= 3 else 0
    return DhcpReply(
        kind=kind,
        to=ReplyTo(
            xid=xid,
            mac=mac.hex(":"),
            broadcast=flags & _BROADCAST != 0,
            ciaddr=address(ciaddr),
            giaddr=address(giaddr),
            relay=get(opt.RELAY, b"").hex(),
            client_id=_bounded(found, opt.CLIENT_ID, 255, odds).hex(),
            htype=htype,
            hlen=hlen,
        ),
        yiaddr=address(yiaddr),
        siaddr=address(siaddr),
        server_id=opt.one_address(found, opt.SERVER_ID, odds),
        lease_s=opt.number(found, opt.LEASE, 4, odds),
        t1_s=opt.number(found, opt.T1, 4, odds),
        t2_s=opt.number(found, opt.T2, 4, odds),
        mask=opt.one_address(found, opt.MASK, odds),
        routers=opt.addresses(found, opt.ROUTERS, odds),
        dns=opt.addresses(found, opt.DNS, odds),
        ntp=opt.addresses(found, opt.NTP, odds),
        domain=opt.text(get(opt.DOMAIN)),
        hostname=opt.hostname(get(opt.HOSTNAME)),
        filename=opt.text(get(opt.FILENAME), 1024) or ("" if overload & 1 else _field_text(file)),
        tftp_server=opt.text(get(opt.TFTP_SERVER)) or ("" if overload & 2 else _field_text(sname)),
        vendor_class=opt.text(get(opt.VENDOR_CLASS)),
        vendor_options=get(opt.VENDOR_OPTIONS, b"").hex(),
        ipxe_options=get(opt.IPXE, b"").hex(),
        uuid=opt.uuid(get(opt.UUID)),
        subnet=opt.one_address(found, opt.SUBNET, odds),
        message=opt.text(get(opt.MESSAGE)),
    )


def _open(data: bytes, wanted: int, odds: list[Odd]) -> tuple[tuple[Any, ...], dict[int, bytes]]:
    """The fields of the head, and the options, of a packet whose `op` is the wanted one. Raises Malformed."""
    if len(data) < 240:
        raise Malformed("short")
    if len(data) > MAX_PACKET:
        raise Malformed("oversize")
    head = _HEAD.unpack_from(data)
    if head[0] != wanted:
        raise Malformed("op")
    htype, hlen, mac = head[1], head[2], head[11]
    if htype not in (1, 6) or mac[0] & 1 or mac == _NO_MAC:
        raise Malformed("hardware")
    if head[14] != _COOKIE:
        raise Malformed("cookie")
    if htype != 1 or hlen != 6:
        odds.append(Odd("hardware", 0))
    return head, opt.read(data, 240, odds)


def _field(value: str, size: int) -> bytes:
    raw = value.encode("ascii")
    return raw if len(raw) < size else b""  # the fields end with NUL; cut short they would name another file


def _field_text(raw: bytes) -> str:
    return opt.text(raw.partition(b"\0")[0])
