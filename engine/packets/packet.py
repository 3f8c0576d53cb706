"""One packet on its way to a person: plain data over the attach socket, then decoded, shown, or written to a capture file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..definitions import Json
from .names import shown

if TYPE_CHECKING:
    from .ring import Frame

ANSWER_OCTETS = 1 << 19
"""Most bytes of one answer over the socket, before base64."""
AROUND = 200
"""Bytes for the fields of a packet besides its data."""


class Packet(Struct, frozen=True, kw_only=True):
    number: int
    at: float
    """Wall time."""
    kind: str
    """`dhcp`, `tftp`, `http` or `lldp`."""
    out: bool
    """True if this engine sent it."""
    who: str
    """MAC of the machine, or its address if no MAC is known."""
    source: tuple[str, int]
    to: tuple[str, int]
    data: bytes
    """The payload of UDP or TCP. For LLDP the whole frame."""
    cause: str = ""
    """Why it got no answer. Empty: it got one, or nothing is known."""


def as_json(frame: Frame, ours: str, back: Callable[[str], str]) -> dict[str, Json]:
    """The packet for the attach socket. `ours` is the engine's address, for a socket that is bound to all addresses. `back` turns a peer's
    address into one of the plan."""
    source, to = ((back(host) if host else "", port) for host, port in (frame.source, frame.to))
    if frame.kind != "lldp":
        source, to = (_named(source, ours), to) if frame.out else (source, _named(to, ours))
    return {
        "n": frame.number,
        "at": round(frame.at, 6),
        "kind": frame.kind,
        "out": frame.out,
        "who": shown(frame.who),
        "source": list(source),
        "to": list(to),
        "data": base64.b64encode(frame.data).decode("ascii"),
        "cause": frame.cause,
    }


def _named(end: tuple[str, int], ours: str) -> tuple[str, int]:
    return end if end[0] not in ("", "0.0.0.0") else (ours, end[1])


def from_json(body: dict[str, Any]) -> Packet:
    """The packet of `as_json`. Raises ValueError if it is not a packet."""
    try:
        data = base64.b64decode(body["data"], validate=True)
        ends = {name: (str(body[name][0]), int(body[name][1])) for name in ("source", "to")}
        return Packet(
            number=int(body["n"]),
            at=float(body["at"]),
            kind=str(body["kind"]),
            out=bool(body["out"]),
            who=str(body["who"]),
            data=data,
            cause=str(body.get("cause", "")),
            **ends,
        )
    except (KeyError, IndexError, TypeError, binascii.Error) as error:
        raise ValueError(f"not a packet: {error}") from error
