"""What of a catalogue a store's plan in force and its nodes use. An import or a removal must not take that away."""

from __future__ import annotations

from pathlib import Path

from ...core.world.load import load_world
from ...core.world.world import World
from ...definitions import Catalog
from ...plan import Plan
from ...store.place import begun
from ...store.store import Store
from .. import plan_file
from ..mistakes import PlanError
from .content import BarclampError

MOST = 8


class InUse(BarclampError):
    """The plan in force, or a node, uses what would go."""


def refuse_loss(store: Path, now: Catalog, after: Catalog, verb: str) -> None:
    """Raises InUse if the plan in force or a node needs something that only the catalogue `now` has. `verb`: what is refused. Raises
    StoreError for a store that cannot be read."""
    if not begun(store):
        return
    with Store.read(store) as reader:
        world = load_world(now, reader.load())
    lost = sorted(now.roles.keys() - after.roles.keys())
    found = [*_named(world, lost), *_mistakes(world.plan, now, after, lost), *_bound(world, lost)]
    if found:
        more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
        raise InUse(f"{verb}: {'; '.join(found[:MOST])}{more}. Commit a plan without these first")


def _named(world: World, lost: list[str]) -> list[str]:
    deployments = world.plan.deployments.values() if world.plan is not None else ()
    rules = world.plan.rules if world.plan is not None else ()
    named = [(role, f"deployment {one.name}") for one in deployments for role in sorted(one.roles) if role in lost]
    named += [(role, f"rule {number}") for number, rule in enumerate(rules, 1) for role in sorted(rule.roles) if role in lost]
    return [f"the plan in force names role {role} in {where}" for role, where in named]


def _bound(world: World, lost: list[str]) -> list[str]:
    out = []
    for role in lost:
        nodes = sorted(world.nodes[key[0]].name for key in world.node_roles if key[1] == role and key[0] in world.nodes)
        if nodes:
            out.append(f"role {role} is on {', '.join(nodes[:3])}{f' and {len(nodes) - 3} more' if len(nodes) > 3 else ''}")
    return out


def _mistakes(plan: Plan | None, now: Catalog, after: Catalog, lost: list[str]) -> list[str]:
    """Mistakes that the plan in force would have, other than the lost roles themselves."""
    if plan is None:
        return []
    before = _told(plan, now)
    roles = {f"roles.{role}" for role in lost}
    return [
        f"the plan in force has {path}: {text}"
        for path, text in _told(plan, after)
        if (path, text) not in before and not any(path.endswith(role) for role in roles)
    ]


def _told(plan: Plan, catalog: Catalog) -> list[tuple[str, str]]:
    try:
        plan_file.read(plan_file.write(plan), "plan", catalog)
    except PlanError as error:
        return [(one.path, one.expected) for one in error.mistakes]
    return []
