"""At a start with other stages than before: the graph of node roles follows, as it does after a commit.

Other barclamps change the graph only at the next commit, whose preview shows what that does. A site's `stages.yml` has no commit: whoever
edits it has decided. A store of an older version, which kept no stages, is left as it is, unless a stage is left out.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...definitions import Catalog, digest
from ...effects import Ignore
from ...model import Node, NodeRole
from ...reasons import Reason
from ..roles.change import change_node
from ..roles.graph import Walk, find_cycle, rank
from ..roles.node_moves import NodeMove
from ..roles.stages import goes_on_in
from ..world.work import Work
from ..world.world import World
from .rebind import rebind
from .values import SYSTEM


def follow_stages(w: Work) -> None:
    """Makes the graph that of the present stages, if it was made with others. If the plan cannot be met nothing changes, and the next start
    tries again. A node whose stage is gone goes on in another one in any case."""
    for node in sorted(w.all(Node), key=lambda one: one.id):
        if node.stage and node.stage not in w.catalog.places:
            change_node(w, node, NodeMove.RESTAGE, stage=goes_on_in(w, node))
    now = digest(w.catalog.stages)
    if w.meta.stages == now:
        return
    before = w.checkpoint()
    refused = _rebound(w) if _differs(w) and w.plan is not None else None
    if refused is not None:
        w.rollback(before)
        w.order(Ignore(reason=refused))
        return
    w.put(replace(w.meta, stages=now))


def _differs(w: Work) -> bool:
    """True if the graph was made with other stages."""
    return bool(w.meta.stages or w.catalog.left_out) and w.meta.stages != digest(w.catalog.stages)


def _rebound(w: Work) -> Reason | None:
    refused = rebind(w, sorted(w.all(Node), key=lambda one: one.id))
    if refused is not None:
        return refused
    keys = sorted(role.key for role in w.all(NodeRole))
    walk = Walk(w)
    cycle = find_cycle(w, walk, keys)
    if cycle is None:
        rank(w, walk, keys)  # other stages, another order
        w.restale(keys)
    return cycle


def unfit(catalog: Catalog, world: World) -> Reason | None:
    """Why an engine with this catalogue cannot go on with the plan in force of this world. None: it can."""
    plan = world.plan
    if plan is None:
        return None
    for deployment in plan.deployments.values():
        for role in sorted(deployment.roles):
            if role in catalog.left_out:
                return reasons.placed_left_out(role=role, deployment=deployment.name, stage=catalog.left_out[role])
    w = Work(world)
    return _rebound(w) if _differs(w) and SYSTEM in w.deployments else None
