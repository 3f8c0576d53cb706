"""DHCPv4 (RFC 2131, 2132) with what network boot needs: PXE (RFC 4578), relays (RFC 3046, 8357), user class (RFC 3004).

Server: `decode` bytes to `DhcpRequest`, `encode` a `DhcpReply` to bytes. The rehearsed nodes use the other side of the
same records, `encode_request` and `decode_reply`: `decode(encode_request(r)) == r` and `decode_reply(encode(r)) == r`.

Rules
* Decoding raises nothing but `Malformed`, with one of these reasons: short, oversize, op, hardware, cookie, kind,
  option_truncated, option_length, overload, client_id, relay. What is only descriptive (host name, classes, UUID,
  architecture) is dropped when it is not well-typed; what decides an address makes the packet malformed.
* What is echoed is at most 255 octets, so that no request can make a reply too long to send.
* Ethernet only (htype 1, hlen 6); no plain BOOTP: without the magic cookie and a kind nothing is leased.
* A reply is at least 300 octets, as relays and old ROMs expect (RFC 1542 2.1), at most 1472, one Ethernet frame.
* A NAK carries nothing but server, message and echoes (RFC 2131 table 3); through a relay it has the broadcast bit
  (4.3.2).

Traps: boot ROMs read the file name from the `file` field, UEFI HTTP boot from option 67, so both are written; over 127
octets only the option has room. Option 82 goes last (RFC 3046 2.1). The client id is echoed (RFC 6842), as clients
match replies by it.

A plain struct codec: a template per reply gained nothing, and scapy, the referee in the tests, is ten times slower.
The file is long because the two directions of a record are read side by side.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct as Packing

from msgspec import Struct

from engine.wire import dhcp_options as opt
from engine.wire.dhcp_options import address, address_octets, option, swapped_uuid
from engine.wire.malformed import Malformed

__all__ = [
    "DhcpKind",
    "DhcpReply",
    "DhcpRequest",
    "Malformed",
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
    parameters: tuple[int, ...] = ()
    max_size: int = 0  # option 57, octets, 0 for not given
    vendor_options: str = ""  # option 43 in hex: the boot item on port 4011
    message: str = ""  # option 56: why a client declines
    source_ip: str = ""  # of the datagram
    source_port: int = 0


class ReplyTo(Struct, frozen=True, kw_only=True, gc=False):
    """What of the request is needed to address the reply and echo to it."""

    xid: int
    mac: str
    broadcast: bool = False
    ciaddr: str = ""
    giaddr: str = ""
    relay_port: int = SERVER_PORT  # never on the wire; where the relay hears
    relay: str = ""
    client_id: str = ""


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
    message: str = ""


def reply_to(request: DhcpRequest) -> ReplyTo:
    """How a reply finds back to `request`."""
    return ReplyTo(
        xid=request.xid,
        mac=request.mac,
        broadcast=request.broadcast,
        ciaddr=request.ciaddr,
        giaddr=request.giaddr,
        relay_port=request.source_port or SERVER_PORT if request.relay_port_asked else SERVER_PORT,
        relay=request.relay,
        client_id=request.client_id,
    )


def decode(data: bytes, source: tuple[str, int] = ("", 0)) -> DhcpRequest:
    """A client's packet (BOOTREQUEST) that came from `source`. Raises Malformed."""
    if len(data) < 240:
        raise Malformed("short")
    if len(data) > MAX_PACKET:
        raise Malformed("oversize")
    op, htype, hlen, hops, xid, secs, flags, ciaddr, _, _, giaddr, mac, _, _, cookie = _HEAD.unpack_from(data)
    if op != 1:
        raise Malformed("op")
    _check(htype, hlen, mac, cookie)
    found = opt.read(data, 240)
    get = found.get
    kind = _ASKS.get(get(opt.KIND, b""))
    if kind is None:
        raise Malformed("kind")
    arch, relay = get(opt.ARCH), get(opt.RELAY, b"")
    if len(relay) > 255:
        raise Malformed("relay")
    vendor_options = get(opt.VENDOR_OPTIONS, b"")
    return DhcpRequest(
        kind=kind,
        xid=xid,
        mac=mac.hex(":"),
        secs=secs,
        hops=hops,
        broadcast=flags & _BROADCAST != 0,
        ciaddr=address(ciaddr),
        giaddr=address(giaddr),
        requested=opt.one_address(found, opt.REQUESTED),
        server_id=opt.one_address(found, opt.SERVER_ID),
        client_id=_client_id(found),
        hostname=opt.hostname(get(opt.HOSTNAME)),
        vendor_class=opt.text(get(opt.VENDOR_CLASS)),
        user_class=opt.user_classes(get(opt.USER_CLASS)),
        arch=arch[0] << 8 | arch[1] if arch and len(arch) % 2 == 0 else None,
        uuid=opt.uuid(get(opt.UUID)),
        relay=relay.hex(),
        relay_port_asked=bool(relay) and opt.asks_relay_port(relay),
        parameters=tuple(get(opt.PARAMETERS, b"")[:255]),
        max_size=opt.number(found, opt.MAX_SIZE, 2),
        vendor_options=vendor_options.hex() if len(vendor_options) <= 255 else "",
        message=opt.text(get(opt.MESSAGE)),
        source_ip=source[0],
        source_port=source[1],
    )


