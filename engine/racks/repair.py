"""What a person can repair in a virtual rack by hand while it runs: a BMC, disks, lost packets, cables. Pure.

A cable goes back to its home port. If another machine is plugged in there, the two change places, because a port takes one plug. Faults of
identity and boards stay: they need another rack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

CABLES = "cables"
SERVER = "dhcp-server"
"""Stands for the second DHCP server, which belongs to no machine."""
HEALTHY: dict[str, tuple[Any, str]] = {
    "bmc": ("", "its BMC is replaced"),
    "drop_dhcp": (0.0, "it loses no more DHCP packets"),
    "drop_tftp": (0.0, "it loses no more TFTP packets"),
    "drop_http": (0.0, "it loses no more HTTP connections"),
    "drop_bmc": (0.0, "its BMC loses no more packets"),
    "drop_ssh": (0.0, "it loses no more SSH connections"),
    "never_calls_back": (False, "its kernel reports again"),
    "disk_fails": (False, "its disks are replaced"),
    "bios_lies": (False, "its BIOS keeps its settings"),
    "updates": ("", "its BMC is replaced"),
    "raid_lies": (False, "its RAID controller is replaced"),
    "wipe_lies": (False, "its disks are replaced"),
    "slow_disk": (-1, "the slow disk is replaced"),
    "lossy": ({}, "its cables are replaced"),
    "ecc": ({}, "its DIMMs are replaced"),
    "light": ({}, "its modules and fibres are clean, and replaced by copper"),
    "stall_s": (0.0, "its firmware stalls no more"),
    "work_s": (0.0, "it works at its usual speed"),
}
"""Fault -> its value after the repair, and what was done, in words."""


class Cabling(NamedTuple):
    """The plugs of one machine: link -> `switch:port`; empty: not plugged in."""

    home: Mapping[str, str]
    now: Mapping[str, str]

    def wrong(self) -> list[str]:
        """The links that are not in their home port."""
        return [link for link, port in self.home.items() if self.now.get(link, port) != port]


def cabling(home: Mapping[str, str], faults: Struct) -> Cabling:
    given: Mapping[str, str] = getattr(faults, CABLES, {})
    return Cabling(home, {link: given.get(link, port) for link, port in home.items()})


def repairable(faults: Struct, plugs: Cabling) -> list[str]:
    """Names of the machine's present faults that a repair removes. Empty: there is nothing to repair."""
    found = [name for name in HEALTHY if name in faults.__struct_fields__ and not _healthy(name, getattr(faults, name))]
    return [*found, *([CABLES] if plugs.wrong() else [])]


def _healthy(name: str, value: Any) -> bool:
    return value == HEALTHY[name][0] or (name == "bmc" and value == "obedient")


def straightened(who: str, rack: Mapping[str, Cabling]) -> dict[str, dict[str, str]]:
    """Machine -> link -> port, for each plug that moves if `who`'s cables go home."""
    moved: dict[str, dict[str, str]] = {}
    for link in rack[who].wrong():
        home, left = rack[who].home[link], rack[who].now[link]
        moved.setdefault(who, {})[link] = home
        for other, plugs in rack.items():
            held = next((one for one, port in plugs.now.items() if port == home and (other, one) != (who, link)), "")
            if held:
                moved.setdefault(other, {}).setdefault(held, left)
                break
    return moved


def away(plugs: Cabling, moved: Mapping[str, str]) -> dict[str, str]:
    """The fault `cables` after these plugs have moved: only those that are not in their home port."""
    now = {**plugs.now, **moved}
    return {link: port for link, port in now.items() if port != plugs.home[link]}


def doubled(cables: Mapping[str, Mapping[str, str]], nodes: int) -> tuple[str, str, str] | None:
    """A port with two plugs, and the two machines. None: there is none. `cables`: the fault `cables` of each machine, or of `all`."""
    given = {f"m{i}": {**cables.get("all", {}), **cables.get(f"m{i}", {})} for i in range(1, nodes + 1)} if "all" in cables else cables
    taken: dict[str, str] = {}
    for name, links in given.items():
        for port in links.values():
            if port and port in taken:
                return port, taken[port], name
            if port:
                taken[port] = name
    for port, name in taken.items():
        switch, _, number = port.partition(":swp")
        link = {"tor1": "1g0", "tor2": "1g1"}.get(switch, "")
        owner = f"m{number}"
        if link and owner != name and number.isdecimal() and 1 <= int(number) <= nodes and link not in given.get(owner, {}):
            return port, owner, name
    return None
