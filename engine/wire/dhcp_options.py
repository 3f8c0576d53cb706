"""The option area of DHCP: bytes <-> {code: value}, and the values that are shared by both directions.

Rules
* RFC 2131 4.1 / RFC 2132 9.3: option overload (52) makes `file`, then `sname`, more room for options, in that order.
* RFC 3396: several options with one code are one long value, in order of appearance over all areas. If a value of fixed size (53, 57)
  appears several times, the first one counts.
* Reading never fails. An option that cannot be read counts as not sent, and is noted in `odds`. A value that runs past its area is
  one of them. A missing END is not: some boot ROMs end with the packet.
* Addresses are dotted text, and "" stands for 0.0.0.0, because on this wire all zeros means "not given".

Traps
* Options 66 and 67 and host names may end with NUL. RFC 2132 2 asks the receiver to accept it.
* iPXE and others send option 77 as plain text, but RFC 3004 defines a list of counted strings. Both are read. The counted form is tried
  first, because only it can fail.

Clients disagree whether a text ends with NUL:
* Some boot ROMs read a text as a C string and continue into the next option. They asked TFTP for `undionly.kpxe` and the octets after it.
* Other clients take a NUL inside the length as part of the name: switches that install themselves, some HTTP firmware. RFC 2132 2 says
  not to send one.
So `text_option` puts the NUL after the option, as a pad option (RFC 2132 3.1), which is not part of the value. Both then read the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from struct import Struct, error
from typing import NamedTuple

PAD, MASK, ROUTERS, DNS, HOSTNAME, DOMAIN = 0, 1, 3, 6, 12, 15
IPXE = 175  # encapsulated options of iPXE (ipxe.org/howto/dhcpd)
NTP, VENDOR_OPTIONS, REQUESTED, LEASE, OVERLOAD, KIND, SERVER_ID, PARAMETERS = 42, 43, 50, 51, 52, 53, 54, 55
MESSAGE, MAX_SIZE, T1, T2, VENDOR_CLASS, CLIENT_ID, TFTP_SERVER, FILENAME = 56, 57, 58, 59, 60, 61, 66, 67
USER_CLASS, RELAY, ARCH, UUID, SUBNET, END = 77, 82, 93, 97, 118, 255  # 118: subnet selection, RFC 3011
LINK_SELECTION, SERVER_OVERRIDE = 5, 11  # suboptions of 82, RFC 3527 and RFC 5107: one address each
RELAY_SOURCE_PORT = 19  # suboption of 82, RFC 8357 5.2: no value, its presence is the message

_NONE = b"\0\0\0\0"
_UUID_HEAD = Struct("<IHH")
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\Z")


class Odd(NamedTuple):
    """A field that counts as absent because it cannot be read. `fault`: one of `wire.faults.DHCP_ODD`; `option`: 0 for the head."""

    fault: str
    option: int


def read(data: bytes, start: int, odds: list[Odd]) -> dict[int, bytes]:
    """Options of a whole packet `data` whose option area begins at `start` (240); sname is at 44, file at 108."""
    found: dict[int, bytes] = {}
    _read_area(data, start, len(data), found, odds)
    if OVERLOAD in found:
        areas = fixed(found, OVERLOAD, 1, odds)
        overload = areas[0] if areas else 0
        if overload > 3 or (areas and not overload):
            odds.append(Odd("value", OVERLOAD))
            overload = 0
        if overload & 1:
            _read_area(data, 108, 236, found, odds)
        if overload & 2:
            _read_area(data, 44, 108, found, odds)
    return found


def _read_area(data: bytes, at: int, end: int, found: dict[int, bytes], odds: list[Odd]) -> None:
    while at < end:
        code = data[at]
        at += 1
        if code == PAD:
            continue
        if code == END:
            return
        stop = at + 1 + data[at] if at < end else end + 1
        if stop > end:
            odds.append(Odd("truncated", code))
            return
        value = data[at + 1 : stop]
        found[code] = found[code] + value if code in found else value
        at = stop


def fixed(found: dict[int, bytes], code: int, size: int, odds: list[Odd]) -> bytes | None:
    """The value of an option of `size` octets. If it was sent more than once, the first counts. None: it is absent, or has another size."""
    raw = found.get(code)
    if raw is None or len(raw) == size:
        return raw
    if raw and len(raw) % size == 0:
        odds.append(Odd("repeated", code))
        return raw[:size]
    odds.append(Odd("length", code))
    return None


def option(code: int, value: bytes) -> bytes:
    """One option on the wire; a value over 255 octets is split (RFC 3396)."""
    if len(value) <= 255:
        return bytes((code, len(value))) + value
    parts = (value[i : i + 255] for i in range(0, len(value), 255))
    return b"".join(bytes((code, len(part))) + part for part in parts)


def text_option(code: int, value: str) -> bytes:
    """A text on the wire, with a pad option behind it, where a client that reads a C string stops. Raises ValueError for a NUL or any octet
    that is not ASCII."""
    if "\0" in value:
        raise ValueError(f"a text of option {code} has a NUL in it")
    return option(code, value.encode("ascii")) + b"\0"


def address(raw: bytes) -> str:
    """Four octets as dotted text, "" for 0.0.0.0. Raises ValueError for any other number of octets."""
    if raw == _NONE:
        return ""
    a, b, c, d = raw
    return f"{a}.{b}.{c}.{d}"


@lru_cache(maxsize=8192)
def address_octets(text: str) -> bytes:
    """Dotted text as four octets, 0.0.0.0 for "". Raises ValueError. Results are cached, because a rack has few addresses."""
    if not text:
        return _NONE
    raw = bytes(map(int, text.split(".")))
    if len(raw) != 4:
        raise ValueError(f"not an IPv4 address: {text!r}")
    return raw


def one_address(found: dict[int, bytes], code: int, odds: list[Odd]) -> str:
    """The address in an option, "" if it is absent."""
    raw = fixed(found, code, 4, odds)
    return address(raw) if raw else ""


def addresses(found: dict[int, bytes], code: int, odds: list[Odd]) -> tuple[str, ...]:
    """The addresses in an option. Empty if it is absent, or its length is not a multiple of four."""
    raw = found.get(code, b"")
    if len(raw) % 4:
        odds.append(Odd("length", code))
        return ()
    return tuple([address(raw[i : i + 4]) for i in range(0, len(raw), 4)])


def number(found: dict[int, bytes], code: int, size: int, odds: list[Odd]) -> int:
    """An unsigned number of `size` octets, 0 if it is absent."""
    raw = fixed(found, code, size, odds)
    return int.from_bytes(raw, "big") if raw else 0


def text(raw: bytes | None, limit: int = 255) -> str:
    """Printable ASCII of at most `limit` octets, without trailing NULs. "" for anything else, because it could mislead a screen or a
    decision."""
    if not raw or len(raw) > limit:
        return ""
    raw = raw.rstrip(b"\0")
    if not raw.isascii():
        return ""
    found = raw.decode("ascii")
    return found if found.isprintable() else ""


def hostname(raw: bytes | None) -> str:
    """A host name (RFC 1123 2.1) of at most 253 characters. "" for anything else."""
    found = text(raw)
    return found if len(found) <= 253 and _HOSTNAME.match(found) else ""


def user_classes(raw: bytes | None) -> tuple[str, ...]:
    """Option 77: a list of counted strings (RFC 3004 4), or plain text. Empty if it is absent or over 255 octets."""
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
    """The value of option 77 as clients send it: iPXE as plain text, all others as counted strings. Raises ValueError."""
    if classes == ("iPXE",):
        return b"iPXE"
    return b"".join(bytes((len(one),)) + one.encode("ascii") for one in classes)


def uuid(raw: bytes | None) -> str | None:
    """Option 97 (RFC 4578 2.3), type 0 and 16 octets, in canonical text. None for anything else.

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


