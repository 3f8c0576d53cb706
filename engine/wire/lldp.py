"""LLDP (IEEE 802.1AB-2016): frames <-> `LldpNeighbour`, the other end of a cable as it describes itself.

Rules
* A neighbour is its chassis id and its port id. A unit is malformed if one of them is absent, empty, or longer than 255 octets.
* No other fault drops the unit. The standard (clause 9.2.7.7) drops more, but a switch with one bad TLV still shows where a cable goes.
* A badly formed TLV is left out and counted in `discarded`: a TLV that runs past the end of the unit, a second id or time to live, one
  out of order, a bad optional TLV. Of two equal TLVs the first counts. A unit without a time to live has the usual one.
* TLVs that this program does not read (802.3, MED, other organisations) are skipped, whatever they hold.
* An id of an undefined subtype counts as one that its sender made up (`LOCAL`).
* An End TLV ends the unit. It may be missing (optional since 2009). Octets after it are Ethernet padding.
* Malformed reasons: short, ethertype, oversize, chassis_id, port_id.

Rendering: a MAC as aa:bb:cc:dd:ee:ff, an address as the `ipaddress` module writes it, names as text. Text is UTF-8 by the standard. Text
that is not printable is shown as hex, because some NIC firmware sends raw octets under subtype "local". Trap: many switches send NULs and
spaces at the end; they are cut. Line ends within a system description become spaces.

Bounds: 1500 octets, 8 management addresses. CDP and other vendors' protocols are not LLDP. Their ethertype differs, so they are refused.
"""

from __future__ import annotations

import ipaddress
import re
from enum import IntEnum

from msgspec import Struct

from engine.wire.malformed import Malformed

__all__ = ["ChassisKind", "LldpNeighbour", "Malformed", "PortKind", "decode", "decode_frame", "encode", "encode_frame"]

ETHERTYPE = 0x88CC
NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
MAX_PDU = 1500
MAX_MANAGEMENT = 8
USUAL_TTL_S = 121
"""Seconds, for a unit without a time to live: msgTxHold (4) times msgTxInterval (30 s), plus 1 (9.2.5.22)."""
_VLAN_TAGS = (0x8100, 0x88A8)
_IEEE_8021_PVID = b"\x00\x80\xc2\x01"
"""IEEE 802.1, Port VLAN ID (802.1AB-2016, annex D)."""


class ChassisKind(IntEnum):
    """Subtype of the chassis id (8.5.2.2)."""

    COMPONENT = 1
    INTERFACE_ALIAS = 2
    PORT_COMPONENT = 3
    MAC = 4
    ADDRESS = 5
    INTERFACE_NAME = 6
    LOCAL = 7


class PortKind(IntEnum):
    """Subtype of the port id (8.5.3.2)."""

    INTERFACE_ALIAS = 1
    PORT_COMPONENT = 2
    MAC = 3
    ADDRESS = 4
    INTERFACE_NAME = 5
    AGENT_CIRCUIT = 6
    LOCAL = 7


class LldpNeighbour(Struct, frozen=True, kw_only=True, gc=False):
    """What one LLDPDU says. Text that was not sent is ""."""

    chassis_kind: ChassisKind
    chassis_id: str
    port_kind: PortKind
    port_id: str
    ttl_s: int  # 0: the sender says goodbye, forget it
    port_description: str = ""
    system_name: str = ""
    system_description: str = ""
    capabilities: tuple[str, ...] = ()  # that are enabled
    management: tuple[str, ...] = ()
    vlan: int | None = None  # untagged VLAN of the port (802.1 PVID)
    discarded: int = 0  # TLVs that were badly formed or in the wrong place


_CAPABILITIES = (
    "other",
    "repeater",
    "bridge",
    "wlan",
    "router",
    "telephone",
    "docsis",
    "station",
    "cvlan",
    "svlan",
    "relay",
)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}\Z")
_TEXTS = {4: "port_description", 5: "system_name", 6: "system_description"}


