"""The option area of DHCP: bytes <-> {code: value}, and the values that are shared by both directions.

Rules
* RFC 2131 4.1 / RFC 2132 9.3: option overload (52) makes `file`, then `sname`, more room for options, in that order.
* RFC 3396: a code that comes more than once is one long value, concatenated in order of appearance, over all areas.
* A value that runs past its area is malformed. A missing END is not: some boot ROMs end with the packet.
* Addresses are dotted text, and "" stands for 0.0.0.0, because on this wire all zeros means "not given".

Traps: options 66 and 67 may end with NUL, and so may host names (RFC 2132 2: the receiver must cope). iPXE and others
send option 77 as bare text, where RFC 3004 wants a list of counted strings; both are read, the counted form first, as
only it can fail.
"""

from __future__ import annotations

import re
from functools import lru_cache
from struct import Struct, error

from engine.wire.malformed import Malformed

PAD, MASK, ROUTERS, DNS, HOSTNAME, DOMAIN = 0, 1, 3, 6, 12, 15
IPXE = 175  # encapsulated options of iPXE (ipxe.org/howto/dhcpd)
NTP, VENDOR_OPTIONS, REQUESTED, LEASE, OVERLOAD, KIND, SERVER_ID, PARAMETERS = 42, 43, 50, 51, 52, 53, 54, 55
MESSAGE, MAX_SIZE, T1, T2, VENDOR_CLASS, CLIENT_ID, TFTP_SERVER, FILENAME = 56, 57, 58, 59, 60, 61, 66, 67
USER_CLASS, RELAY, ARCH, UUID, END = 77, 82, 93, 97, 255
RELAY_SOURCE_PORT = 19  # suboption of 82, RFC 8357 5.2: no value, its presence is the message

_NONE = b"\0\0\0\0"
_UUID_HEAD = Struct("<IHH")
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\Z")


def read(data: bytes, start: int) -> dict[int, bytes]:
    """Options of a whole packet `data` whose option area begins at `start` (240); sname is at 44, file at 108.

    Raises Malformed: option_truncated, overload.
    """
    found: dict[int, bytes] = {}
    _read_area(data, start, len(data), found)
    overload = found.get(OVERLOAD)
    if overload is not None:
        if len(overload) != 1 or not 1 <= overload[0] <= 3:
            raise Malformed("overload")
        if overload[0] & 1:
            _read_area(data, 108, 236, found)
        if overload[0] & 2:
            _read_area(data, 44, 108, found)
    return found


def _read_area(data: bytes, at: int, end: int, found: dict[int, bytes]) -> None:
    while at < end:
        code = data[at]
        at += 1
        if code == PAD:
            continue
        if code == END:
            return
        if at >= end:
            raise Malformed("option_truncated")
        stop = at + 1 + data[at]
        if stop > end:
            raise Malformed("option_truncated")
        value = data[at + 1 : stop]
        found[code] = found[code] + value if code in found else value
        at = stop


def option(code: int, value: bytes) -> bytes:
    """One option on the wire; a value over 255 octets is split (RFC 3396)."""
    if len(value) <= 255:
        return bytes((code, len(value))) + value
    parts = (value[i : i + 255] for i in range(0, len(value), 255))
    return b"".join(bytes((code, len(part))) + part for part in parts)


def address(raw: bytes) -> str:
    """Four octets as dotted text, "" for 0.0.0.0."""
    if raw == _NONE:
        return ""
    a, b, c, d = raw
    return f"{a}.{b}.{c}.{d}"


@lru_cache(maxsize=8192)
def address_octets(text: str) -> bytes:
    """Dotted text as four octets, 0.0.0.0 for "". Raises ValueError. Remembered, as a rack has few addresses."""
    if not text:
        return _NONE
    raw = bytes(map(int, text.split(".")))
    if len(raw) != 4:
        raise ValueError(f"not an IPv4 address: {text!r}")
    return raw


def one_address(found: dict[int, bytes], code: int) -> str:
    """The address in an option, "" where it is absent. Raises Malformed: option_length."""
    raw = found.get(code)
    if raw is None:
        return ""
    if len(raw) != 4:
        raise Malformed("option_length")
    return address(raw)