def suboptions(relay: bytes) -> dict[int, bytes]:
    """The suboptions of option 82 (RFC 3046 2): code -> value, the first of each. Reading stops at one that runs past the end."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 1 < len(relay):
        stop = at + 2 + relay[at + 1]
        if stop > len(relay):
            break
        found.setdefault(relay[at], relay[at + 2 : stop])
        at = stop
    return found


def sub_address(found: dict[int, bytes], code: int, odds: list[Odd]) -> str:
    """The address in a suboption of option 82, "" if it is absent or 0.0.0.0."""
    raw = found.get(code)
    if raw is None:
        return ""
    if len(raw) != 4:
        odds.append(Odd("suboption", RELAY))
        return ""
    return address(raw)


def relay_port(relay: str) -> str:
    """`REMOTE:CIRCUIT` of option 82 in hex (RFC 3046 3.1 and 3.2), each as text where it is printable, else in hex; empty without a circuit
    id. What a relay puts there is its own choice: names, numbers, or both in one. It is only shown, so what was cut off is shown too."""
    body, at = bytes.fromhex(relay), 0
    found: dict[int, str] = {}
    while at + 1 < len(body):
        value = body[at + 2 : at + 2 + body[at + 1]]
        text = value.decode("ascii", "replace")
        found[body[at]] = text if text.isascii() and text.isprintable() else value.hex()
        at += 2 + body[at + 1]
    return f"{found.get(2, '')}:{found[1]}"[:128] if found.get(1) else ""
