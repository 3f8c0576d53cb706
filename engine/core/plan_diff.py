"""What committing a plan would do, found by doing it to a copy: the same `bind.commit` as in earnest, on a working copy that is thrown
away. So a preview can not say another thing than the commit does.
"""

from __future__ import annotations

from msgspec import Struct, json

from ..definitions import Json
from ..model import Key, State
from ..plan import Plan
from ..reasons import Reason
from .attributes import inputs_hash
from .bind import as_kept, commit, latest
from .derive import done
from .stages import stage_index
from .unbind import surplus
from .work import Work
from .world import World

LINES = 200
"""Most lines that are told of what differs in the plans' texts."""


class RoleChange(Struct, frozen=True, kw_only=True):
    node: str
    role: str
    what: str
    """`new`: it will be bound and run; `again`: it runs again, because what it reads changes; `drift`: what it reads changes,
    and only a redeploy acts on it; `gone`: the plan wants it no more, so it is unbound, and what it did stays on the node; `left`: it is
    wanted no more either, but stays bound (`why`)."""
    stage: str
    destructive: bool
    approved: bool
    why: str = ""


class Diff(Struct, frozen=True, kw_only=True):
    same: bool
    """It is the plan in force: committing it changes nothing."""
    refused: Reason | None
    revision: int
    """Number that the commit would have."""
    plan: tuple[str, ...]
    """What differs in the two plans, one line per value."""
    roles: tuple[RoleChange, ...]
    nodes: tuple[str, ...]
    """Names of the nodes with changes, in order."""
    destroys: tuple[str, ...]
    """`NODE ROLE` of what would wipe disks when it runs."""


def diff(world: World, plan: Plan, who: str = "diff") -> Diff:
    """Pure: the world stays as it is."""
    body = json.decode(json.encode(plan))  # as a revision keeps it
    last = latest(Work(world))
    old = as_kept(world.revisions[last].plan) if last else {}
    if old == body:
        return Diff(same=True, refused=None, revision=last, plan=(), roles=(), nodes=(), destroys=())
    work = Work(world)
    refused = commit(work, plan, who)
    told = tuple(_differences("", old, body))[:LINES]
    if refused is not None:
        return Diff(same=False, refused=refused, revision=last + 1, plan=told, roles=(), nodes=(), destroys=())
    after = work.finish()
    roles = sorted([*_bound(world, after), *_left(world, after)], key=lambda r: (r.node, stage_index(after, r.stage) or 0, r.role))
    return Diff(
        same=False,
        refused=None,
        revision=last + 1,
        plan=told,
        roles=tuple(roles),
        nodes=tuple(dict.fromkeys(r.node for r in roles)),
        destroys=tuple(f"{r.node} {r.role}" for r in roles if r.destructive and r.what == "new"),
    )


def _bound(before: World, after: World) -> list[RoleChange]:
    out = []
    for key, role in after.node_roles.items():
        had = before.node_roles.get(key)
        if had is None:
            out.append(_change(after, key, "new"))
        elif key in after.stale and key not in before.stale:
            out.append(_change(after, key, "again"))
        elif had.state is State.ACTIVE and _drifts(before, after, key):
            out.append(_change(after, key, "drift"))
        elif role.state is not State.ACTIVE and done(before, had) and not done(after, role):
            out.append(_change(after, key, "again"))
    return out


def _drifts(before: World, after: World, key: Key) -> bool:
    """A destructive role that is done reads something else now."""
    definition = after.catalog.roles.get(key[1])
    if definition is None or not definition.destructive:
        return False
    return inputs_hash(before, before.node_roles[key]) != inputs_hash(after, after.node_roles[key])


def _left(before: World, after: World) -> list[RoleChange]:
    """What the plan asks for no more."""
    gone = [_change(before, key, "gone") for key in before.node_roles if key not in after.node_roles]
    _, stays = surplus(after, list(after.node_roles.values()), latest(Work(before)))
    return gone + [_change(after, key, "left", why) for key, why in stays.items()]


def _change(world: World, key: Key, what: str, why: str = "") -> RoleChange:
    role, definition = world.node_roles[key], world.catalog.roles.get(key[1])
    node = world.nodes.get(key[0])
    return RoleChange(
        node=node.name if node else key[0],
        role=key[1],
        what=what,
        stage=definition.stage if definition else "",
        destructive=definition is not None and definition.destructive,
        approved=bool(role.approved),
        why=why,
    )


def _differences(path: str, old: Json, new: Json) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        out: list[str] = []
        for key in [*old, *(k for k in new if k not in old)]:
            if old.get(key) != new.get(key):
                out += _differences(f"{path}.{key}" if path else str(key), old.get(key), new.get(key))
        return out
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        out = []
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            if a != b:
                out += _differences(f"{path}.{i}", a, b)
        return out
    return [f"{path}: {_short(old)} -> {_short(new)}"]


def _short(value: Json) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
