"""What a simulated BMC answers to each IPMI command: a table from (netfn, command) to a short method.

Rules
* The machine decides: power, boot device and identify go to its `Chassis`; the BMC has no power state of its own. Only the two flags of
  the boot order (persistent, UEFI) are kept here. They count for nothing once the chassis says `none`.
* A lying BMC accepts every write (code 0) and forwards none.
* It reports nothing that does not exist: its machine has the sensors of `sim_vitals`, which are none. The first SDR is the BMC itself
  (ipmitool tries to write an SDR repository that has none). Its FRU has maker, product and serial of the machine, if the label has them.
* What the machine writes into it (system name, entries of the event log) is the BMC's own. A lying BMC keeps that too.
* Unknown commands: C1h; too short a request: C7h; a chassis that raises: FFh, logged and counted.

Numbers from IPMI 2.0 appendix G; layouts from the sections named at the methods.
"""

from __future__ import annotations

import ipaddress
import logging
import time
import zlib
from collections.abc import Callable
from typing import ClassVar, Protocol

from .accounts import MOST, Accounts
from .label import About, fru
from .lan import Lan, LanValues
from .light import Light
from .session import ADMINISTRATOR, OPERATOR, SUITE_RECORDS, SUITES
from .sim_vitals import SimVitals

log = logging.getLogger(__name__)

OK, BAD_STATE, NO_COMMAND, NO_ROOM, TOO_SHORT, NOT_THERE, BAD_FIELD, NOT_ALLOWED, NO_PARAMETER, FAILED = (
    0x00,
    0xD5,
    0xC1,
    0xC4,
    0xC7,
    0xCB,
    0xCC,
    0xD4,
    0x80,
    0xFF,
)
_ACTIONS = {0: "off", 1: "on", 2: "cycle", 3: "reset", 4: "diag", 5: "soft"}
_DEVICES = {0: "none", 1: "network", 2: "disk", 5: "cdrom", 6: "setup"}
_KNOWS_LIGHT, _LIGHT = 0x40, {"off": 0x00, "temporary": 0x10, "indefinite": 0x20}
"""Octet 3 of the chassis status (section 28.2)."""
_CODES = {name: code for code, name in _DEVICES.items()}

# Management controller device locator (section 43.9): record 1 at 20h, entity 6 (system management module), SEL and SDR
_LOCATOR = b"\x01\x00\x51\x12\x0e" + b"\x20\x00\x00\x86\x00\x00\x00\x06\x01\x00\xc3BMC"

Answer = tuple[int, bytes]


class Chassis(Protocol):
    """The machine behind a BMC. Called from the farm's thread, so methods must be quick and thread-safe."""

    user: str
    password: str

    def power_state(self) -> bool: ...

    def power(self, action: str) -> None:
        """on, off, cycle, reset, soft (ask the operating system), diag."""

    def boot_device(self) -> str:
        """network, disk, cdrom, setup or none; none after a one-time order was used."""

    def set_boot_device(self, device: str, persistent: bool, uefi: bool) -> None: ...

    @property
    def light(self) -> Light: ...


