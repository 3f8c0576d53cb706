"""The engine's own figures in the words of a technician: is it fast enough, is it behind, and what that means for the machines. Pure."""

from __future__ import annotations

from collections.abc import Mapping

SLOW_S = 0.02
"""Seconds. A longer step keeps machines waiting that boot at the same time."""
BEHIND = 500
"""Waiting messages from which the engine is behind."""

EVENTS = {
    "AddressTaken": "an address that another machine already has",
    "AdminSeen": "a change of this machine's own port or addresses",
    "AilmentsFound": "a change of a machine's health",
    "Bye": "a machine that shuts down",
    "Commit": "a commit of the plan",
    "CommitProposals": "a commit of proposals",
    "Continue": "its own next step",
    "DhcpAsked": "a DHCP request",
    "DhcpOverheard": "another DHCP server's packet",
    "Fetched": "a download of a machine",
    "Found": "the search for a BMC",
    "Hello": "the hello of a machine",
    "Join": "the adoption of a machine",
    "KeyRemoved": "the removal of a key",
    "Missed": "a lost connection",
    "Operate": "a command of an operator",
    "Outcome": "the end of a role",
    "Powered": "a power state that a BMC reported",
    "PowerSet": "a power command",
    "Probed": "a look whether a machine is up",
    "Propose": "a proposal",
    "Proved": "the proof of a machine's identity",
    "Recall": "a proposal that was dropped",
    "ScriptAsked": "a request for a boot script",
    "SetAttribute": "a change of a setting",
    "Started": "its own start",
    "Tick": "a deadline",
}
"""Class of an event -> what it is, in words."""
LANES = {
    "outcomes": ("result or command", "results and commands"),
    "agents": ("message of a machine", "messages of machines"),
    "packets": ("packet", "packets"),
}
"""Lane of the inbox -> what waits there: one, several."""
_TALL = {"dhcp": "DHCP", "tftp": "TFTP", "http": "HTTP", "lldp": "LLDP", "ipxe": "iPXE", "arp": "ARP", "api": "API"}


def speed(slowest_s: float, what: str) -> tuple[str, bool]:
    """What the slowest step says, and whether the engine is fast enough. `what`: class of its event; empty: none yet."""
    if not what:
        return "nothing was done yet", True
    name, took = EVENTS.get(what, what), f"took {slowest_s * 1000:.0f} ms"
    if slowest_s <= SLOW_S:
        return f"fast enough: the slowest step ({name}) {took}", True
    wait = "meanwhile other machines wait; look whether this machine is short of CPU or disk"
    return f"slow: {name} {took}, over {SLOW_S * 1000:.0f} ms: {wait}", False


def queue(waiting: Mapping[str, int]) -> tuple[str, bool]:
    """What waits for the engine, and whether it keeps up."""
    parts, many = _counted(waiting), sum(waiting.values())
    if not parts:
        return "nothing waits", True
    good = many <= BEHIND
    return f"{parts} wait{'s' if many == 1 else ''}" + ("" if good else ": the engine is behind; machines may have to ask again"), good


def turned_away(lost: Mapping[str, int]) -> tuple[str, bool]:
    """What there was no room for, and whether nothing was lost."""
    parts = _counted(lost)
    return (f"{parts}: more came than the engine could take; machines ask again", False) if parts else ("nothing", True)


def _counted(lanes: Mapping[str, int]) -> str:
    return ", ".join(f"{many} {LANES.get(lane, (lane, lane))[many > 1]}" for lane, many in lanes.items() if many)


def counter(name: str) -> str:
    """`dhcp.offer` as `DHCP offer`."""
    return " ".join(_TALL.get(word, word) for word in name.replace(".", " ").replace("_", " ").split())
