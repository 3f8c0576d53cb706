"""What a commit of a plan would change. It runs the real `bind.commit` on a working copy and throws the copy away. So a preview cannot
differ from the commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct

from ...definitions import Json
from ...model import Key, NodeId, State
from ...plan import Plan
from ...reasons import Reason
from ..hardware.choices import Left
from ..hardware.disk_choice import choice_for, wanted_by
from ..roles.attributes import effective
from ..roles.derive import done
from ..roles.stages import stage_index
from ..world.work import Work
from ..world.world import World
from . import differences as text
from .bind import commit
from .costs import Cost, costs, drifts, goes_back
from .drift import Drift, drift_of
from .pinned import differences
from .proposals import carry_out
from .proposed import proposed_plan
from .revisions import as_kept, as_stored, latest, same
from .unbind import WHY

LINES = 200
"""Most reported lines of differences between the plans' texts."""


class RoleChange(Struct, frozen=True, kw_only=True):
    node: str
    role: str
    what: str
    """`new`: it will be bound and run; `again`: it runs again, because its inputs change; `drift`: its inputs change, and only a
    redeploy applies them; `gone`: the plan no longer wants it, so it is unbound, and its work stays on the node; `left`: the plan no
    longer wants it, but it stays bound (`why`)."""
    stage: str
    destructive: bool
    approved: bool
    why: str = ""
    takes: tuple[str, ...] = ()
    """For a destructive role: names of the disks or the volume that it writes."""
    leaves: tuple[Left, ...] = ()
    """The other disks of the node, each with the reason why it is not taken."""
    back: bool = False
    """True if it runs again only after a step back to its stage, which an operator approves and which reboots the node."""


class Chosen(Struct, frozen=True, kw_only=True):
    """A change of what the rules choose for a node, or of what its roles wish for its hardware."""

    node: str
    """Its present name."""
    what: str
    """`name`, `group`, `deployment` (its owner), the name of an attribute, or `ROLE/ATTRIBUTE` for an attribute of one role."""
    before: Json
    after: Json
    costs: tuple[Cost, ...] = ()
    """For an attribute: the roles that have run with the old value, and what it takes until they run with the new one."""

    @property
    def words(self) -> str:
        """`group: compute -> storage`."""
        return f"{self.what}: {text.told(self.before)} -> {text.told(self.after)}"


class Diff(Struct, frozen=True, kw_only=True):
    same: bool
    """True if it is the current plan: committing it changes nothing."""
    refused: Reason | None
    revision: int
    """Number that the commit would have."""
    plan: tuple[str, ...]
    """Differences between the two plans, one line per value."""
    roles: tuple[RoleChange, ...]
    nodes: tuple[str, ...]
    """Names of the nodes with changes, in order."""
    destroys: tuple[str, ...]
    """`NODE ROLE` of roles that would wipe disks when they run."""
    chosen: tuple[Chosen, ...] = ()
    """What the rules choose, and roles wish, otherwise for allocated nodes."""
    above: tuple[str, ...] = ()
    """Values that operators set for deployments and that stay above the plan's, one line each. Also in `drift`."""
    drift: Drift = Drift()
    """What stands beside the plan after its commit. Committing changes nothing of it."""
    against: int = 0
    """Number of the earlier revision with which the plan was compared. 0: none."""
    apart: tuple[str, ...] = ()
    """Differences from that revision's plan, one line per value."""
    versions: tuple[str, ...] = ()
    """Barclamps and images that are not those with which the plan was saved, one line each."""
    drops: tuple[str, ...] = ()
    """Values that operators set for deployments and that go with these, one line each."""


def diff(world: World, plan: Plan, who: str = "diff", images: Mapping[str, str] | None = None, against: int = 0) -> Diff:
    """Pure: the world stays as it is. `images`: see `pinned.differences`. `against`: a revision to compare the plan with, besides."""
    return _diff(world, plan, lambda work: commit(work, plan, who), images, against)


def diff_proposals(world: World, names: Sequence[str], who: str = "diff") -> Diff:
    """What a commit of the waiting edits of these deployments would change."""
    work = Work(world)
    plan = proposed_plan(work, names)
    if isinstance(plan, Reason):
        return refused_diff(world, plan)
    return _diff(world, plan, lambda work: carry_out(work, names, who))


def refused_diff(world: World, reason: Reason) -> Diff:
    """The preview of a commit that is refused before there is a plan to compare."""
    return Diff(same=False, refused=reason, revision=max(world.revisions, default=0) + 1, plan=(), roles=(), nodes=(), destroys=())


