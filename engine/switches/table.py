"""The state of a switch as its own command line shows it, and the changes that make it another. Pure.

VLANs of a port that belongs to a group are the group's: a switch has no others for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..core.hardware.port_table import VLANS, LagMode

ALL = tuple(VLANS)
"""The tagged VLANs of a port that carries every VLAN."""
_RANGE = re.compile(r"(\d{1,4})(?:\s*(?:-|to)\s*(\d{1,4}))?", re.IGNORECASE)


class SwitchError(Exception):
    """Why a switch is not as wanted. The text is one sentence for people, without a secret."""

    def __init__(self, code: Literal["refused", "unreachable", "login", "garbled", "not_obeyed", "unsupported"], message: str) -> None:
        super().__init__(message)
        self.code = code


class PortHave(Struct, frozen=True, kw_only=True):
    """A port, or a group of ports."""

    name: str
    """As the switch spells it in its configuration."""
    untagged: int = 0
    """0: none, or not shown."""
    tagged: tuple[int, ...] = ()
    """Sorted; ALL: every VLAN."""
    lag: str = ""
    """Number or name of its group. Empty: none."""
    description: str = ""
    routed: bool = False
    """True if it is no port of a VLAN but has addresses of its own. Such a port is left alone."""


class LagHave(Struct, frozen=True, kw_only=True):
    id: str
    mode: LagMode = "lacp"


class SwitchHave(Struct, frozen=True, kw_only=True):
    ports: dict[str, PortHave] = {}
    """By the switch's spelling. Groups are not among them."""
    lags: dict[str, LagHave] = {}
    groups: dict[str, PortHave] = {}
    """Id of a group -> its VLANs and description."""
    vlans: frozenset[int] = frozenset()
    """Those that exist."""
    bridge: str = ""
    """Of a Linux machine: the bridge that has the ports."""
    nameless: bool = False
    """True if its groups have no description."""


def behind(ports: Mapping[str, PortHave], groups: Mapping[str, PortHave]) -> dict[str, PortHave]:
    """The ports, those of a group with the group's VLANs."""
    return {name: _member(port, groups.get(port.lag)) for name, port in ports.items()}


def _member(port: PortHave, group: PortHave | None) -> PortHave:
    return port if group is None else replace(port, untagged=group.untagged, tagged=group.tagged, routed=group.routed)


class PortChange(Struct, frozen=True, kw_only=True):
    """What becomes of one port or group. None: nothing."""

    name: str
    """As the switch spells it; of a group, its id."""
    is_lag: bool = False
    was: PortHave
    vlans: tuple[int, tuple[int, ...]] | None = None
    """Untagged (0: none) and tagged."""
    description: str | None = None
    leave: str = ""
    """The group that it leaves."""
    join: str = ""
    """The group that it joins."""
    mode: LagMode = ""
    """With `join`, and of a group that is made."""
    made: bool = False
    """True for a group that is made."""


class Changes(Struct, frozen=True, kw_only=True):
    vlans: tuple[int, ...] = ()
    """VLANs to make, before anything else."""
    ports: tuple[PortChange, ...] = ()
    """In the order in which they are made: a port leaves its old group, groups are made, ports join them, VLANs are set."""
    refused: tuple[str, ...] = ()
    """What is not done, with the reason. Nothing at all is done to these ports."""

    def __bool__(self) -> bool:
        return bool(self.vlans or self.ports)


def vlan_set(text: str) -> tuple[int, ...]:
    """`1-4,10 to 12` -> the VLANs, sorted. `all` and `1-4094` are ALL; `none` is none. Raises ValueError for anything else."""
    low = " ".join(text.replace(",", " ").split()).lower()
    if low in ("", "none"):
        return ()
    if low == "all":
        return ALL
    found: set[int] = set()
    for part in re.sub(r"\s*(-|\bto\b)\s*", "-", low).split():
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"no VLANs: {text[:60]!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= 4094 + 1:
            raise ValueError(f"no VLANs: {text[:60]!r}")
        found.update(range(first, min(last, 4094) + 1))
    return tuple(sorted(found))


def ranges(vlans: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbouring VLANs as (first, last)."""
    out: list[tuple[int, int]] = []
    for vlan in sorted(set(vlans)):
        if out and out[-1][1] == vlan - 1:
            out[-1] = (out[-1][0], vlan)
        else:
            out.append((vlan, vlan))
    return out


def vlan_text(vlans: Iterable[int], between: str = "-", joined: str = ",") -> str:
    """`10,20-22`."""
    return joined.join(str(first) if first == last else f"{first}{between}{last}" for first, last in ranges(vlans))
