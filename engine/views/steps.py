"""How long each step of the bring-up took, in the original's list: discovery, topology, selection, BIOS and RAID, operating system,
services of the rack, OpenStack, validation, reference application. Pure.

A step's seconds go from the first begin of one of its roles on any node to the last end, by the last attempts. Steps overlap where nodes
are at different points. Selection goes on each node from its discovery to the first role after it: it waits for rules, approvals and
places.
"""

from __future__ import annotations

from ..core.world.world import World
from ..definitions import RoleDef
from ..model import NodeRole

STEPS = ("discovery", "topology", "selection", "bios-raid", "os", "services", "openstack", "validation", "application")
APPLICATION = "retriever"
"""The reference application of the original; its role validates too."""
CLOUD_TOOL = "cloud"
"""Roles of OpenStack travel with it."""


def step_of(role: RoleDef) -> str:
    if role.stage == "discovery":
        return "topology" if role.name == "lldp" else "discovery"
    if role.stage in ("hardware", "install"):
        return "bios-raid" if role.stage == "hardware" else "os"
    if role.validates and role.jig != "noop":
        return "application" if role.name == APPLICATION else "validation"
    return "openstack" if CLOUD_TOOL in role.tools else "services"


def steps(world: World) -> dict[str, float]:
    """Step -> seconds, in the order of STEPS; without the steps of which no role has run."""
    spans: dict[str, tuple[float, float]] = {}
    for node in world.nodes:
        discovered, next_begun = 0.0, 0.0
        for key in world.roles_of.get(node) or ():
            role, definition = world.node_roles[key], world.catalog.roles.get(key[1])
            if definition is None or not _ran(role):
                continue
            name = step_of(definition)
            _widen(spans, name, role.started, role.ended)
            if definition.stage == "discovery":
                discovered = max(discovered, role.ended)
            else:
                next_begun = min(next_begun or role.started, role.started)
        if 0 < discovered <= next_begun:
            _widen(spans, "selection", discovered, next_begun)
    return {name: round(spans[name][1] - spans[name][0], 1) for name in STEPS if name in spans}


def _ran(role: NodeRole) -> bool:
    return 0 < role.started <= role.ended


def _widen(spans: dict[str, tuple[float, float]], name: str, begun: float, ended: float) -> None:
    first, last = spans.get(name, (begun, ended))
    spans[name] = (min(first, begun), max(last, ended))