def encode(reply: DhcpReply) -> bytes:
    """A server's packet (BOOTREPLY) of 300 to 1472 octets. Raises ValueError where a field has no place on the wire."""
    to, nak = reply.to, reply.kind is DhcpKind.NAK
    out = [b"\x35\x01" + bytes((reply.kind,))]
    put = out.append
    if reply.server_id:
        put(b"\x36\x04" + address_octets(reply.server_id))
    if not nak:
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
            put(option(opt.HOSTNAME, reply.hostname.encode("ascii")))
        if reply.domain:
            put(option(opt.DOMAIN, reply.domain.encode("ascii")))
        if reply.ntp:
            put(option(opt.NTP, b"".join(map(address_octets, reply.ntp))))
        if reply.tftp_server:
            put(option(opt.TFTP_SERVER, reply.tftp_server.encode("ascii")))
        if reply.filename:
            put(option(opt.FILENAME, reply.filename.encode("ascii")))
        if reply.vendor_options:
            put(option(opt.VENDOR_OPTIONS, bytes.fromhex(reply.vendor_options)))
        if reply.ipxe_options:
            put(option(opt.IPXE, bytes.fromhex(reply.ipxe_options)))
    if reply.vendor_class:
        put(option(opt.VENDOR_CLASS, reply.vendor_class.encode("ascii")))
    if reply.message:
        put(option(opt.MESSAGE, reply.message.encode("ascii")))
    if reply.uuid is not None:
        put(b"\x61\x11" + opt.uuid_octets(reply.uuid))
    if to.client_id:
        put(option(opt.CLIENT_ID, bytes.fromhex(to.client_id)))
    if to.relay:
        put(option(opt.RELAY, bytes.fromhex(to.relay)))
    out.append(b"\xff")
    head = _HEAD.pack(
        2,
        1,
        6,
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


def encode_request(request: DhcpRequest) -> bytes:
    """A client's packet, at least 300 octets. Raises ValueError where a field has no place on the wire."""
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
    if request.message:
        put(option(opt.MESSAGE, request.message.encode("ascii")))
    if request.relay:
        put(option(opt.RELAY, bytes.fromhex(request.relay)))
    out.append(b"\xff")
    head = _HEAD.pack(
        1,
        1,
        6,
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
    if len(data) < 240:
        raise Malformed("short")
    if len(data) > MAX_PACKET:
        raise Malformed("oversize")
    fields = _HEAD.unpack_from(data)
    op, htype, hlen, _, xid, _, flags, ciaddr, yiaddr, siaddr, giaddr, mac, sname, file, cookie = fields
    if op != 2:
        raise Malformed("op")
    _check(htype, hlen, mac, cookie)
    found = opt.read(data, 240)
    get = found.get
    kind = _TELLS.get(get(opt.KIND, b""))
    if kind is None:
        raise Malformed("kind")
    overload = get(opt.OVERLOAD, b"\0")[0]
    return DhcpReply(
        kind=kind,
        to=ReplyTo(
            xid=xid,
            mac=mac.hex(":"),
            broadcast=flags & _BROADCAST != 0,
            ciaddr=address(ciaddr),
            giaddr=address(giaddr),
            relay=get(opt.RELAY, b"").hex(),
            client_id=_client_id(found),
        ),
        yiaddr=address(yiaddr),
        siaddr=address(siaddr),
        server_id=opt.one_address(found, opt.SERVER_ID),
        lease_s=opt.number(found, opt.LEASE, 4),
        t1_s=opt.number(found, opt.T1, 4),
        t2_s=opt.number(found, opt.T2, 4),
        mask=opt.one_address(found, opt.MASK),
        routers=opt.addresses(found, opt.ROUTERS),
        dns=opt.addresses(found, opt.DNS),
        ntp=opt.addresses(found, opt.NTP),
        domain=opt.text(get(opt.DOMAIN)),
        hostname=opt.hostname(get(opt.HOSTNAME)),
        filename=opt.text(get(opt.FILENAME), 1024) or ("" if overload & 1 else _field_text(file)),
        tftp_server=opt.text(get(opt.TFTP_SERVER)) or ("" if overload & 2 else _field_text(sname)),
        vendor_class=opt.text(get(opt.VENDOR_CLASS)),
        vendor_options=get(opt.VENDOR_OPTIONS, b"").hex(),
        ipxe_options=get(opt.IPXE, b"").hex(),
        uuid=opt.uuid(get(opt.UUID)),
        message=opt.text(get(opt.MESSAGE)),
    )


def _check(htype: int, hlen: int, mac: bytes, cookie: bytes) -> None:
    if htype != 1 or hlen != 6 or mac[0] & 1 or mac == _NO_MAC:
        raise Malformed("hardware")
    if cookie != _COOKIE:
        raise Malformed("cookie")


def _client_id(found: dict[int, bytes]) -> str:
    raw = found.get(opt.CLIENT_ID)
    if not raw:
        return ""
    if len(raw) > 255:
        raise Malformed("client_id")
    return raw.hex()


def _field(value: str, size: int) -> bytes:
    raw = value.encode("ascii")
    return raw if len(raw) < size else b""  # the fields end with NUL; cut short they would name another file


def _field_text(raw: bytes) -> str:
    return opt.text(raw.partition(b"\0")[0])
