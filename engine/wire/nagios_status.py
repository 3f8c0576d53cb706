"""The file `status.dat` of Nagios Core 4 (xdata/xsddefault.c): what it says of each host and service.

Blocks are `NAME {`, lines of a tab and `KEY=VALUE`, and a line with a tab and `}`. Nagios writes a new file and renames it, so one is
always whole. A plugin's output stands on one line: Nagios writes a line end in it as `\\n`. The output is untrusted: it may come from a
node.

20,000 services are 30 MB, so the blocks are found by regular expressions and not line by line.
"""

from __future__ import annotations

import re

from msgspec import Struct

MOST_BYTES = 64 * 1024 * 1024
MOST_BLOCKS = 100_000
TEXT = 200
"""Bounds: bytes of a file, hosts and services, characters of a plugin's output."""

_BLOCK = re.compile(rb"^(info|hoststatus|servicestatus) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
_KEY = re.compile(
    rb"^\t(host_name|service_description|has_been_checked|current_state|state_type|plugin_output|last_check|last_state_change"
    rb"|created)=(.*)$",
    re.MULTILINE,
)
_NUMBER = re.compile(r"[0-9]{1,12}")


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
    created, out = 0.0, []
    for block in _BLOCK.finditer(octets):
        keys = dict(_KEY.findall(block[2]))
        if block[1] == b"info":
            created = _number(keys, "created")
        elif block[1] in (b"hoststatus", b"servicestatus"):
            out.append(_verdict(keys, block[1] == b"servicestatus"))
        if len(out) > MOST_BLOCKS:
            raise ValueError(f"it has more than {MOST_BLOCKS} hosts and services")
    if not created:
        raise ValueError("it does not say when it was written")
    return NagiosStatus(created=created, verdicts=tuple(out))


def _verdict(keys: dict[bytes, bytes], service: bool) -> Verdict:
    host, description = _text(keys, "host_name"), _text(keys, "service_description")
    if not host or (service and not description):
        raise ValueError("a block has no name")
    state = int(_number(keys, "current_state"))
    if state > 3:
        raise ValueError(f"{host} has the state {state}, which does not exist")
    return Verdict(
        host=host,
        service=description if service else "",
        state=state,
        hard=_number(keys, "state_type") == 1,
        checked=_number(keys, "has_been_checked") == 1,
        text=_text(keys, "plugin_output"),
        last_check=_number(keys, "last_check"),
        since=_number(keys, "last_state_change"),
    )


def _number(keys: dict[bytes, bytes], name: str) -> float:
    text = keys.get(name.encode(), b"").decode("ascii", "replace")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} is no number")
    return float(text)


def _text(keys: dict[bytes, bytes], name: str) -> str:
    """Printable, without line ends, direction marks and other characters that move the cursor."""
    text = keys.get(name.encode(), b"")[: TEXT * 4].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)[:TEXT]
