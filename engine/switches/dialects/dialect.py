"""What a dialect is, and what several of them share: configurations in stanzas, and tables of addresses. Pure.

A configuration is a text of a stranger: it is bounded, and a line that is not understood is left out. Of a port whose VLANs are not
understood nothing is known, and a port that is not known is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from ...core.hardware.port_table import SeenAddress
from ..table import Changes, SwitchError, SwitchHave

MOST = 8 * 1024 * 1024
"""Octets of one output. A chassis with 1,000 ports has about 300 KiB of configuration."""
ADDRESSES = 65_536
"""Most entries that are read of a table of addresses."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08+")
_PAGER = re.compile(r"^\s*(-+ ?[Mm]ore ?-+|---\(more( \d+%)?\)---|<--- More --->)\s*$")
_MAC = re.compile(r"[0-9a-f]{12}")
_ANY_MAC = re.compile(
    r"(?<![0-9A-Fa-f.:-])(?:[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{4}(?:[.-][0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{6}-[0-9A-Fa-f]{6})"
    r"(?![0-9A-Fa-f.:-])"
)
_WRONG = (
    *("% invalid", "% incomplete", "% ambiguous", "% unrecognized", "% unknown", "%error", "% error", "error:", "% bad", "% wrong"),
    *("invalid input", "unknown command", "syntax error", "rtnetlink answers", "% too many", "% cannot", "cannot find device"),
    *("% access", "% permission", "permission denied", "% authorization", "command authorization failed", "% configuration"),
)
"""How a line begins by which a switch says that it did not take a command."""


class Dialect(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def netmiko(self) -> str:
        """`device_type` of netmiko."""

    @property
    def shows(self) -> Mapping[str, str]:
        """Key in `read`'s outputs -> the command that shows it."""

    @property
    def shows_addresses(self) -> str:
        """The command that shows the table of addresses."""

    @property
    def save(self) -> Sequence[str]:
        """The commands that keep the running configuration over a restart."""

    @property
    def configures(self) -> bool:
        """True if the lines belong into a configuration mode, which netmiko enters and leaves."""

    def read(self, outputs: Mapping[str, str]) -> SwitchHave:
        """Raises SwitchError (`garbled`)."""

    def lines(self, changes: Changes, have: SwitchHave) -> list[str]:
        """What makes these changes, in order."""

    def addresses(self, text: str) -> list[SeenAddress]: ...


def clean(text: str) -> list[str]:
    """The lines of an output, without colours, pagers and carriage returns. Raises SwitchError for one that is too long."""
    if len(text) > MOST:
        raise SwitchError("garbled", f"an output of more than {MOST} octets")
    lines = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.rstrip() for line in lines if not _PAGER.match(line)]


def error_in(text: str) -> str:
    """The line in which a switch says that it did not take a command. Empty: none."""
    for line in clean(text):
        low = line.strip().lower()
        if low.startswith(_WRONG):
            return line.strip()[:160]
    return ""


def stanzas(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """(head, lines below it) of a configuration by indentation. Lines are stripped; `!`, `#` and `exit` are left out. A stanza inside
    another one belongs to the outer one."""
    head, body = "", list[str]()
    for line in lines:
        text = line.strip()
        if not text or text.startswith(("!", "#")) or text in ("exit", "quit", "end"):
            continue
        if line[0] not in " \t":
            if head:
                yield head, body
            head, body = text, []
        else:
            body.append(text)
    if head:
        yield head, body


def unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def safe(text: str) -> str:
    """A description without what a command line gives a meaning. ASCII, because several vendors refuse other characters."""
    return re.sub(r"[^A-Za-z0-9._:/+-]+", " ", text).strip()


def mac_of(text: str) -> str:
    """`0011.2233.4455`, `00-11-22-33-44-55`, `001122-334455` -> lower case with colons. Empty: no MAC of one machine."""
    digits = re.sub(r"[.:-]", "", text).lower()
    if not _MAC.fullmatch(digits) or digits == "0" * 12 or int(digits[1], 16) & 1:
        return ""
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def address_rows(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """(MAC, the line before it, words after it) of each line with a MAC, at most ADDRESSES. Entries of the switch itself are left out."""
    count = 0
    for line in clean(text):
        found = _ANY_MAC.search(line)
        if found is None:
            continue
        mac = mac_of(found[0])
        words = line[found.end() :].replace("|", " ").split()
        if not mac or any(word.lower() in ("cpu", "self", "router", "drop", "sup-eth1(r)", "vpc-peer-link", "switch") for word in words):
            continue
        count += 1
        if count > ADDRESSES:
            return
        yield mac, line[: found.start()].replace("|", " "), words


def age_in(text: str) -> int:
    """Seconds of an age: `12`, `0:01:30`, `1:23:45 ago`, `2 days, 1:00:00`. -1: none."""
    low = text.strip().lower()
    found = re.search(r"(?:(\d+) days?,? )?(\d+):(\d{2}):(\d{2})", low)
    if found:
        return int(found[1] or 0) * 86_400 + int(found[2]) * 3600 + int(found[3]) * 60 + int(found[4])
    found = re.search(r"\b(\d+):(\d{2})\b", low)
    if found:
        return int(found[1]) * 60 + int(found[2])
    return int(low) if low.isdecimal() and len(low) < 8 else -1
