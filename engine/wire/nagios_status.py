"""The file `status.dat` of Nagios Core 4 (xdata/xsddefault.c): what it says of each host and service.

Blocks are `NAME {`, lines of a tab and `KEY=VALUE`, and a line with a tab and `}`. Nagios writes a new file and renames it, so one is
always whole. A plugin's output stands on one line: Nagios writes a line end in it as `\\n`. The output is untrusted: it may come from a
node.

7,000 hosts and services are 9 MB, so nothing walks the lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

MOST_BYTES = 64 * 1024 * 1024
MOST_BLOCKS = 100_000
TEXT = 200
"""Bounds: bytes of a file, hosts, services, characters of a plugin's output."""

_END = b"\n\t}"
_NUMBER = re.compile(rb"[0-9]{1,12}")


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """What Nagios says of a host, or of one of its services."""

    host: str
    service: str = ""
    """Empty: the host itself."""
    state: int
    """Of a host: 0 up, 1 down, 2 unreachable. Of a service: 0 good, 1 warning, 2 critical, 3 unknown."""
    hard: bool
    """Nagios believes it: it has looked often enough."""
    checked: bool
    """False: it has not looked yet."""
    text: str
    """The plugin's own words, printable, cut at TEXT characters."""
    last_check: float
    since: float
    """Wall time of the last change of the state. 0: it never changed."""


class NagiosStatus(Struct, frozen=True, kw_only=True):
    created: float
    """Wall time at which Nagios wrote the file."""
    verdicts: tuple[Verdict, ...] = ()


def parse_status(octets: bytes) -> NagiosStatus:
    """Reads a whole file. Raises ValueError with a sentence."""
    if len(octets) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    info = next(_blocks(octets, b"info"), b"")
    created = _number(info, b"created") if info else 0.0
    out = [_verdict(block, service=False) for block in _blocks(octets, b"hoststatus")]
    out += [_verdict(block, service=True) for block in _blocks(octets, b"servicestatus")]
    if not created:
        raise ValueError("it does not say when it was written")
    return NagiosStatus(created=created, verdicts=tuple(out))


def _blocks(octets: bytes, name: bytes) -> Iterator[bytes]:
    """The lines of each block of that name, from a line end to a line end."""
    mark, at, many = b"\n" + name + b" {\n", 0, 0
    while (at := octets.find(mark, at)) >= 0:
        end = octets.find(_END, at)
        many += 1
        if end < 0:
            raise ValueError("a block does not end")
        if many > MOST_BLOCKS:
            raise ValueError(f"it has more than {MOST_BLOCKS} hosts or services")
        yield octets[at + len(mark) - 1 : end + 1]
        at = end


def _verdict(block: bytes, service: bool) -> Verdict:
    host, description = _text(block, b"host_name"), _text(block, b"service_description")
    if not host or (service and not description):
        raise ValueError("a block has no name")
    state = int(_number(block, b"current_state"))
    if state > 3:
        raise ValueError(f"{host} has the state {state}, which does not exist")
    return Verdict(
        host=host,
        service=description if service else "",
        state=state,
        hard=_number(block, b"state_type") == 1,
        checked=_number(block, b"has_been_checked") == 1,
        text=_text(block, b"plugin_output"),
        last_check=_number(block, b"last_check"),
        since=_number(block, b"last_state_change"),
    )


def _value(block: bytes, key: bytes) -> bytes:
    """The first value of that key. Empty: there is none."""
    mark = b"\n\t" + key + b"="
    at = block.find(mark)
    return block[at + len(mark) : block.find(b"\n", at + len(mark))] if at >= 0 else b""


def _number(block: bytes, key: bytes) -> float:
    text = _value(block, key)
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{key.decode()} is no number")
    return float(text)


def _text(block: bytes, key: bytes) -> str:
    """Printable, without line ends, direction marks and other characters that move the cursor."""
    text = _value(block, key)[: TEXT * 4].decode("utf-8", "replace")
    return (text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text))[:TEXT]
