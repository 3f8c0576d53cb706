"""The stages of a node: the present one, the wanted one, and the environment in each.

The present stage is stored (the last one entered). The wanted stage is derived: the lowest one with a committed node role of this node
that is not done. The stages, their order and their names come from configuration (`stages.yml`).
"""

from __future__ import annotations

from itertools import repeat
from operator import itemgetter

from ... import reasons
from ...definitions import Stage
from ...model import Kind, Node, NodeRole, State
from ...reasons import Reason
from ..hardware.own_path import is_this_machine
from ..hardware.written import system_in
from ..world.view import View
from .attributes import effective
from .derive import committed, node_done
from .node_moves import stage_moves

DISCOVERY = "sledgehammer"
"""Name of the discovery image, and of its environment."""
METHOD = "install-method"
"""The attribute that selects how an install role works."""
_ROLE = itemgetter(1)
IMAGE = "image"
"""The method that writes an image from sledgehammer. Every other one needs an installer."""


def wanted_stage(view: View, node: Node) -> str:
    """Name of the lowest stage with something left to do. Empty if there is none."""
    undone = view.undone.get(node.id)
    if not undone:
        return ""
    stages = view.catalog.stages
    lowest: int = min(map(view.catalog.place_of.get, map(_ROLE, undone), repeat(len(stages))))
    return stages[lowest].name if lowest < len(stages) else ""


def goes_on_in(view: View, node: Node) -> str:
    """The stage in which a node goes on whose own stage the site no longer has. In memory it is the first one: the node comes through the
    gate again and does what is left to do. In its system it is the first one there with something left to do, else the last one: the
    engine may not power-cycle it there, and does not install it again."""
    stages = view.catalog.stages
    if node.kind is not Kind.SERVER:
        return stages[-1].name
    environment = node.runs or node.intent.environment
    if not environment or over_network(view, environment):
        return stages[0].name
    wanted = wanted_stage(view, node)
    found = view.catalog.stage_named.get(wanted)
    return wanted if found is not None and found.runs == "installed" else stages[-1].name


def stage_index(view: View, name: str) -> int | None:
    return view.catalog.places.get(name)


def stage_named(view: View, name: str) -> Stage | None:
    return view.catalog.stage_named.get(name)


def may_enter(view: View, node: Node, stage: str) -> Reason | None:
    """Why the node may not enter that stage now. None: it may."""
    there, here = stage_index(view, stage), stage_index(view, node.stage)
    if there is None or not node.stage or node.kind is not Kind.SERVER:
        return None
    if there != here and (shown := is_this_machine(view, node)):
        return reasons.own_machine(node=node.name, what=f"a boot into stage {stage}", shown=shown)
    steps = stage_moves(here or 0, there, view.catalog.gate)
    if "through the gate" in steps and not node.allocated:
        return reasons.not_allocated()
    if "back" in steps and not node.backward:
        return reasons.backward(present=node.stage, stage=stage)
    return None


def environment_of(view: View, node: Node, stage: str) -> str:
    """What a node runs in that stage: `sledgehammer`, the installer of its install role, or the name of the installed system. Empty:
    nothing is suitable, and a guard says why."""
    if node.kind is not Kind.SERVER:
        return node.runs
    found = view.catalog.stage_named.get(stage)
    if found is None:
        return DISCOVERY
    if found.runs == "sledgehammer":
        role = install_role(view, node, stage)
        method = install_method(view, role) if role is not None else IMAGE
        return DISCOVERY if role is None or method == IMAGE else installer(view, str(effective(view, role, "target-os")), method)
    return installed_system(view, node)


def over_network(view: View, environment: str) -> bool:
    """True for an environment that comes over the network and runs in memory: sledgehammer, or an installer."""
    image = view.catalog.images.get(environment)
    return environment == DISCOVERY or (image is not None and image.kind == "installer")


def install_role(view: View, node: Node, stage: str) -> NodeRole | None:
    """The committed node role of that stage whose method may need another environment than the stage's."""
    for name in view.catalog.readers.get(METHOD, ()):
        role = view.node_roles.get((node.id, name)) if view.catalog.roles[name].stage == stage else None
        if role is not None and committed(role):
            return role
    return None


def install_method(view: View, role: NodeRole) -> str:
    return str(effective(view, role, METHOD) or IMAGE)


def installer(view: View, system: str, method: str) -> str:
    """Name of the installer image for a system and a method. Empty if there is none."""
    for image in view.catalog.images.values():
        if image.kind == "installer" and image.installs == system and image.method == method:
            return image.name
    return ""


def installed_system(view: View, node: Node) -> str:
    """Name of the system that the node's install role wrote, or will write (attribute `target-os`). Empty if it has none. A changed
    target does not change an installed system: it is drift, until a reinstall."""
    for name in view.catalog.readers.get("target-os", ()):
        role = view.node_roles.get((node.id, name))
        if role is not None:
            there = system_in(role.gave) if role.state is State.ACTIVE else None
            return there.os if there is not None else str(effective(view, role, "target-os") or "")
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
    if wanted and (stage_index(view, wanted) or 0) <= (stage_index(view, node.stage) or 0):
        return stage.doing  # for an earlier stage too: a node with something left to do is not ready
    if not wanted and not any(view.node_roles[k].state is State.PROPOSED for k in view.roles_of.get(node.id) or ()):
        last = stage.name == view.catalog.stages[-1].name
        return "ready" if last else stage.done
    return stage.done
