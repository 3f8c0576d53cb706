"""A node in each situation in which a verb may come."""

from __future__ import annotations

from typing import Any

from catalogs import catalog, plan, role, same
from world_rig import WorldRig

from engine import reasons
from engine.effects import Accept, Refuse
from engine.events import Operate
from engine.model import Boot, State, Way
from engine.requests import Asker, Request

ALL = catalog(
    role("inventory", "discovery", flags=["discovery"], gives=("disks",)),
    role("bios", "hardware", verify=True, wants=["knob"]),
    role("wipe", "hardware", flags=["destructive"], verify=True),
    role("os-install", "install", flags=["destructive"], wants=["target-os"], verify=True),
    role("serve", "system", requires=(same("os-install"),), verify=True),
    defaults={"knob": 1},
)
ROLES = ("inventory", "bios", "wipe", "os-install", "serve")
BOOT = Boot(generation=1, way=Way.DISK, environment="debian-12", ordered=True, at=0.0, deadline=1e6)


def ready(**fields: Any) -> WorldRig:
    """A node that is done, in its system."""
    d = WorldRig(ALL, plan(dict.fromkeys(ROLES[1:], ("all",))))
    d.server(**{"stage": "system", "runs": "debian-12", "allocated": True, **fields})
    for name in ROLES:
        d.role(name, state=State.ACTIVE, succeeded=True, attempt=f"i5-1{ROLES.index(name)}")
    from engine.core.roles.attributes import inputs_hash

    for name in ROLES:
        d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
    d.put(*d.world.node_roles.values())
    return d


def says(d: WorldRig, verb: str, role: str = "", node: str = "n1") -> Any:
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb=verb, node=node, role=role))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


SITUATIONS: dict[str, dict[str, Any]] = {
    "ready": {},
    "held": {"hold": True},
    "problem": {"problem": reasons.no_plan(), "runs": "", "alive": False},
    "booting": {"boot": BOOT, "runs": "", "alive": False},
    "discovered": {"allocated": False, "stage": "discovery", "runs": "sledgehammer"},
}


def situation(name: str) -> WorldRig:
    if name in SITUATIONS:
        return ready(**SITUATIONS[name])
    d = ready()
    match name:
        case "running":
            d.change(role="serve", state=State.TRANSITION, attempt="i5-30", leg=1)
        case "running, unavailable":
            d.change(role="serve", state=State.TRANSITION, attempt="i5-30", leg=1)
            d.change(available=False)
        case "suspended":
            d.change(role="serve", state=State.TRANSITION, attempt="i5-30", leg=1, resume=True)
            d.change(alive=False)
        case "error":
            d.change(role="serve", state=State.ERROR, tries=1, failure=reasons.no_plan())
        case "unapproved":
            d.change(stage="hardware", runs="sledgehammer")
            d.change(role="wipe", state=State.WAITING)
    return d
