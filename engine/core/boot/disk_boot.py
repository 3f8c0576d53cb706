"""How a machine continues to its own disk if its firmware boots from the network first: attribute `disk-boot`. Pure.

The attribute belongs to the node. A rule of the plan sets it for a product, an operator for one machine. Without it the loader chooses
by its platform (`quirks.DISK_BOOT`).
"""

from __future__ import annotations

from ...model import Node
from ...quirks import DISK_BOOT
from ..roles.attributes import of_node
from ..world.view import View

ATTRIBUTE = "disk-boot"


def quirk(view: View, node: Node) -> str:
    """One of DISK_BOOT. Empty: the platform decides."""
    found = of_node(view, node, ATTRIBUTE)
    return str(found) if found in DISK_BOOT else ""