def _diff(
    world: World, plan: Plan, carried_out: Callable[[Work], Reason | None], images: Mapping[str, str] | None = None, against: int = 0
) -> Diff:
    body, work = as_stored(plan), Work(world)
    last = latest(work)
    old = as_kept(world.revisions[last].plan) if last else {}
    is_same = same(old, body)
    revision = last if is_same else last + 1
    refused = carried_out(work)
    lines = tuple(islice(text.differences(old, body), LINES))
    if old == body and not is_same:
        lines = (f"deployments: in the order {', '.join(old['deployments'])} -> {', '.join(body['deployments'])}",)
    earlier = as_kept(world.revisions[against].plan) if against in world.revisions else body
    apart = tuple(islice(text.differences(earlier, body), LINES))
    versions = differences(plan, world.base, images)
    if refused is not None:
        return Diff(
            same=False,
            refused=refused,
            revision=revision,
            plan=lines,
            roles=(),
            nodes=(),
            destroys=(),
            versions=versions,
            against=against,
            apart=apart,
        )
    after = work.finish()
    standing = drift_of(after)
    roles = sorted([*_bound(world, after), *_left(after)], key=lambda r: (r.node, stage_index(after, r.stage) or 0, r.role))
    chosen = tuple(_chosen(world, after))
    return Diff(
        same=is_same and not chosen and not any(role.what != "left" for role in roles),
        refused=None,
        revision=revision,
        plan=lines,
        roles=tuple(roles),
        chosen=chosen,
        nodes=tuple(dict.fromkeys([*(one.node for one in chosen), *(r.node for r in roles)])),
        destroys=tuple(f"{r.node} {r.role}" for r in roles if r.destructive and r.what == "new"),
        above=tuple(one.words for one in standing.settings if one.layer == "setting" and one.planned is not None),
        drift=standing,
        versions=versions,
        drops=tuple(_drops(world, after)),
        against=against,
        apart=apart,
    )


def _drops(before: World, after: World) -> Iterator[str]:
    for name in sorted(set(before.deployments) - set(after.deployments)):
        for key in before.values_of.get(name) or ():
            if key[0] == "setting":
                value = before.attributes[key]
                yield f"{name} {value.name}: {value.who} set {text.told(value.value)}, which goes with the deployment"


def _bound(before: World, after: World) -> list[RoleChange]:
    out: list[RoleChange] = []
    out += [_change(before, key, "gone") for key in before.node_roles if key not in after.node_roles]
    for key, role in after.node_roles.items():
        had = before.node_roles.get(key)
        if had is None:
            out.append(_change(after, key, "new"))
        elif key in after.stale and key not in before.stale:
            out.append(_change(after, key, "again"))
        elif had.state is State.ACTIVE and drifts(before, after, key):
            out.append(_change(after, key, "drift"))
        elif role.state is not State.ACTIVE and done(before, had) and not done(after, role):
            out.append(_change(after, key, "again"))
    return out


def _left(after: World) -> list[RoleChange]:
    """The roles that stay although the plan does not want them."""
    return [_change(after, key, "left", WHY[after.node_roles[key].kept]) for keys in after.kept.values() for key in keys]


def _chosen(before: World, after: World) -> Iterator[Chosen]:
    for node_id, node in sorted(after.nodes.items()):
        had = before.nodes.get(node_id)
        if had is None or not had.allocated:
            continue
        for what, old, new in (
            ("name", had.name, node.name),
            ("group", had.group, node.group),
            ("deployment", had.deployment, node.deployment),
        ):
            if old != new:
                yield Chosen(node=had.name, what=what, before=old, after=new)
        old_values, new_values = _by_rules(before, node_id), _by_rules(after, node_id)
        for name in sorted(old_values.keys() | new_values.keys()):
            if old_values.get(name) != new_values.get(name):
                role, _, attribute = name.rpartition("/")
                cost = costs(before, after, node_id, attribute, role)
                yield Chosen(node=had.name, what=name, before=old_values.get(name), after=new_values.get(name), costs=cost)


def _by_rules(world: World, node_id: NodeId) -> dict[str, Json]:
    """Attribute, or `ROLE/ATTRIBUTE`, -> value."""
    scopes = {node_id: ""} | {f"{node_id}/{role}": f"{role}/" for _, role in world.roles_of.get(node_id) or ()}
    return {
        before + key[2]: world.attributes[key].value
        for scope, before in scopes.items()
        for key in world.values_of.get(scope) or ()
        if key[0] in ("wish", "rule")
    }


def _change(world: World, key: Key, what: str, why: str = "") -> RoleChange:
    role, definition = world.node_roles[key], world.catalog.roles.get(key[1])
    node = world.nodes.get(key[0])
    destructive = definition is not None and definition.destructive
    choice = None
    if destructive and node is not None and what in ("new", "again"):
        named, wanted = effective(world, role, "root-disk"), effective(world, role, wanted_by(role.role))
        choice = choice_for(world, node, key[1], named, wanted)
    takes = () if choice is None else (choice.volume.name,) if choice.volume is not None else tuple(one.name for one in choice.taken)
    return RoleChange(
        node=node.name if node else key[0],
        role=key[1],
        what=what,
        stage=definition.stage if definition else "",
        destructive=destructive,
        approved=bool(role.approved),
        why=why,
        takes=takes,
        leaves=choice.left if choice is not None else (),
        back=what == "again" and definition is not None and node is not None and goes_back(world, node, definition.stage),
    )
