"""Bodies of the agent's calls: JSON -> typed, bounded records. A body that does not fit raises `BadBody` with a sentence that names the
place.

Unknown fields are ignored, so that an older engine serves a newer agent. MACs come out in lower case with colons.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from ..definitions import Json
from ..model import Mac
from ..wire.agent import LegState

GIVES_BYTES = 256 * 1024
LOG_BYTES = 64 * 1024
TAIL_CHARS = 16 * 1024
CLOCK_MAX = 2**36

SHOWN = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
"""Text without control characters, because people read it on a terminal."""
Text = Annotated[str, Meta(max_length=256, pattern=SHOWN)]
AttemptName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")]
MacText = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}\Z")]

_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}")


class BadBody(ValueError):
    """the body is not what this call takes; its text is shown to the caller"""


class HelloBody(Struct, frozen=True, kw_only=True):
    nonce: Text = ""
    credential: Annotated[str, Meta(max_length=512)] = ""
    boot_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=SHOWN)]
    environment: Annotated[str, Meta(min_length=1, max_length=64, pattern=SHOWN)]
    uuid: Text = ""
    serial: Text = ""
    macs: Annotated[tuple[MacText, ...], Meta(max_length=64)] = ()
    arch: Annotated[str, Meta(max_length=32, pattern=SHOWN)] = ""
    address: Text = ""
    """The address that the node thinks it has. Not trusted: the peer's address counts."""
    protocol: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    """Version of the agent protocol that the agent speaks."""
    clock: msgspec.Raw = msgspec.Raw(b"null")
    """The node's clock at boot, in seconds since 1970 (`parse_clock`)."""


class ProgressBody(Struct, frozen=True, kw_only=True):
    id: AttemptName
    percent: Annotated[float, Meta(ge=0, le=100)] = 0
    text: Text = ""


class ResultBody(Struct, frozen=True, kw_only=True):
    id: AttemptName
    state: LegState = "ended"
    exit: Annotated[int, Meta(ge=-255, le=255)] | None = None
    gives: msgspec.Raw = msgspec.Raw(b"{}")
    message: Annotated[str, Meta(max_length=4096)] = ""
    error: Annotated[str, Meta(max_length=512)] = ""
    log_tail: Annotated[str, Meta(max_length=TAIL_CHARS)] = ""
    after: Annotated[float, Meta(ge=0, le=86400)] | None = None


class ByeBody(Struct, frozen=True, kw_only=True):
    reason: Text = ""


Body = TypeVar("Body", HelloBody, ProgressBody, ResultBody, ByeBody)

_decoders: dict[type, msgspec.json.Decoder[object]] = {
    kind: msgspec.json.Decoder(kind) for kind in (HelloBody, ProgressBody, ResultBody, ByeBody)
}
_gives = msgspec.json.Decoder(dict[str, Json])


def parse(kind: type[Body], data: bytes) -> Body:
    """Raises BadBody."""
    try:
        found = _decoders[kind].decode(data)
        # Text that cannot be encoded (lone surrogates) would raise much later, when it is stored.
        msgspec.json.encode(found)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadBody(_said(error)) from None
    assert isinstance(found, kind)
    return found


def parse_gives(raw: msgspec.Raw) -> dict[str, Json]:
    """Raises BadBody."""
    if len(raw) > GIVES_BYTES:
        raise BadBody(f"gives are {len(raw)} bytes, more than {GIVES_BYTES}")
    try:
        gives = _gives.decode(raw)
        msgspec.json.encode(gives)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError) as error:
        raise BadBody(f"{_said(error)} in gives") from None
    return gives


_clock = msgspec.json.Decoder(Annotated[int, Meta(ge=0, le=CLOCK_MAX)] | Annotated[float, Meta(ge=0, le=CLOCK_MAX)])


def parse_clock(raw: msgspec.Raw) -> int | None:
    """None for anything but a time from 1970 to 4147: an odd clock never costs a hello."""
    try:
        return int(_clock.decode(raw))
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError, ValueError):
        return None


def parse_mac(text: str) -> Mac | None:
    """A MAC with colons, dashes or nothing between its bytes. None for anything else."""
    if not _MAC.fullmatch(text):
        return None
    digits = re.sub("[:-]", "", text).lower()
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _said(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    # msgspec names the place and the expectation; it quotes parts of the value in few cases, so its length is
    # bounded.
    return str(error)[:200]
