"""What an IPMI BMC says of its machine and shows to it: GUID, the serials of its FRU, and the notes that the machine wrote into it.

Numbers are sections of IPMI 2.0. The FRU's layout is that of the Platform Management FRU Information Storage Definition, 1.0.

A note is a text that the machine itself wrote from within:

    system name   parameter 2 of the system information (22.14a, 22.14b): one block of 16 octets holds 14 characters
    SEL entry     a record of type E0h to FFh (31.5, 31.6, 32.3): OEM, without a timestamp, 13 octets
"""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from . import Identity, SessionFailed
from .ipmi_session import IpmiSession

_APP, _STORAGE = 0x06, 0x0A
_GUID, _GET_INFO, _FRU_SIZE, _FRU_READ, _SEL_ENTRY = 0x37, 0x59, 0x10, 0x11, 0x43
_SYSTEM_NAME = 2
_CHUNK, _LARGEST = 16, 2048
_SIX_BIT = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_"
_BCD = "0123456789 -.   "
CHASSIS_SERIAL, PRODUCT_SERIAL = 1, 4
"""Which field of its area: the part number comes before the chassis's; maker, name, part number and version before the product's."""


def guid(session: IpmiSession) -> Identity:
    """The GUID (22.14), which is the UUID of SMBIOS if the maker kept to it; in the two orders of octets that makers use."""
    with suppress(SessionFailed):
        octets = session.command(_APP, _GUID)
        if len(octets) == 16:
            return Identity(uuids=(str(UUID(bytes=octets)), str(UUID(bytes=octets[::-1]))))
    return Identity()


def serials(session: IpmiSession) -> tuple[str, ...]:
    """Serials of product and chassis in the FRU. Empty: it has none, or none that can be read."""
    areas = fru_areas(session, 4, 2)
    found = (field(area, 3, number) for area, number in zip(areas, (PRODUCT_SERIAL, CHASSIS_SERIAL), strict=True))
    return tuple(one for one in found if one)


def fru_areas(session: IpmiSession, *places: int) -> tuple[bytes, ...]:
    """The areas of the first FRU, where these octets of its header say. Empty octets: it has none, or none that can be read."""
    try:
        size = session.command(_STORAGE, _FRU_SIZE, [0])
        most = min(size[0] | size[1] << 8, _LARGEST)
        header = _octets(session, 0, min(8, most))
        return tuple(_area(session, header[place] * 8, most) for place in places)
    except (SessionFailed, IndexError):
        return (b"",) * len(places)


def _area(session: IpmiSession, at: int, most: int) -> bytes:
    if not at or at + 2 > most:
        return b""
    length = _octets(session, at, 2)[1] * 8
    return _octets(session, at, min(length, most - at))


def field(area: bytes, at: int, number: int) -> str:
    """Field `number` (from 0) of an area whose fields begin at `at`. Empty: there is none."""
    for _ in range(number + 1):
        if at >= len(area) or area[at] == 0xC1:
            return ""
        kind, length = area[at] >> 6, area[at] & 0x3F
        octets = area[at + 1 : at + 1 + length]
        at += 1 + length
    match kind:
        case 3:
            text = octets.decode("latin-1")
        case 2:
            bits = int.from_bytes(octets, "little")
            text = "".join(_SIX_BIT[bits >> 6 * i & 0x3F] for i in range(len(octets) * 8 // 6))
        case 1:
            text = "".join(_BCD[octet >> 4] + _BCD[octet & 0xF] for octet in octets)
        case _:
            return ""
    return text.replace("\0", " ").strip()


def note(session: IpmiSession, record: int) -> str:
    """The text in SEL entry `record`; 0: the system name. Raises `SessionFailed`."""
    if record:
        found = session.command(_STORAGE, _SEL_ENTRY, [0, 0, record & 0xFF, record >> 8 & 0xFF, 0, 0xFF])
        if len(found) < 18 or found[4] < 0xE0:
            raise SessionFailed("refused", f"entry {record} of its event log is not the machine's")
        return found[5:18].decode("ascii", errors="replace").rstrip("\0")
    found = session.command(_APP, _GET_INFO, [0, _SYSTEM_NAME, 0, 0])
    if len(found) < 4:
        raise SessionFailed("refused", "its system name cannot be read")
    return found[4 : 4 + min(found[3], 14)].decode("ascii", errors="replace")


def _octets(session: IpmiSession, at: int, count: int) -> bytes:
    """Octets of the FRU. Raises `SessionFailed`, IndexError."""
    out = b""
    while len(out) < count:
        here = at + len(out)
        got = session.command(_STORAGE, _FRU_READ, [0, here & 0xFF, here >> 8, min(_CHUNK, count - len(out))])
        piece = got[1 : 1 + got[0]]
        if not piece:
            break
        out += piece
    return out