class Commands:
    """The commands of one BMC. Its mood sets `lying` before each call."""

    def __init__(
        self, chassis: Chassis, about: About, address: str, mac: bytes, accounts: Accounts | None = None, lan: Lan | None = None
    ) -> None:
        """`lan`: its LAN channel; None: a fixed one with `address`."""
        self.chassis = chassis
        self.accounts = accounts or Accounts(chassis)
        self.guid = about.guid
        self.fru = fru(about)
        self.system_name = b""
        self.events: list[bytes] = []
        """Entries of its event log, each without its record's number."""
        self.vitals = SimVitals()
        self.mac = mac
        self.lan = lan or Lan(LanValues(address=str(ipaddress.ip_address(address))))
        self.lying = False
        self.persistent = self.uefi = False
        self.broken = 0
        """Calls in which the chassis raised."""

    def execute(self, netfn: int, command: int, data: bytes, level: int) -> Answer:
        entry = self._TABLE.get((netfn, command))
        if entry is None:
            return NO_COMMAND, b""
        method, least, privilege = entry
        if level < privilege:
            return NOT_ALLOWED, b""
        if len(data) < least:
            return TOO_SHORT, b""
        try:
            return method(self, data)
        except Exception:
            self.broken += 1
            log.exception("the simulated machine failed in IPMI command %02Xh/%02Xh", netfn, command)
            return FAILED, b""

    # Chassis, section 28

    def _status(self, _data: bytes) -> Answer:
        return OK, bytes((int(self.chassis.power_state()), 0, _KNOWS_LIGHT | _LIGHT[self.chassis.light.shown], 0))

    def _capabilities(self, _data: bytes) -> Answer:
        return OK, bytes((0, 0x20, 0x20, 0x20, 0x20))

    def _control(self, data: bytes) -> Answer:
        action = _ACTIONS.get(data[0] & 0xF)
        if action is None:
            return BAD_FIELD, b""
        if action in ("cycle", "reset", "diag") and not self.chassis.power_state():
            return BAD_STATE, b""
        if not self.lying:
            self.chassis.power(action)
        return OK, b""

    def _identify(self, data: bytes) -> Answer:
        seconds = data[0] if data else 15
        if not self.lying:
            self.chassis.light.identify(-1 if len(data) > 1 and data[1] & 1 else seconds)
        return OK, b""

    def _set_boot(self, data: bytes) -> Answer:
        parameter = data[0] & 0x7F
        if parameter in (0, 3, 4):  # set in progress, valid bit clearing, info acknowledge: nothing depends on them
            return OK, b""
        if parameter != 5:
            return NO_PARAMETER, b""
        if len(data) < 3:
            return TOO_SHORT, b""
        device = _DEVICES.get(data[2] >> 2 & 0xF) if data[1] & 0x80 else "none"
        if device is None:
            return BAD_FIELD, b""
        if not self.lying:
            persistent, uefi = bool(data[1] & 0x40), bool(data[1] & 0x20)
            self.chassis.set_boot_device(device, persistent, uefi)
            self.persistent, self.uefi = persistent, uefi
        return OK, b""

    def _get_boot(self, data: bytes) -> Answer:
        parameter = data[0] & 0x7F
        if parameter == 0:
            return OK, b"\x01\x00\x00"
        if parameter != 5:
            return NO_PARAMETER, b""
        device = self.chassis.boot_device()
        if device == "none":
            return OK, b"\x01\x05\x00\x00\x00\x00\x00"
        flags = 0x80 | (0x40 if self.persistent else 0) | (0x20 if self.uefi else 0)
        return OK, bytes((1, 5, flags, _CODES[device] << 2, 0, 0, 0))

    # Application, sections 20 and 22

    def _device_id(self, _data: bytes) -> Answer:
        # Chassis, SEL and SDR repository device; firmware 1.00, IPMI 2.0, no manufacturer
        return OK, bytes((0x20, 1, 1, 0, 0x02, 0x86, 0, 0, 0, 0, 0, 0, 0, 0, 0))

    def _self_test(self, _data: bytes) -> Answer:
        return OK, b"\x55\x00"

    def _guid(self, _data: bytes) -> Answer:
        return OK, self.guid.bytes_le

    def _channel_info(self, data: bytes) -> Answer:
        if data[0] & 0xF not in (1, 0xE):
            return BAD_FIELD, b""
        return OK, b"\x01\x04\x01\x80\xf2\x1b\x00\x00\x00"  # 802.3, IPMB-1.0, multi-session

    def auth_capabilities(self, data: bytes) -> Answer:
        """Section 22.13: no IPMI 1.5 login, named users, IPMI 2.0."""
        if data[0] & 0xF not in (1, 0xE):
            return BAD_FIELD, b""
        return OK, b"\x01\x80\x04\x02\x00\x00\x00\x00"

    def cipher_suites(self, data: bytes) -> Answer:
        """Section 22.15: 16 bytes of the list from index * 16 on."""
        start = (data[2] & 0x3F) * 16
        return OK, b"\x01" + SUITE_RECORDS[start : start + 16]

    # Storage, sections 31, 33 and 34

    def _sdr_info(self, _data: bytes) -> Answer:
        count = (1 + len(self.vitals.sensors)).to_bytes(2, "little")
        return OK, b"\x51" + count + bytes(2) + zlib.crc32(repr(self.vitals.sensors).encode()).to_bytes(4, "little") * 2 + b"\x02"

    def _reserve(self, _data: bytes) -> Answer:
        return OK, b"\x01\x00"

    def _sdr(self, data: bytes) -> Answer:
        """Section 33.12: [reservation, record, offset, bytes (FFh: all)]."""
        record, offset, size = data[2] | data[3] << 8, data[4], data[5]
        number = record or 1
        found = _LOCATOR if number == 1 else self.vitals.record(number)
        if found is None or offset >= len(found):
            return NOT_THERE, b""
        following = self.vitals.following(number).to_bytes(2, "little")
        return OK, following + found[offset : None if size == 0xFF else offset + size]

    def _sensor_reading(self, data: bytes) -> Answer:
        """Section 35.14."""
        found = self.vitals.reading(data[0])
        return (NOT_THERE, b"") if found is None else (OK, found)

    def _sel_info(self, _data: bytes) -> Answer:
        """Section 31.2: version, entries, free octets, times of the last addition and erasure, no reservation needed."""
        many, room = len(self.events), self.vitals.room
        free = min((room - many) * 16, 0xFFFE)
        head = b"\x51" + min(many, 0xFFFF).to_bytes(2, "little") + free.to_bytes(2, "little")
        added = zlib.crc32(self.events[-1] if self.events else b"").to_bytes(4, "little")
        return OK, head + added + self.vitals.erased.to_bytes(4, "little") + bytes((0x80 if many >= room else 0,))

    def _sel_time(self, _data: bytes) -> Answer:
        """Section 31.10."""
        return OK, int(time.time() + self.vitals.clock_off_s).to_bytes(4, "little")

    def _set_sel_time(self, data: bytes) -> Answer:
        """Section 31.11."""
        if not self.lying:
            self.vitals.clock_off_s = int.from_bytes(data[:4], "little") - time.time()
        return OK, b""

    def _clear_sel(self, data: bytes) -> Answer:
        """Section 31.9: [reservation, CLR, AAh: erase, 0: how far it is]."""
        if data[2:5] != b"CLR":
            return BAD_FIELD, b""
        if data[5] == 0xAA and not self.lying:
            self.events.clear()
            self.vitals.erased += 1
        return OK, b"\x01"

    def _sel_entry(self, data: bytes) -> Answer:
        """Section 31.5: [reservation, record (0 the first, FFFFh the last), offset, octets (FFh all)]."""
        record, offset, size = data[2] | data[3] << 8, data[4], data[5]
        first, many = self.vitals.first, len(self.events)
        number = {0: first, 0xFFFF: first + many - 1}.get(record, record)
        if not first <= number < first + many:
            return NOT_THERE, b""
        entry = number.to_bytes(2, "little") + self.events[number - first]
        following = number + 1 if number < first + many - 1 else 0xFFFF
        return OK, following.to_bytes(2, "little") + entry[offset : None if size == 0xFF else offset + size]

    def _add_event(self, data: bytes) -> Answer:
        """Section 31.6: one entry of 16 octets, whose record id the BMC chooses."""
        if len(self.events) >= self.vitals.room:
            return NO_ROOM, b""
        self.events.append(data[2:16])
        return OK, (self.vitals.first + len(self.events) - 1).to_bytes(2, "little")

    def _fru_info(self, data: bytes) -> Answer:
        """Section 34.1."""
        return (OK, len(self.fru).to_bytes(2, "little") + b"\x00") if data[0] == 0 and self.fru else (NOT_THERE, b"")

    def _fru_read(self, data: bytes) -> Answer:
        """Section 34.2: [device, offset, octets]."""
        offset = data[1] | data[2] << 8
        if data[0] != 0 or offset >= len(self.fru):
            return NOT_THERE, b""
        piece = self.fru[offset : offset + min(data[3], 32)]
        return OK, bytes((len(piece),)) + piece

    # Users, sections 22.26 to 22.30

    def _set_access(self, data: bytes) -> Answer:
        if data[0] & 0xF not in (1, 0xE):
            return BAD_FIELD, b""
        return self._user(data[1], level=data[2] & 0xF)

    def _get_access(self, data: bytes) -> Answer:
        number = data[1] & 0x3F
        if data[0] & 0xF not in (1, 0xE) or not 1 <= number <= MOST:
            return BAD_FIELD, b""
        user = self.accounts.user(number)
        state = 0x40 if user.on else 0x80
        return OK, bytes((MOST, state | self.accounts.enabled, 0, 0x10 | user.level))

    def _set_name(self, data: bytes) -> Answer:
        return self._user(data[0], name=_text(data[1:17]))

    def _get_name(self, data: bytes) -> Answer:
        number = data[0] & 0x3F
        if not 1 <= number <= MOST:
            return BAD_FIELD, b""
        return OK, self.accounts.user(number).name.encode().ljust(16, b"\0")

    def _password(self, data: bytes) -> Answer:
        """Section 22.30: [user, operation (0 off, 1 on, 2 set, 3 test), 16 or 20 octets]."""
        number, operation = data[0] & 0x3F, data[1] & 3
        if operation < 2:
            return self._user(number, on=operation == 1)
        size = 20 if data[0] & 0x80 else 16
        if len(data) < 2 + size:
            return TOO_SHORT, b""
        if not 1 <= number <= MOST:
            return BAD_FIELD, b""
        if operation == 2:
            return self._user(number, password=_text(data[2 : 2 + size]))
        return (OK, b"") if self.accounts.user(number).password == _text(data[2 : 2 + size]) else (NO_PARAMETER, b"")

    def _user(self, number: int, **fields: object) -> Answer:
        try:
            self.accounts.change(number & 0x3F, **fields)
        except KeyError:
            return BAD_FIELD, b""
        return OK, b""

    # System information, section 22.14: parameter 2, the system name, in one block

    def _set_info(self, data: bytes) -> Answer:
        if data[0] != 2:
            return NO_PARAMETER, b""
        if data[1] != 0 or data[2] & 0xF or data[3] > 14:
            return BAD_FIELD, b""
        self.system_name = data[4 : 4 + data[3]]
        return OK, b""

    def _get_info(self, data: bytes) -> Answer:
        if data[1] == 0:
            return OK, b"\x11\x00\x00"
        if data[1] != 2:
            return NO_PARAMETER, b""
        return OK, b"\x11\x00\x00" + bytes((len(self.system_name),)) + self.system_name.ljust(14, b"\x00")

    # LAN, section 23

    def _lan(self, data: bytes) -> Answer:
        if data[0] & 0xF not in (1, 0xE):
            return BAD_FIELD, b""
        value = self.lan.parameter(data[1])
        if value is None:
            value = {
                0: b"\x00",
                1: b"\x00",
                2: bytes(5),
                5: self.mac,
                13: bytes(6),
                20: b"\x00\x00",
                21: b"\x00",
                22: bytes((len(SUITES),)),
                23: bytes((0, *(suite.id for suite in SUITES))).ljust(17, b"\x00"),
                24: b"\x00\x44".ljust(9, b"\x00"),
            }.get(data[1])
        return (NO_PARAMETER, b"") if value is None else (OK, b"\x11" + value)

    def _set_lan(self, data: bytes) -> Answer:
        if data[0] & 0xF not in (1, 0xE):
            return BAD_FIELD, b""
        if self.lying or data[1] == 0:  # set in progress: nothing depends on it
            return OK, b""
        taken = self.lan.set(data[1], data[2:])
        return (NO_PARAMETER, b"") if taken is None else (OK if taken else BAD_STATE, b"")

    _TABLE: ClassVar[dict[tuple[int, int], tuple[Callable[[Commands, bytes], Answer], int, int]]] = {
        (0x00, 0x00): (_capabilities, 0, 0),
        (0x00, 0x01): (_status, 0, 0),
        (0x00, 0x02): (_control, 1, OPERATOR),
        (0x00, 0x04): (_identify, 0, OPERATOR),
        (0x00, 0x08): (_set_boot, 1, OPERATOR),
        (0x00, 0x09): (_get_boot, 3, OPERATOR),
        (0x04, 0x2D): (_sensor_reading, 1, 0),
        (0x06, 0x01): (_device_id, 0, 0),
        (0x06, 0x04): (_self_test, 0, 0),
        (0x06, 0x37): (_guid, 0, 0),
        (0x06, 0x38): (auth_capabilities, 2, 0),
        (0x06, 0x42): (_channel_info, 1, 0),
        (0x06, 0x43): (_set_access, 3, ADMINISTRATOR),
        (0x06, 0x44): (_get_access, 2, OPERATOR),
        (0x06, 0x45): (_set_name, 17, ADMINISTRATOR),
        (0x06, 0x46): (_get_name, 1, OPERATOR),
        (0x06, 0x47): (_password, 2, ADMINISTRATOR),
        (0x06, 0x54): (cipher_suites, 3, 0),
        (0x06, 0x58): (_set_info, 4, ADMINISTRATOR),
        (0x06, 0x59): (_get_info, 4, 0),
        (0x0A, 0x10): (_fru_info, 1, 0),
        (0x0A, 0x11): (_fru_read, 4, 0),
        (0x0A, 0x20): (_sdr_info, 0, 0),
        (0x0A, 0x22): (_reserve, 0, 0),
        (0x0A, 0x23): (_sdr, 6, 0),
        (0x0A, 0x40): (_sel_info, 0, 0),
        (0x0A, 0x43): (_sel_entry, 6, 0),
        (0x0A, 0x44): (_add_event, 16, OPERATOR),
        (0x0A, 0x47): (_clear_sel, 6, OPERATOR),
        (0x0A, 0x48): (_sel_time, 0, 0),
        (0x0A, 0x49): (_set_sel_time, 4, OPERATOR),
        (0x0C, 0x01): (_set_lan, 3, ADMINISTRATOR),
        (0x0C, 0x02): (_lan, 4, OPERATOR),
    }
    """(netfn, command) -> (method, least bytes of data, least privilege)"""

    SESSIONLESS: ClassVar = frozenset({(0x06, 0x37), (0x06, 0x38), (0x06, 0x54)})
    """Allowed before a login (appendix G)."""


def _text(octets: bytes) -> str:
    return octets.split(b"\0", 1)[0].decode("utf-8", "replace")
