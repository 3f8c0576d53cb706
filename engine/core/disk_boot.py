"""How a machine goes on to its own disk, where its firmware asks the network first: attribute `disk-boot`. Pure.

The attribute belongs to the node; a rule of the plan sets it for a product, an operator for one machine. Without it the loader
chooses by its platform (`boot_script.QUIRKS`).
"""

from __future__ import annotations

from ..model import Node
from .attributes import of_node
from .world import View

ATTRIBUTE = "disk-boot"
QUIRKS = ("exit", "exit-1", "sanboot", "grub")


def quirk(view: View, node: Node) -> str:
    """One of QUIRKS; empty: as its platform does."""
    found = of_node(view, node, ATTRIBUTE)
    return str(found) if found in QUIRKS else ""
