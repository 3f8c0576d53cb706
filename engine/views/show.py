"""The second half of the public face: what the console shows, and how it follows and asks an engine in another process.

Beside `face` because it must be light: a console that attaches loads no services, no SSH and no HTTP, and paints at once.
"""

from __future__ import annotations

from ..attach.client import Attached, Receipt
from ..attach.server import AttachError
from ..config import DEFAULT_STORE
from ..core.boot import expected
from ..core.derive import committed, done
from ..core.stages import node_state
from ..core.topology import Link, Switch, Topology, topology
from ..core.world import World
from ..definitions import Catalog, Json
from ..effects import Accept, Refuse
from ..events import Operate, SetAttribute
from ..files.catalog import shipped
from ..model import Kind, Node, NodeRole, Revision, State
from ..reasons import Reason, advice, sentence
from ..store.errors import StoreError
from ..store.file import held
from ..store.journal_file import JournalFile
from ..store.store import JournalRow, Store
from .advice import Step, lost, next_step, short
from .attribute_view import AttributeRow, deployment_attributes, node_attributes
from .chain import WhyChain, WhyFact, WhyLink, why_chain
from .estimate import Estimate, estimate
from .follow import Follower
from .net_view import AddressRow, NetworkView, addresses, networks
from .node_view import BootView, Disk, Nic, NodePage, RoleLine, StageLife, disks, gave, node_page
from .past import Journal, Past, Problem, Pruned, Stretch
from .plan_view import PlanPage, plan_page, revision_text
from .preview import NodePreview, Preview, preview
from .rack_view import RackRoom, RackView, Slot, rack_room
from .roles_view import ABSENT, LETTERS, Column, Lists, Waiting, bearers, cells, columns, lists
from .story import Story
from .summary import HUMAN, NodeRow, RoleRow, Why, node_row, role_row, servers, why


def boot_next(node: Node) -> str:
    """The signal that should come next in the node's open boot; empty where it has none."""
    return expected(node.boot) if node.boot is not None else ""


__all__ = [
    "ABSENT", "DEFAULT_STORE", "HUMAN", "LETTERS", "Accept", "AddressRow", "AttachError", "Attached", "AttributeRow", "BootView",
    "Catalog", "Column", "Disk", "Estimate", "Follower", "Journal", "JournalFile", "JournalRow", "Json", "Kind", "Link", "Lists",
    "NetworkView", "Nic", "Node", "NodePage", "NodePreview", "NodeRole", "NodeRow", "Operate", "Past", "PlanPage", "Preview",
    "Problem", "Pruned", "RackRoom", "RackView", "Reason", "Receipt", "Refuse", "Revision", "RoleLine", "RoleRow", "SetAttribute",
    "Slot", "StageLife", "State", "Step", "Store", "StoreError", "Story", "Stretch", "Switch", "Topology", "Waiting", "Why",
    "WhyChain", "WhyFact", "WhyLink", "World", "addresses", "advice", "bearers", "boot_next", "cells", "columns", "committed",
    "deployment_attributes", "disks", "done", "estimate", "gave", "held", "lists", "lost", "networks", "next_step",
    "node_attributes", "node_page", "node_row", "node_state", "plan_page", "preview", "rack_room", "revision_text", "role_row",
    "sentence", "servers", "shipped", "short", "topology", "why", "why_chain",
]  # fmt: skip
