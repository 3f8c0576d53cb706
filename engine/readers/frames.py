"""Frames of LLDP and CDP: one as it was on the wire, a pcap file, or the TLVs of an inspector (`lldp_raw`, hexadecimal). -> the neighbours.

LLDP is decoded by `engine.wire.lldp`. CDP is decoded here, not by scapy: its licence keeps it out of the engine's process. Source: Cisco's
document 7055 (CDP format); libpcap's pcap-savefile(5). EDP, FDP and SONMP frames are refused by name.
"""

from __future__ import annotations

import ipaddress
import re
import struct

from engine.parts import Heard, Parts
from engine.readers import plain
from engine.readers.report import Refused, told
from engine.wire import lldp
from engine.wire.malformed import Malformed

MOST_FRAMES = 4096
_MAGICS = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_ETHERNET = 1
_SNAPS = {b"\x00\x00\x0c\x20\x00": "CDP", b"\x00\xe0\x2b\x00\xbb": "EDP", b"\x00\xe0\x52\x20\x00": "FDP", b"\x00\x00\x81\x01\xa2": "SONMP"}
"""OUI and type behind the LLC octets aa aa 03."""
_SNAPS |= {b"\x00\x00\x81\x01\xa1": "SONMP"}
_KINDS = {"MAC": "mac", "INTERFACE_NAME": "ifname", "INTERFACE_ALIAS": "ifalias", "ADDRESS": "ip", "PORT_COMPONENT": "component"}
_KINDS |= {"AGENT_CIRCUIT": "circuit", "LOCAL": "local"}
_CDP_CAPABILITIES = ((0x01, "router"), (0x02, "bridge"), (0x08, "bridge"), (0x10, "station"), (0x40, "repeater"), (0x80, "telephone"))


def looks_pcap(octets: str) -> bool:
    return octets[:4].encode("latin-1", "replace") in (*_MAGICS, _PCAPNG)


def looks_frame(octets: str) -> bool:
    head = octets[:24].encode("latin-1", "replace")
    return len(head) >= 22 and (_protocol(head) != "" or head[12:14] == b"\x88\xcc")


def looks_raw_tlvs(text: str) -> bool:
    return plain.begins_json(text, "lldp_raw")


def _protocol(frame: bytes) -> str:
    return _SNAPS.get(frame[17:22], "") if frame[14:17] == b"\xaa\xaa\x03" else ""


def read_frame(octets: str) -> Parts:
    """The neighbour that sent the frame. Raises Refused."""
    return Parts(heard=(_frame(octets[:65536].encode("latin-1", "replace")),))


def read_pcap(octets: str) -> Parts:
    """The neighbours in a capture, each once. Frames that cannot be read are counted in `odd`. Raises Refused where there is none."""
    data = octets.encode("latin-1", "replace")
    if data[:4] == _PCAPNG:
        raise Refused("the capture is pcapng; convert it with: editcap -F pcap IN OUT")
    order = _MAGICS.get(data[:4])
    if order is None or len(data) < 24:
        raise Refused("the capture has no whole pcap header")
    (network,) = struct.unpack(f"{order}I", data[20:24])
    if network & 0xFFFF != _ETHERNET:
        raise Refused(f"the capture is of link type {network & 0xFFFF}, not of Ethernet")
    heard: dict[Heard, None] = {}
    odd: dict[str, int] = {}
    at, frames = 24, 0
    while at + 16 <= len(data) and frames < MOST_FRAMES:
        (length,) = struct.unpack(f"{order}I", data[at + 8 : at + 12])
        frame = data[at + 16 : at + 16 + length]
        if len(frame) < length:
            odd["the last frame is cut"] = 1
            break
        at, frames = at + 16 + length, frames + 1
        try:
            heard[_frame(frame)] = None
        except Refused as refused:
            odd[str(refused)] = odd.get(str(refused), 0) + 1
    if not heard:
        raise Refused(f"no neighbour in {frames} frames; {next(iter(odd), 'the capture is empty')}")
    return Parts(heard=tuple(heard), odd=tuple(f"{count} frames: {why}" for why, count in odd.items())[:50])


