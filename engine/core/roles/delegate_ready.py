"""Whether the delegate of a device can run on the node that carries it. Pure.

It needs that node as a role of its own would: allocated, alive in its installed system, and free of problems.
"""

from __future__ import annotations

from ... import reasons
from ...definitions import RoleDef
from ...model import Kind, Node
from ...reasons import Reason
from ..hardware.delegates import carrier, place
from ..world.view import View
from .claims import not_confirmed
from .stages import over_network


def not_ready(view: View, device: Node, definition: RoleDef) -> Reason | None:
    """Why the delegate cannot run where it must. None: it can, or it runs on the admin node."""
    named = place(view, device)
    if not named:
        return None
    node = carrier(view, device)
    why = "no node of that name is known yet" if node is None else _why(view, node)
    if why:
        return reasons.delegate_waits(device=device.name, node=named, message=why)
    return not_confirmed(view, node, definition) if node is not None else None


def _why(view: View, node: Node) -> str:
    """Why nothing can run on the node now. Empty: it can."""
    if node.kind not in (Kind.SERVER, Kind.JOINED):
        return "it is not a server"
    tests = (
        (not node.allocated and node.kind is Kind.SERVER, "it is not allocated"),
        (not node.available, "it is set to unavailable"),
        (node.hold, "it is on hold"),
        (node.off is not None, "it is powered off"),
        (node.problem is not None, f"it has a problem: {reasons.sentence(node.problem)}" if node.problem is not None else ""),
        (node.boot is not None, "it is booting"),
        (not node.runs or over_network(view, node.runs), f"it runs {node.runs or 'nothing known'}, not its installed system"),
        (not node.alive, "it does not answer"),
    )
    return next((why for fails, why in tests if fails), "")
