"""How a machine goes on to its own disk, where its firmware asks the network first: attribute `disk-boot`. Pure.

The attribute belongs to the node; a rule of the plan sets it for a product, an operator for one machine. Without it the loader
chooses by its platform (`boot_script.QUIRKS`).
"""

from __future__ import annotations

from ..model import Node
from .world import View

ATTRIBUTE = "disk-boot"
QUIRKS = ("exit", "exit-1", "sanboot", "grub")
_LAYERS = ("operator", "rule", "hint")


def quirk(view: View, node: Node) -> str:
    """One of QUIRKS; empty: as its platform does. Of the layers that a node has of its own, then of the whole site, the strongest wins."""
    places = [(layer, node.id, ATTRIBUTE) for layer in _LAYERS] + [("deployment", "system", ATTRIBUTE)]
    for place in places:
        found = view.attributes.get(place)
        if found is not None and found.value in QUIRKS:
            return str(found.value)
    return ""
