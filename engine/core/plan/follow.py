"""At a start with other stages than before: nodes in a stage that is gone go on in another one, and a plan that cannot be met is refused
before anything starts. The graph of node roles follows in pieces (`pieces.start`).

A store of an older version, or of an engine that was killed during a large commit, is not checked: its plan was, when it was committed.
"""

from __future__ import annotations

from ... import reasons
from ...definitions import Catalog
from ...model import BEGUN, Node, NodeRole
from ...reasons import Reason
from ..roles.change import change_node
from ..roles.graph import Walk, find_cycle
from ..roles.node_moves import NodeMove
from ..roles.stages import goes_on_in
from ..world.work import Work
from ..world.world import World
from .bound_by import bound_by
from .rebind import rebind
from .values import SYSTEM


def follow_stages(w: Work) -> None:
    """Nodes whose stage is gone go on in another one."""
    for node in sorted(w.all(Node), key=lambda one: one.id):
        if node.stage and node.stage not in w.catalog.places:
            change_node(w, node, NodeMove.RESTAGE, stage=goes_on_in(w, node))


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
    if w.meta.bound in ("", BEGUN, bound_by(w)) or SYSTEM not in w.deployments:
        return None
    refused = rebind(w, sorted(w.all(Node), key=lambda one: one.id))
    return refused or find_cycle(w, Walk(w), sorted(role.key for role in w.all(NodeRole)))
