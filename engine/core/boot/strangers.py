"""Strangers: machines that were seen and are no nodes. Anybody can invent them, so the engine keeps a bounded number, and forgets them.

Rules
* A stranger that has only asked for an address is forgotten an hour after its last signal, any other one after a day.
* At the limit, a new stranger takes the place of an old one, so that a flood never locks a new machine out. First go those that came
  less far in their boot, and of these the ones that were silent longest: an invented machine asks for an address and does no more.
* Never crowded out: nodes and their BMCs, devices, banned machines, machines that the plan names by their MAC, and boots in progress
  behind a switch port of the plan's cables. The last are at most AT_A_PORT behind one port, because whoever has a port can invent MACs
  there too.

Pure. Looking at all strangers costs milliseconds, so AT_ONCE go together, and one wake in SLOT_S looks whom to forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from math import ceil

from msgspec.structs import replace

from ...events import SightingDue
from ...model import Mac, Node, Sighting, Signal
from ...plan import Plan
from ..hardware.neighbours import Cables
from ..world.view import View
from ..world.work import Work
from .signals import ORDER

SIGHTINGS = 4096
"""Most strangers that are kept."""
AT_ONCE = 64
AT_A_PORT = 16
SILENT_S, GONE_S = 86_400.0, 3_600.0
"""Seconds of engine time after its last signal: for a stranger that went on, and for one that only asked for an address."""
SLOT_S = 600.0
A_SWEEP = 1024
"""Most strangers that one step forgets."""
EVERYBODY = SightingDue("")


class Protected:
    """What the engine knows of machines that are no nodes."""

    def __init__(self, plan: Plan | None, nodes: Iterable[Node] = ()) -> None:
        self._macs = planned_macs(plan) | {node.bmc.mac for node in nodes if node.bmc is not None}
        self._devices = {node.id.removeprefix("sw-") for node in nodes if node.id.startswith("sw-")}
        self._cables = Cables(plan)

    def __contains__(self, mac: Mac) -> bool:
        return mac in self._macs or mac.replace(":", "") in self._devices

    def port(self, told: str) -> str:
        """The plan's port behind a relay's words. Empty: it has none."""
        switch, _, port = told.partition(":")
        inner, _, rest = port.partition(":")
        return self._cables.spelling(switch, port) or self._cables.spelling(inner, rest)


def planned_macs(plan: Plan | None) -> frozenset[Mac]:
    """The MACs that the plan names: in its rules, and those of the BMCs of machines that it expects."""
    found: set[Mac] = {machine.bmc.mac for machine in plan.machines if machine.bmc.mac} if plan is not None else set()
    for rule in plan.rules if plan is not None else ():
        wanted = rule.match.get("mac")
        if isinstance(wanted, dict):
            wanted = wanted.get("is")
        if isinstance(wanted, str):
            found.add(wanted.lower().replace("-", ":"))
    return frozenset(found)


def is_known(view: View, mac: Mac, address: str) -> bool:
    """True if this MAC is a node's, a device's or named in the plan, or the address is that of a node's BMC. A switch port says nothing,
    because whoever has one can invent MACs there."""
    if mac in view.macs or address in view.bmcs or f"sw-{mac.replace(':', '')}" in view.nodes:
        return True
    return mac in planned_macs(view.plan)


def is_stranger(sighting: Sighting) -> bool:
    return not sighting.node and not sighting.banned


def progress(sighting: Sighting) -> int:
    """How far its boot came. 0: it has only asked for an address."""
    boot = sighting.boot
    return max(ORDER[boot.signal] - ORDER[Signal.DHCP], 0) if boot is not None else 0


def lasts_until(sighting: Sighting) -> float:
    """Engine time at which a silent stranger is forgotten."""
    went_on = progress(sighting) or sighting.kind in ("bmc", "switch")
    return sighting.last_sign + (SILENT_S if went_on else GONE_S)


def crowded_out(sightings: Iterable[Sighting], protected: Protected, now: float, many: int) -> list[Mac]:
    """The strangers that make room, in this order; at most `many`."""
    free: list[tuple[int, float, Mac]] = []
    at_port: dict[str, list[tuple[int, float, Mac]]] = {}
    for one in sightings:
        if not is_stranger(one) or one.mac in protected:
            continue
        boots = one.port and one.boot is not None and one.boot.deadline > now
        port = protected.port(one.port) if boots else ""
        (at_port.setdefault(port, []) if port else free).append((progress(one), one.last_sign, one.mac))
    for behind in at_port.values():
        behind.sort()
        free += behind[: max(len(behind) - AT_A_PORT, 0)]
    free.sort()
    return [mac for _, _, mac in free[:many]]


def forgotten(sightings: Iterable[Sighting], protected: Protected, now: float) -> list[Mac]:
    """The strangers that were silent too long."""
    return [one.mac for one in sightings if is_stranger(one) and lasts_until(one) <= now and one.mac not in protected]


def admit(w: Work, mac: Mac) -> bool:
    """Makes room for a sighting of this MAC. False: all that are kept are protected."""
    if mac in w.sightings:
        return True
    if len(w.strangers) >= SIGHTINGS:
        protected = Protected(w.plan, w.all(Node))
        gone = crowded_out(w.all(Sighting), protected, w.now, AT_ONCE)
        if not gone and mac not in protected:
            return False
        for one in gone:
            _forget(w, one)
    _look_again(w, w.now + GONE_S)
    return True


def sweep(w: Work) -> None:
    """Forgets who was silent too long, and sets the next wake."""
    everybody = w.all(Sighting)
    for mac in islice(forgotten(everybody, Protected(w.plan, w.all(Node)), w.now), A_SWEEP):
        _forget(w, mac)
    left = [lasts_until(one) for one in everybody if one.mac in w.strangers]
    if left:
        _look_again(w, max(min(left), w.now + 1))


def started(w: Work) -> None:
    """The engine starts. Whom an older version saw counts as heard now."""
    for one in w.all(Sighting):
        if is_stranger(one) and not one.last_sign:
            w.put_sighting(replace(one, last_sign=w.now))
    if len(w.strangers):
        _look_again(w, w.now)


def _look_again(w: Work, at: float) -> None:
    w.wake(ceil(at / SLOT_S) * SLOT_S, EVERYBODY)


def _forget(w: Work, mac: Mac) -> None:
    """An address that was only offered to it is free again. What another server leased to it is no longer noted."""
    w.drop("sightings", mac)
    address = w.lease_of.get(mac)
    if address is not None and w.leases[address].state in ("offered", "foreign"):
        w.drop("leases", address)