def read_raw_tlvs(text: str) -> Parts:
    """`{"lldp_raw": {port: [[type, hexadecimal], ...]}}`, as an inspection stores it. Raises Refused where no port has a neighbour."""
    ports = plain.item(plain.tree(text), "lldp_raw")
    if not isinstance(ports, dict):
        raise Refused("the JSON has no object `lldp_raw`")
    heard, odd = [], []
    for nic, tlvs in list(ports.items())[:MOST_FRAMES]:
        pdu = b""
        for one in plain.many(tlvs):
            kind, value = (one[0], one[1]) if isinstance(one, list) and len(one) == 2 else (None, None)
            if isinstance(kind, int) and 0 <= kind <= 127 and isinstance(value, str) and re.fullmatch(r"(?:[0-9a-fA-F]{2}){0,511}", value):
                pdu += (kind << 9 | len(value) // 2).to_bytes(2, "big") + bytes.fromhex(value)
        try:
            heard.append(_of_lldp(lldp.decode(pdu), told(nic)))
        except Malformed as error:
            odd.append(f"{told(nic, 40)}: no LLDP unit ({error})")
    if odd and not heard:
        raise Refused(odd[0])
    return Parts(heard=tuple(heard), odd=tuple(odd[:50]))


def _frame(frame: bytes) -> Heard:
    protocol = _protocol(frame)
    if protocol == "CDP":
        return _cdp(frame[22:])
    if protocol:
        raise Refused(f"the frame is {protocol}, which is not read")
    try:
        return _of_lldp(lldp.decode_frame(frame), "")
    except Malformed as error:
        raise Refused(f"the frame is no LLDP and no CDP ({error})") from None


def _of_lldp(found: lldp.LldpNeighbour, nic: str) -> Heard:
    return Heard(
        nic=nic,
        chassis=found.chassis_id,
        port=found.port_id,
        port_kind=_KINDS.get(found.port_kind.name, ""),
        port_description=told(found.port_description),
        system=told(found.system_name),
        system_description=told(found.system_description),
        addresses=found.management,
        vlan=found.vlan or 0,
        capabilities=found.capabilities,
        ttl=found.ttl_s,
    )


def _cdp(packet: bytes) -> Heard:
    """Version, time to live, checksum; then TLVs whose length counts their own four octets."""
    if len(packet) < 4 or packet[0] not in (1, 2):
        raise Refused("the CDP packet has no version 1 or 2")
    tlvs: dict[int, bytes] = {}
    at = 4
    while at + 4 <= len(packet):
        kind, length = struct.unpack(">HH", packet[at : at + 4])
        if length < 4 or at + length > len(packet):
            break
        tlvs.setdefault(kind, packet[at + 4 : at + length])
        at += length
    device, port = (told(tlvs.get(kind, b"").decode("utf-8", "replace")) for kind in (1, 3))
    if not device or not port:
        raise Refused("the CDP packet has no device id or no port id")
    bits = int.from_bytes(tlvs.get(4, b"")[:4], "big")
    platform, version = (told(tlvs.get(kind, b"").decode("utf-8", "replace")) for kind in (6, 5))
    vlan, mtu = int.from_bytes(tlvs.get(10, b"")[:2], "big"), int.from_bytes(tlvs.get(17, b"")[:4], "big")
    return Heard(
        nic="",
        protocol="cdp",
        chassis=device,
        port=port,
        port_kind="ifname",
        system=device,
        system_description=told(f"{platform} {version}"),
        addresses=tuple(dict.fromkeys([*_addresses(tlvs.get(22, b"")), *_addresses(tlvs.get(2, b""))])),
        vlan=vlan if vlan <= 4094 else 0,
        capabilities=tuple(dict.fromkeys(word for bit, word in _CDP_CAPABILITIES if bits & bit)),
        mtu=mtu if mtu <= 65535 else 0,
        ttl=packet[1],
    )


def _addresses(value: bytes) -> list[str]:
    """Counted addresses: type and length of the protocol, the protocol, length of the address, the address."""
    out: list[str] = []
    at = 4
    for _ in range(min(int.from_bytes(value[:4], "big"), 8)):
        length = value[at + 1] if at + 1 < len(value) else 255
        size = int.from_bytes(value[at + 2 + length : at + 4 + length], "big")
        raw = value[at + 4 + length : at + 4 + length + size]
        if len(raw) < size or size not in (4, 16):
            break
        if any(raw):
            out.append(str(ipaddress.ip_address(raw)))
        at += 4 + length + size
    return out
