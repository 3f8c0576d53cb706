"""Asks the admin network whether another machine uses an address that a node will get.

The kernel asks (RFC 826): a datagram to the discard port (RFC 863) of the address makes it send ARP requests, and `ip neigh` shows who
answered. So this needs no privilege and no socket for frames, and sends three requests for each address, once.

Only REACHABLE is an answer: what the kernel remembers of an earlier holder is STALE, and becomes REACHABLE or FAILED when it has asked
(neighbour states of ip-neighbour(8)).
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable

from ..events import AddressTaken

log = logging.getLogger(__name__)

DISCARD = 9
AT_ONCE = 64
"""Most addresses that are asked for in one look."""
LOOK_S = 1.0
LOOKS = 20
"""Looks after which the kernel's silence is an answer."""
UNDECIDED = frozenset({"INCOMPLETE", "STALE", "DELAY", "PROBE"})

Neighbours = dict[str, tuple[str, str]]
"""Address -> MAC (may be empty) and state."""


def knock(own: str, addresses: Iterable[str]) -> None:
    """Makes the kernel ask for these addresses from our own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        try:
            out.bind((own, 0))
        except OSError:
            return  # the interface is away; `link` says so
        for address in addresses:
            try:
                out.sendto(b"", socket.MSG_DONTWAIT, (address, DISCARD))
            except OSError:  # the kernel has asked already, and nobody answered
                continue


def neighbours(interface: str) -> Neighbours:
    """What the kernel knows of the interface's neighbours. Empty if `ip` is not there or fails."""
    words = ["ip", "-4", "-json", "neighbour", "show", *(["dev", interface] if interface else [])]
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=5, check=True).stdout
        rows = json.loads(said or "[]")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        log.debug("no neighbours: %s", error)
        return {}
    return {str(row.get("dst")): (str(row.get("lladdr", "")).lower(), " ".join(row.get("state") or ())) for row in rows}


class AddressProbe:
    """`asked`: the addresses to ask for; each is asked for once, as long as it is among them. `start` looks every second in a thread of its
    own; a test calls the object instead."""

    def __init__(
        self,
        own: str,
        interface: str,
        asked: Callable[[], Iterable[str]],
        submit: Callable[[AddressTaken], bool],
        ask: Callable[[str, Iterable[str]], None] = knock,
        look: Callable[[str], Neighbours] = neighbours,
    ) -> None:
        self._own, self._interface, self._asked, self._submit = own, interface, asked, submit
        self._ask, self._look = ask, look
        self._open: dict[str, int] = {}
        """Address -> looks since it was asked for."""
        self._done: set[str] = set()
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._main, name="addresses", daemon=True).start()

    def stop(self) -> None:
        """Returns at once; a look under way ends by itself."""
        self._stopping.set()

    def _main(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self()

    def __call__(self) -> None:
        wanted = set(self._asked())
        self._done &= wanted
        self._open = {address: looks + 1 for address, looks in self._open.items() if address in wanted}
        if self._open:
            there = self._look(self._interface)
            for address, looks in list(self._open.items()):
                mac, state = there.get(address, ("", ""))
                if state in UNDECIDED and looks < LOOKS:
                    continue
                if state == "REACHABLE" and mac and not self._submit(AddressTaken(address=address, mac=mac)):
                    continue  # the lane is full
                del self._open[address]
                self._done.add(address)
        new = sorted(wanted - self._done - self._open.keys())[:AT_ONCE]
        if new:
            self._ask(self._own, new)
            self._open |= dict.fromkeys(new, 0)
