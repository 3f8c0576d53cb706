"""Deployments that the plan no longer has: their records go, with every value that the plan or an operator set for them.

A record and its values stay while a node role needs them: one that stays bound although the plan does not want it (`unbind`). It keeps the
inputs with which it ran, so that nothing runs again because its deployment was deleted. They go with the last such role.
"""

from __future__ import annotations

from ...model import Deployment, NodeRole
from ...plan import Plan
from ..roles.attributes import OF_DEPLOYMENTS
from ..world.work import Work
from .values import SYSTEM


def in_plan(plan: Plan | None, name: str) -> bool:
    """True if the plan has that deployment; the root is always there."""
    return name == SYSTEM or (plan is not None and name in plan.deployments)


def sweep(w: Work) -> None:
    """Drops the records of deployments that neither the plan nor a node role needs. It walks all node roles only if there are such
    deployments."""
    extra = [one.name for one in w.all(Deployment) if not in_plan(w.plan, one.name)] if w.plan is not None else []
    if not extra:
        return
    needed = {name for role in w.all(NodeRole) for name in w.above.get(role.deployment) or ()}
    for name in extra:
        if name in needed:
            continue
        for key in w.values_of.get(name) or ():
            if key[0] in OF_DEPLOYMENTS:
                w.drop("attributes", key)
        w.drop("deployments", name)
