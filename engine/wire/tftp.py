"""TFTP packets (RFC 1350) and their options (RFC 2347 to 2349, 7440): bytes <-> records.

Rules
* `decode` reads all six packets or raises `Malformed` with one of: short, oversize, opcode, text, filename, mode.
* Options that this program does not know or cannot read are left out, as if the client had not sent them. Examples: a value that is not
  a number or is out of range, a name without a value, an option given twice. RFC 2347: the server acknowledges only what it accepts.
* Names of options are case-insensitive, and values are decimal.
* A request needs only a file name and a mode. The last NUL may be missing, and there may be several between the two.
* A request has at most 512 octets (RFC 2347). A file name is printable ASCII. Any other octet is read as `UNREADABLE`, so that no control
  character of a stranger reaches a screen. Other code decides what a name means. It is never a path of this machine.
* An ERROR with an undefined code ends the transfer, as any ERROR does.

Trap: block numbers are 16 bits and wrap to 0; `tftp_transfer` keeps the true ones.
"""

from __future__ import annotations

from struct import Struct as Packing
from typing import Final

from msgspec import Struct

from engine.wire.malformed import Malformed

__all__ = ["Ack", "Data", "Error", "Malformed", "Oack", "Packet", "Read", "Write", "ack", "data", "decode", "encode"]

RRQ, WRQ, DATA, ACK, ERROR, OACK = 1, 2, 3, 4, 5, 6
NOT_DEFINED, NOT_FOUND, ACCESS, DISK_FULL, ILLEGAL, UNKNOWN_ID, EXISTS, NO_USER, BAD_OPTION = range(9)
DEFAULT_BLOCK: Final = 512
MAX_REQUEST, MAX_MESSAGE = 512, 256
MAX_PACKET = 65468  # the largest block of RFC 2348 and its header

UNREADABLE: Final = "\ufffd"
"""Stands in a file name for an octet that is not printable ASCII. No name that is served has it."""

_HEAD = Packing("!HH")
_LIMITS = {"blksize": (8, 65464), "timeout": (1, 255), "tsize": (0, 2**40), "windowsize": (1, 65535)}
_MODES = frozenset({"octet", "netascii", "mail"})


class Read(Struct, frozen=True, kw_only=True, gc=False, tag="read"):
    """RRQ. Options are None where the client did not ask for them."""

    filename: str
    mode: str = "octet"
    blksize: int | None = None  # octets of one block
    timeout_s: int | None = None
    tsize: int | None = None  # octets of the file; 0 in a request asks for it
    windowsize: int | None = None  # blocks per ACK


class Write(Struct, frozen=True, kw_only=True, gc=False, tag="write"):
    """WRQ. The service refuses each one."""

    filename: str
    mode: str = "octet"


class Data(Struct, frozen=True, kw_only=True, gc=False, tag="data"):
    block: int  # 16 bits
    payload: bytes


class Ack(Struct, frozen=True, kw_only=True, gc=False, tag="ack"):
    block: int  # 16 bits


class Error(Struct, frozen=True, kw_only=True, gc=False, tag="error"):
    code: int  # RFC 1350 appendix, 8 from RFC 2347
    message: str = ""


class Oack(Struct, frozen=True, kw_only=True, gc=False, tag="oack"):
    blksize: int | None = None
    timeout_s: int | None = None
    tsize: int | None = None
    windowsize: int | None = None


Packet = Read | Write | Data | Ack | Error | Oack


def decode(packet: bytes) -> Packet:
    """Any TFTP packet. Raises Malformed."""
    if len(packet) < 4:
        raise Malformed("short")
    if len(packet) > MAX_PACKET:
        raise Malformed("oversize")
    opcode, number = _HEAD.unpack_from(packet)
    if opcode == ACK:
        return Ack(block=number)
    if opcode == DATA:
        return Data(block=number, payload=packet[4:])
    if opcode == ERROR:
        number = number if number <= BAD_OPTION else NOT_DEFINED
        words = packet[4 : 4 + MAX_MESSAGE].partition(b"\0")[0].decode("ascii", "replace")
        return Error(code=number, message="".join(c if c.isprintable() else "?" for c in words))
    if opcode in (RRQ, WRQ):
        if len(packet) > MAX_REQUEST:
            raise Malformed("oversize")
        filename, mode, rest = _request(packet)
        if mode not in _MODES:
            raise Malformed("mode")
        if opcode == WRQ:
            return Write(filename=filename, mode=mode)
        return Read(filename=filename, mode=mode, **_options(rest))
    if opcode == OACK:
        if len(packet) > MAX_REQUEST:
            raise Malformed("oversize")
        return Oack(**_options(packet[2:].removesuffix(b"\0").split(b"\0")))
    raise Malformed("opcode")


def encode(packet: Packet) -> bytes:
    """The octets of `packet`. Raises ValueError (UnicodeEncodeError) where text is not ASCII."""
    match packet:
        case Data(block=block, payload=payload):
            return data(block, payload)
        case Ack(block=block):
            return ack(block)
        case Error(code=code, message=message):
            return _HEAD.pack(ERROR, code) + message.encode("ascii", "replace")[:MAX_MESSAGE] + b"\0"
        case Oack():
            return b"\0\6" + _option_octets(packet)
        case Read(filename=filename, mode=mode):
            return b"\0\1" + filename.encode("ascii") + b"\0" + mode.encode("ascii") + b"\0" + _option_octets(packet)
        case Write(filename=filename, mode=mode):
            return b"\0\2" + filename.encode("ascii") + b"\0" + mode.encode("ascii") + b"\0"


def data(block: int, payload: bytes | memoryview) -> bytes:
    """A DATA packet. `block` may exceed 16 bits: its low 16 bits are sent. Called for each block, so it needs no record."""
    return b"".join((_HEAD.pack(DATA, block & 0xFFFF), payload))


def ack(block: int) -> bytes:
    """An ACK packet, with the low 16 bits of `block`."""
    return _HEAD.pack(ACK, block & 0xFFFF)


def _request(packet: bytes) -> tuple[str, str, list[bytes]]:
    """File name, mode in lower case, and the words of the options."""
    filename, _, rest = packet[2:].partition(b"\0")
    mode, _, options = rest.lstrip(b"\0").partition(b"\0")
    if not mode:
        raise Malformed("text")
    if not filename:
        raise Malformed("filename")
    shown = "".join([chr(octet) if 32 <= octet < 127 else UNREADABLE for octet in filename])
    return shown, mode.decode("ascii", "replace").lower(), options.removesuffix(b"\0").split(b"\0")


def _options(words: list[bytes]) -> dict[str, int]:
    found: dict[str, int] = {}
    for raw, value in zip(words[::2], words[1::2], strict=False):  # a last name without a value asks for nothing
        name = raw.decode("ascii", "replace").lower()
        limits = _LIMITS.get(name)
        if limits is None or not value.isdigit() or len(value) > 13:
            continue
        number = int(value)
        if limits[0] <= number <= limits[1]:
            found.setdefault("timeout_s" if name == "timeout" else name, number)  # RFC 2347: an option may be given once
    return found


def _option_octets(packet: Read | Oack) -> bytes:
    pairs = (
        ("blksize", packet.blksize),
        ("timeout", packet.timeout_s),
        ("tsize", packet.tsize),
        ("windowsize", packet.windowsize),
    )
    return b"".join(f"{name}\0{value}\0".encode("ascii") for name, value in pairs if value is not None)
