"""What an IPMI BMC tells of its machine: the label of system, board and chassis, and its own firmware. It knows no DIMMs and no drives.

The FRU has areas (Platform Management FRU Information Storage Definition 1.0): the header (8) says where each begins, in units of 8 octets.
A chassis's (10) has its type, then part number and serial number. A board's (11) has maker, name, serial number and part number behind its
date. A product's (12) has maker, name, part number, version, serial number and asset tag.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from ..parts import Firmware, Parts, Product
from ..readers.report import told
from . import SessionFailed
from .ipmi_identity import field, fru_areas, guid
from .ipmi_session import IpmiSession

_APP, _DEVICE_ID = 0x06, 0x01
_CHASSIS, _BOARD, _PRODUCT = 2, 3, 4
"""Octet of the header that says where the area begins."""
_KINDS = {0x11: "Main Server Chassis", 0x17: "Rack Mount Chassis", 0x19: "Multi-system", 0x1C: "Blade", 0x1D: "Blade Enclosing"}
"""Types of chassis, as SMBIOS counts them (DSP0134 7.4.1)."""


def parts(session: IpmiSession) -> Parts:
    """A part that the BMC does not tell is absent. Raises `SessionFailed` if it tells nothing at all."""
    product, board, chassis = fru_areas(session, _PRODUCT, _BOARD, _CHASSIS)
    found = Parts(system=_system(session, product), board=_board(board), chassis=_chassis(chassis), firmware=_firmware(session))
    if found == Parts():
        raise SessionFailed("unsupported", "it tells neither a FRU nor its own firmware")
    return found


def _system(session: IpmiSession, area: bytes) -> Product | None:
    vendor, model, number, version, serial, asset = (told(field(area, 3, at)) for at in range(6))
    uuids = guid(session).uuids
    found = Product(vendor=vendor, model=model, number=number, version=version, serial=serial, asset=asset)
    return replace(found, uuid=uuids[0] if uuids else "") if found != Product() else None


def _board(area: bytes) -> Product | None:
    vendor, model, serial, number = (told(field(area, 6, at)) for at in range(4))
    found = Product(vendor=vendor, model=model, serial=serial, number=number)
    return found if found != Product() else None


def _chassis(area: bytes) -> Product | None:
    number, serial = (told(field(area, 3, at)) for at in range(2))
    found = Product(number=number, serial=serial, kind=_KINDS.get(area[2], "") if len(area) > 2 else "")
    return found if found != Product() else None


def _firmware(session: IpmiSession) -> tuple[Firmware, ...]:
    """IPMI 2.0 20.1: the revision is two octets, the second in BCD."""
    with suppress(SessionFailed):
        said = session.command(_APP, _DEVICE_ID)
        if len(said) >= 4 and said[2] & 0x7F:
            return (Firmware(part="bmc", version=f"{said[2] & 0x7F}.{said[3]:02x}"),)
    return ()
