"""Whether the engine records a node's serial console. Pure.

`console-record`: `always`, `never`, or `boots` (while the engine boots the machine, and LINGER_S longer). Without it: `boots` on a real
rack, where machines print something; a rehearsal's rack records the consoles of its machines itself.
"""

from __future__ import annotations

from ...model import Kind, Node
from ..roles.attributes import of_node
from ..world.view import View
from .bmc import usable

RECORD, TAKE = "console-record", "console-take"
LINGER_S = 120.0
"""Seconds after a boot: its last lines come when the machine works already."""


def recorded(view: View, node: Node, booted_s: float, real: bool) -> bool:
    """`booted_s`: seconds since the node's last boot was open."""
    if node.kind is not Kind.SERVER or usable(view, node) is None:
        return False
    wish = of_node(view, node, RECORD)
    if wish in ("always", "never"):
        return bool(wish == "always")
    return (real or wish == "boots") and (node.boot is not None or booted_s < LINGER_S)


def takes(view: View, node: Node) -> bool:
    """Whether another session may lose the console to the engine."""
    return of_node(view, node, TAKE) is True