def decode_frame(frame: bytes) -> LldpNeighbour:
    """The neighbour that sent an Ethernet frame, which may have up to two VLAN tags. Raises Malformed."""
    at = 12
    while len(frame) >= at + 2:
        kind = int.from_bytes(frame[at : at + 2], "big")
        if kind == ETHERTYPE:
            return decode(frame[at + 2 :])
        if kind not in _VLAN_TAGS or at > 16:
            raise Malformed("ethertype")
        at += 4
    raise Malformed("short")


def decode(pdu: bytes) -> LldpNeighbour:
    """The neighbour that sent an LLDPDU: the octets behind the ethertype. Raises Malformed."""
    if len(pdu) > MAX_PDU:
        raise Malformed("oversize")
    tlvs, discarded = _split(pdu)
    heads: dict[int, bytes] = {}
    rest: list[tuple[int, bytes]] = []
    for place, (kind, value) in enumerate(tlvs, 1):
        if kind > 3:
            rest.append((kind, value))
            continue
        discarded += kind != place
        heads.setdefault(kind, value)
    chassis, port, ttl = heads.get(1, b""), heads.get(2, b""), heads.get(3, b"")
    if not 2 <= len(chassis) <= 256:
        raise Malformed("chassis_id", 1)
    if not 2 <= len(port) <= 256:
        raise Malformed("port_id", 2)
    if len(ttl) < 2:
        discarded += 1
    ttl_s = int.from_bytes(ttl[:2], "big") if len(ttl) >= 2 else USUAL_TTL_S
    chassis_kind = ChassisKind(chassis[0]) if chassis[0] in ChassisKind._value2member_map_ else ChassisKind.LOCAL
    port_kind = PortKind(port[0]) if port[0] in PortKind._value2member_map_ else PortKind.LOCAL
    texts, capabilities, management, vlan, bad = _optional(rest)
    return LldpNeighbour(
        chassis_kind=chassis_kind,
        chassis_id=_identity(chassis_kind is ChassisKind.MAC, chassis_kind is ChassisKind.ADDRESS, chassis[1:]),
        port_kind=port_kind,
        port_id=_identity(port_kind is PortKind.MAC, port_kind is PortKind.ADDRESS, port[1:]),
        ttl_s=ttl_s,
        capabilities=capabilities or (),
        management=tuple(management),
        vlan=vlan,
        discarded=discarded + bad,
        **texts,
    )


def _optional(tlvs: list[tuple[int, bytes]]) -> tuple[dict[str, str], tuple[str, ...] | None, list[str], int | None, int]:
    """Texts, capabilities, management addresses, VLAN, and how many TLVs were badly formed."""
    discarded = 0
    texts: dict[str, str] = {}
    capabilities: tuple[str, ...] | None = None
    management: list[str] = []
    vlan: int | None = None
    for kind, value in tlvs:
        if kind in _TEXTS:
            if len(value) > 255:
                discarded += 1
            else:
                texts.setdefault(_TEXTS[kind], _text(value))
        elif kind == 7:
            if len(value) != 4:
                discarded += 1
            elif capabilities is None:
                enabled = int.from_bytes(value[2:], "big")
                capabilities = tuple([name for bit, name in enumerate(_CAPABILITIES) if enabled >> bit & 1])
        elif kind == 8:
            address = _management(value)
            if address is None:
                discarded += 1
            elif address not in management and len(management) < MAX_MANAGEMENT:
                management.append(address)
        elif kind == 127:
            if len(value) < 4:
                discarded += 1
            elif value[:4] == _IEEE_8021_PVID:
                if len(value) != 6 or (number := int.from_bytes(value[4:], "big")) > 4094:
                    discarded += 1
                elif vlan is None and number:  # 0: the port has none
                    vlan = number
    return texts, capabilities, management, vlan, discarded


