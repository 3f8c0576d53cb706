"""How much of its life a node has behind it, from the first discovery to ready, and how much time is left. Pure.

Every stage weighs what it takes: as measured on finished nodes of the same family, or else as shipped in STAGE_S. Inside a stage each role
weighs ROLE_S. So progress counts over the whole life, and entering a stage takes nothing away.

Shipped values are for physical servers. Where the rack's own discovery was faster or slower, the others are scaled by the same factor: a
rehearsal runs at another speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from msgspec import Struct

from ..core.roles.derive import committed, done, node_done
from ..core.roles.stages import stage_index
from ..core.roles.transitions import runs
from ..core.world.world import World
from ..model import Kind, Node, NodeRole

ENOUGH = 2
"""Finished nodes that a family needs for a measured estimate."""
STAGE_S = {"discovery": 200.0, "hardware": 420.0, "install": 480.0, "system": 240.0}
"""Shipped expectation of each stage, its boot included, in seconds."""
OTHER_STAGE_S = 300.0
"""That of a stage which a site adds."""
ROLE_S = {"inventory": 10.0, "lldp": 35.0, "bmc-discover": 10.0, "raid-configure": 90.0, "bios-configure": 60.0, "os-install": 300.0}
"""Shipped expectation of roles, in seconds. They only divide a stage."""
OTHER_ROLE_S = 15.0
BOOT_S = 120.0
"""Shipped expectation of the boot at the begin of a stage."""


class Progress(Struct, frozen=True, kw_only=True):
    """Parts of a node's life, in seconds of its expectation."""

    behind: float
    running: float
    """The whole weight of the role that runs."""
    all: float

    def share(self, percent: float = 0.0) -> float:
        """From 0 to 1. `percent`: progress of the running role."""
        return min((self.behind + self.running * percent / 100) / self.all, 1.0) if self.all else 0.0


class Pace(Struct, frozen=True, kw_only=True):
    """What stages take here, in seconds."""

    families: dict[str, tuple[float, ...]] = {}
    """Family -> what each stage took, measured on finished nodes."""
    factor: float = 1.0
    """How much longer than shipped the rack's stages take, by those that have ended."""

    def of(self, world: World, family: str) -> tuple[float, ...]:
        found = self.families.get(family)
        return found if found is not None else tuple(self.factor * shipped(stage.name) for stage in world.catalog.stages)


def shipped(stage: str) -> float:
    return STAGE_S.get(stage, OTHER_STAGE_S)


def pace(world: World) -> Pace:
    """What has been measured so far. A scan of all node roles."""
    finished: dict[str, list[tuple[float, ...]]] = {}
    ratios: list[float] = []
    for node in world.nodes.values():
        if node.kind is not Kind.SERVER:
            continue
        spans = _spans(world, node)
        ratios += [span / shipped(world.catalog.stages[i].name) for i, span in enumerate(spans) if span > 0]
        if node.allocated and node.boot is None and any(spans) and node_done(world, node):
            finished.setdefault(node.family, []).append(spans)
    families = {
        family: tuple(median(one) for one in zip(*found, strict=True)) for family, found in finished.items() if len(found) >= ENOUGH
    }
    return Pace(families=families, factor=median(ratios) if ratios else 1.0)


def progress(world: World, node: Node, weights: tuple[float, ...] = ()) -> Progress:
    """`weights`: what each stage takes (`Pace.of`); without it, as shipped."""
    stages = world.catalog.stages
    here = stage_index(world, node.stage)
    by_stage = _by_stage(world, node)
    whole = not node.allocated and node.kind is Kind.SERVER and plans_more(world)
    behind = running = total = 0.0
    for i, stage in enumerate(stages):
        mine = by_stage.get(i, [])
        if not mine and not (whole and i > (here or 0)):
            continue
        weight = weights[i] if weights and weights[i] > 0 else shipped(stage.name)
        total += weight
        if not mine:
            continue
        parts = BOOT_S + sum(_role_s(role) for role in mine)
        arrived = (here is not None and (here > i or (here == i and node.boot is None))) or any(role.started for role in mine)
        past = sum(_role_s(role) for role in mine if done(world, role)) + (BOOT_S if arrived else 0.0)
        behind += weight * past / parts
        running += sum(weight * _role_s(role) / parts for role in mine if runs(role) and not done(world, role))
    return Progress(behind=behind, running=running, all=total)


def plans_more(world: World) -> bool:
    """True if the plan has roles beyond the first stage, which a node gets when it is allocated."""
    deployments = world.plan.deployments.values() if world.plan is not None else ()
    return any(world.catalog.place_of.get(role, 0) > 0 for one in deployments for role in one.roles)


def _role_s(role: NodeRole) -> float:
    return ROLE_S.get(role.role, OTHER_ROLE_S)


def _by_stage(world: World, node: Node) -> Mapping[int, list[NodeRole]]:
    out: dict[int, list[NodeRole]] = {}
    for key in world.roles_of.get(node.id) or ():
        role = world.node_roles[key]
        if committed(role):
            out.setdefault(world.catalog.place_of.get(role.role, 0), []).append(role)
    return out


def _spans(world: World, node: Node) -> tuple[float, ...]:
    """What each ended stage took, in seconds of wall time; 0: it has not ended. With its boot, without the wait for an allocation."""
    out, before = [], 0.0
    by_stage = _by_stage(world, node)
    for i in range(len(world.catalog.stages)):
        mine = [role for role in by_stage.get(i, []) if role.started]
        if not mine or any(not done(world, role) for role in by_stage[i]):
            out.append(0.0)
            continue
        begun, ended = min(role.started for role in mine), max(role.ended for role in mine)
        out.append(max(ended - (begun if i == world.catalog.gate or not before else min(before, begun)), 0.001))
        before = ended
    return tuple(out)