def addresses(found: dict[int, bytes], code: int) -> tuple[str, ...]:
    """The list of addresses in an option. Raises Malformed: option_length."""
    raw = found.get(code)
    if raw is None:
        return ()
    if len(raw) % 4:
        raise Malformed("option_length")
    return tuple([address(raw[i : i + 4]) for i in range(0, len(raw), 4)])


def number(found: dict[int, bytes], code: int, size: int) -> int:
    """An unsigned number of `size` octets, 0 where it is absent. Raises Malformed: option_length."""
    raw = found.get(code)
    if raw is None:
        return 0
    if len(raw) != size:
        raise Malformed("option_length")
    return int.from_bytes(raw, "big")


def text(raw: bytes | None, limit: int = 255) -> str:
    """Printable ASCII of at most `limit` octets, without trailing NULs; "" for anything else, as it could only mislead
    a screen or a decision."""
    if not raw or len(raw) > limit:
        return ""
    raw = raw.rstrip(b"\0")
    if not raw.isascii():
        return ""
    found = raw.decode("ascii")
    return found if found.isprintable() else ""


def hostname(raw: bytes | None) -> str:
    """A name by RFC 1123 2.1 of at most 253 characters, else ""."""
    found = text(raw)
    return found if len(found) <= 253 and _HOSTNAME.match(found) else ""


def user_classes(raw: bytes | None) -> tuple[str, ...]:
    """Option 77: a list of counted strings (RFC 3004 4), or bare text."""
    if not raw or len(raw) > 255:
        return ()
    classes: list[str] = []
    at = 0
    while at < len(raw):
        stop = at + 1 + raw[at]
        if raw[at] == 0 or stop > len(raw):
            bare = text(raw)
            return (bare,) if bare else ()
        classes.append(text(raw[at + 1 : stop]))
        at = stop
    return tuple([found for found in classes if found])


def user_class_octets(classes: tuple[str, ...]) -> bytes:
    """As clients send it: iPXE bare, everybody else counted."""
    if classes == ("iPXE",):
        return b"iPXE"
    return b"".join(bytes((len(one),)) + one.encode("ascii") for one in classes)


def uuid(raw: bytes | None) -> str | None:
    """Option 97 (RFC 4578 2.3), type 0 and 16 octets, in canonical text; None for anything else.

    The first three fields are read little-endian, as SMBIOS 2.6 stores them and boot ROMs copy them, so the text is
    what dmidecode shows. Firmware that swaps them shows the other order: see `swapped_uuid`.
    """
    if raw is None or len(raw) != 17 or raw[0]:
        return None
    a, b, c = _UUID_HEAD.unpack_from(raw, 1)
    rest = raw[9:].hex()
    return f"{a:08x}-{b:04x}-{c:04x}-{rest[:4]}-{rest[4:]}"


def uuid_octets(canonical: str) -> bytes:
    """The value of option 97 for a UUID in canonical text. Raises ValueError."""
    try:
        raw = bytes.fromhex(canonical.replace("-", ""))
        return b"\0" + _UUID_HEAD.pack(*Struct(">IHH").unpack_from(raw)) + raw[8:16]
    except error as wrong:
        raise ValueError(f"not a UUID: {canonical!r}") from wrong


def swapped_uuid(canonical: str) -> str:
    """The same 16 octets read in the other byte order, to match firmware that disagrees about it. Its own inverse."""
    raw = uuid_octets(canonical)[1:].hex()
    return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"


def asks_relay_port(relay: bytes) -> bool:
    """Whether option 82 holds the relay source port suboption (RFC 8357)."""
    at = 0
    while at + 1 < len(relay):
        if relay[at] == RELAY_SOURCE_PORT:
            return True
        at += 2 + relay[at + 1]
    return False


def relay_port(relay: str) -> str:
    """`REMOTE:CIRCUIT` of option 82 in hex (RFC 3046 3.1 and 3.2), each as text where it is printable, else in hex; empty without a circuit
    id. What a relay puts there is its own choice: names, numbers, or both in one."""
    body, at = bytes.fromhex(relay), 0
    found: dict[int, str] = {}
    while at + 1 < len(body):
        value = body[at + 2 : at + 2 + body[at + 1]]
        text = value.decode("ascii", "replace")
        found[body[at]] = text if text.isascii() and text.isprintable() else value.hex()
        at += 2 + body[at + 1]
    return f"{found.get(2, '')}:{found[1]}"[:128] if found.get(1) else ""