def encode(neighbour: LldpNeighbour) -> bytes:
    """The LLDPDU of `neighbour`. Raises ValueError if a field cannot be encoded."""
    chassis, port = neighbour.chassis_kind, neighbour.port_kind
    chassis_id = _octets(chassis is ChassisKind.MAC, chassis is ChassisKind.ADDRESS, neighbour.chassis_id)
    port_id = _octets(port is PortKind.MAC, port is PortKind.ADDRESS, neighbour.port_id)
    out = [
        _tlv(1, bytes((chassis,)) + chassis_id),
        _tlv(2, bytes((port,)) + port_id),
        _tlv(3, neighbour.ttl_s.to_bytes(2, "big")),
    ]
    for kind, name in _TEXTS.items():
        words: str = getattr(neighbour, name)
        if words:
            out.append(_tlv(kind, words.encode()))
    if neighbour.capabilities:
        bits = sum(1 << _CAPABILITIES.index(name) for name in neighbour.capabilities)
        out.append(_tlv(7, bits.to_bytes(2, "big") * 2))
    for address in neighbour.management:
        raw = _octets(False, True, address)
        # Interface numbering 1 (unknown), number 0, no object id (8.5.9).
        out.append(_tlv(8, bytes((len(raw),)) + raw + b"\x01" + bytes(5)))
    if neighbour.vlan is not None:
        out.append(_tlv(127, _IEEE_8021_PVID + neighbour.vlan.to_bytes(2, "big")))
    pdu = b"".join(out) + b"\0\0"
    if len(pdu) > MAX_PDU:
        raise ValueError(f"LLDPDU of {len(pdu)} octets is more than {MAX_PDU}")
    return pdu


def encode_frame(neighbour: LldpNeighbour, *, from_mac: bytes, to_mac: bytes = NEAREST_BRIDGE) -> bytes:
    """The Ethernet frame, padded to 60 octets, without its check sequence. Raises ValueError if a field cannot be encoded."""
    return (to_mac + from_mac + ETHERTYPE.to_bytes(2, "big") + encode(neighbour)).ljust(60, b"\0")


def _split(pdu: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The TLVs, and how many (0 or 1) ran past the end."""
    found: list[tuple[int, bytes]] = []
    at, end = 0, len(pdu)
    while at < end:
        if at + 2 > end:
            return found, 1
        head = pdu[at] << 8 | pdu[at + 1]
        kind, stop = head >> 9, at + 2 + (head & 0x1FF)
        if kind == 0:
            break
        if stop > end:
            return found, 1
        found.append((kind, pdu[at + 2 : stop]))
        at = stop
    return found, 0


def _tlv(kind: int, value: bytes) -> bytes:
    if len(value) > (256 if kind in (1, 2) else 255 if kind in _TEXTS else 511):
        raise ValueError(f"LLDP TLV {kind} of {len(value)} octets is too long")
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


def _text(raw: bytes) -> str:
    raw = raw.rstrip(b"\0")
    try:
        found = " ".join(raw.decode().splitlines()).strip()
    except UnicodeDecodeError:
        return raw.hex(":")
    return found if found.isprintable() else raw.hex(":")


def _address(raw: bytes) -> str | None:
    """A network address behind its IANA family number: 1 IPv4, 2 IPv6, 6 a MAC (8.5.2.3, 8.5.9.3)."""
    family, rest = raw[0], raw[1:]
    if (family, len(rest)) in ((1, 4), (2, 16)):
        return str(ipaddress.ip_address(rest))
    if (family, len(rest)) == (6, 6):
        return rest.hex(":")
    return None


def _identity(is_mac: bool, is_address: bool, raw: bytes) -> str:
    if is_mac:
        return raw.hex(":")
    if is_address:
        return _address(raw) or raw.hex(":")
    return _text(raw)


def _octets(is_mac: bool, is_address: bool, shown: str) -> bytes:
    if is_mac:
        raw = bytes.fromhex(shown.replace(":", ""))
    elif not is_address:
        raw = shown.encode()
    elif _MAC.match(shown):
        raw = b"\x06" + bytes.fromhex(shown.replace(":", ""))
    else:
        address = ipaddress.ip_address(shown)
        raw = (b"\x01" if address.version == 4 else b"\x02") + address.packed
    if not raw:
        raise ValueError("an LLDP id or address has no octets")
    return raw


def _management(value: bytes) -> str | None:
    """The address of a management address TLV (8.5.9): counted address, interface numbering and number, counted OID."""
    if len(value) < 9:
        return None
    size = value[0]  # of the family and the address
    if not 2 <= size <= 32 or len(value) < size + 7:
        return None
    oid = value[size + 6]
    if oid > 128 or len(value) < size + 7 + oid:
        return None
    return _address(value[1 : size + 1])
