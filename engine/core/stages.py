"""The life of a node: which stage it is in, which it wants, and what it runs there.

The present stage is stored (the last one entered). The wanted stage is derived: the lowest one that holds a committed node role of
this node that is not done. The stages, their order and their names come from configuration (`stages.yml`).
"""

from __future__ import annotations

from .. import reasons
from ..definitions import RoleDef, Stage
from ..model import Kind, Node, NodeRole, State
from ..reasons import Reason
from .attributes import effective
from .derive import committed, done, node_done
from .world import View

DISCOVERY = "sledgehammer"
"""Name of the discovery image, and of the environment that it makes."""
METHOD = "install-method"
"""The attribute by which an install role says how it is carried out."""
IMAGE = "image"
"""The method that writes an image from sledgehammer; every other one needs an installer."""


def wanted_stage(view: View, node: Node) -> str:
    """Name of the lowest stage with something left to do; empty when there is none."""
    best: int | None = None
    for key in view.roles_of.get(node.id) or ():
        role = view.node_roles[key]
        definition = view.catalog.roles.get(role.role)
        if definition is None or not committed(role) or done(view, role):
            continue
        index = stage_index(view, definition.stage)
        if index is not None and (best is None or index < best):
            best = index
    return view.catalog.stages[best].name if best is not None else ""


def stage_index(view: View, name: str) -> int | None:
    for i, stage in enumerate(view.catalog.stages):
        if stage.name == name:
            return i
    return None


def stage_named(view: View, name: str) -> Stage | None:
    i = stage_index(view, name)
    return None if i is None else view.catalog.stages[i]


def may_enter(view: View, node: Node, stage: str) -> Reason | None:
    """Why the node may not go to that stage now; None: it may."""
    there, here = stage_index(view, stage), stage_index(view, node.stage)
    if there is None or here is None or node.kind is not Kind.SERVER:
        return None
    gate = next((i for i, s in enumerate(view.catalog.stages) if s.gate), len(view.catalog.stages))
    if there >= gate and not node.allocated:
        return reasons.not_allocated()
    if there < here and not node.backward:
        return reasons.backward(present=node.stage, stage=stage)
    return None


def environment_of(view: View, node: Node, stage: str) -> str:
    """What a node runs in that stage: `sledgehammer`, the installer that its install role is carried out by, or the name of the system
    that its install puts there. Empty: there is nothing that would do, and a guard says why."""
    if node.kind is not Kind.SERVER:
        return node.runs
    found = stage_named(view, stage)
    if found is None:
        return DISCOVERY
    if found.runs == "sledgehammer":
        role = install_role(view, node, stage)
        method = install_method(view, role) if role is not None else IMAGE
        return DISCOVERY if role is None or method == IMAGE else installer(view, str(effective(view, role, "target-os")), method)
    return installed_system(view, node)


def over_network(view: View, environment: str) -> bool:
    """Is it an environment that comes over the network and runs in memory: sledgehammer, or an installer?"""
    image = view.catalog.images.get(environment)
    return environment == DISCOVERY or (image is not None and image.kind == "installer")


def install_role(view: View, node: Node, stage: str) -> NodeRole | None:
    """The committed node role of that stage whose method may need another environment than the stage's."""
    for key in view.roles_of.get(node.id) or ():
        role: NodeRole = view.node_roles[key]
        definition = view.catalog.roles.get(role.role)
        if definition is not None and definition.stage == stage and committed(role) and wants(definition, METHOD):
            return role
    return None


def install_method(view: View, role: NodeRole) -> str:
    return str(effective(view, role, METHOD) or IMAGE)


def installer(view: View, system: str, method: str) -> str:
    """Name of the installer image that installs a system by that method; empty when there is none."""
    for image in view.catalog.images.values():
        if image.kind == "installer" and image.installs == system and image.method == method:
            return image.name
    return ""


def wants(definition: RoleDef, attribute: str) -> bool:
    return any(want.name == attribute for want in definition.wants)


def installed_system(view: View, node: Node) -> str:
    """Name of the system that the node's install role wrote, or will write (attribute `target-os`); empty when it has none. What is
    wanted now does not change what is there: another target is drift, until a reinstall."""
    for key in view.roles_of.get(node.id) or ():
        role: NodeRole = view.node_roles[key]
        definition = view.catalog.roles.get(role.role)
        if definition is not None and any(want.name == "target-os" for want in definition.wants):
            there = role.gave.get("installed") if role.state is State.ACTIVE else None
            value = there.get("os") if isinstance(there, dict) else effective(view, role, "target-os")
            return str(value) if value else ""
    return ""


def node_state(view: View, node: Node) -> str:
    """The word shown for a node: that of its stage, or `problem`, `hold`. Only those two are stored."""
    if node.problem is not None:
        return "problem"
    if node.hold or node.off is not None:
        return "hold"
    wanted = wanted_stage(view, node)
    if node.kind is not Kind.SERVER:
        return "ready" if node_done(view, node) else ("readying" if wanted else "discovered" if node.kind is Kind.DEVICE else "joined")
    stage = stage_named(view, node.stage)
    if stage is None:
        return "discovering"
    if wanted == node.stage:
        return stage.doing
    if not wanted and not any(
        view.node_roles[k].state is State.PROPOSED for k in view.roles_of.get(node.id) or ()
    ):
        last = stage.name == view.catalog.stages[-1].name
        return "ready" if last else stage.done
    return stage.done
