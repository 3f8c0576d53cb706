"""The second half of the public API: what the console shows, and how it follows and asks an engine in another process.

Separate from `control` because it must be light: a console that attaches loads no services, no SSH and no HTTP, and paints at once.
"""

from __future__ import annotations

from msgspec import ValidationError, convert

from ..attach.client import Attached, Receipt
from ..attach.place import AttachError
from ..attach.protocol import DoJoin
from ..core.boot.signals import expected
from ..core.hardware.disk_now import Look
from ..core.hardware.port_names import natural
from ..core.hardware.topology import Link, Switch, Topology, topology
from ..core.operator import verbs
from ..core.plan.drift import Drift, drift_of
from ..core.plan.owned import SYSTEM as ROOT
from ..core.roles.derive import committed, done
from ..core.roles.stages import node_state
from ..core.world.world import World
from ..definitions import Catalog, Json
from ..effects import Accept, Refuse
from ..events import Operate, Recall, SetAttribute
from ..files.clamps.site import site_catalog
from ..files.mistakes import CatalogError
from ..files.paths import DEFAULT_STORE, absolute
from ..model import Kind, Node, NodeRole, Revision, State
from ..packets.decoding import COMMAND as DECODING
from ..packets.decoding import DecodedPacket, Decoder
from ..packets.packet import Packet, from_json
from ..reasons import Reason, advice, is_failure, needs_person, sentence
from ..store.console_log import console_files
from ..store.errors import StoreError
from ..store.file import held, is_of_a_store
from ..store.journal_file import JournalFile
from ..store.store import JournalRow, Store
from ..validation import Case, Group, Report
from ..validation import Result as CaseResult
from ..views import health_words
from ..views.advice import Step, lost, next_step, short
from ..views.attribute_view import AttributeRow, deployment_attributes, node_attributes
from ..views.cables import WrongCable, wrong_cables
from ..views.carriers import Carrier, carrier_words, carriers
from ..views.chain import WhyChain, WhyFact, WhyLink, why_chain
from ..views.critical_path import CriticalPath, critical_path
from ..views.estimate import Estimate, estimate
from ..views.explain import layers_in_line
from ..views.follow import Follower
from ..views.links_view import LinkGroup, Port, in_order, port_of, ports_of, switch_of
from ..views.net_view import AddressRow, NetworkView, addresses, networks
from ..views.node_view import BootView, Disk, Nic, NodePage, RoleLine, StageLife, disks, gave, node_page
from ..views.past import Journal, Past, Problem, Pruned, Stretch
from ..views.plan_view import DeploymentView, PlanPage, plan_page, revision_text
from ..views.preview import NodePreview, Preview, preview
from ..views.problem_queue import QueuedProblem, problem_queue
from ..views.progress import Progress, progress
from ..views.proposals import ProposalView, waiting_edits
from ..views.rack_view import RackRoom, RackView, Slot, rack_room
from ..views.revisions import RevisionView, revision_views
from ..views.roles_view import ABSENT, LETTERS, Column, Lists, Waiting, bearers, cells, columns, lists
from ..views.search import Finder, Found
from ..views.story import Story
from ..views.summary import NodeRow, RoleRow, Why, machines, node_row, role_row, sighting_reason, why
from ..views.timeline import Chart, ChartView, MachineLife, Mark, per_column, spent
from ..views.timeline_cells import LEVELS, NOTHING, Arrow, Cell, Span, arrows, levels, ticks
from ..views.timeline_cells import cells as life_cells
from ..views.timeline_svg import svg as timeline_svg
from ..views.timeline_waits import WaitsFor, waits_for_others
from ..views.validation import Broken, Proof, Validation, proofs, validating, validation


def shipped() -> Catalog:
    """The catalogue that is shipped with the program. Raises CatalogError. A console that attaches starts without YAML."""
    from ..files.catalog import shipped as read

    return read()


def looks_of(told: Json) -> dict[str, Look]:
    """From the answer to `Attached.disks`. Empty if it is none."""
    try:
        return convert(told, dict[str, Look])
    except ValidationError:
        return {}


def boot_next(node: Node) -> str:
    """The next expected signal of the node's open boot. Empty without one."""
    return expected(node.boot) if node.boot is not None else ""


__all__ = [
    "ABSENT",
    "DECODING",
    "DEFAULT_STORE",
    "LETTERS",
    "LEVELS",
    "NOTHING",
    "ROOT",
    "Accept",
    "AddressRow",
    "Arrow",
    "AttachError",
    "Attached",
    "AttributeRow",
    "BootView",
    "Broken",
    "Carrier",
    "Case",
    "CaseResult",
    "Catalog",
    "CatalogError",
    "Cell",
    "Chart",
    "ChartView",
    "Column",
    "CriticalPath",
    "DecodedPacket",
    "Decoder",
    "DeploymentView",
    "Disk",
    "DoJoin",
    "Drift",
    "Estimate",
    "Finder",
    "Follower",
    "Found",
    "Group",
    "Journal",
    "JournalFile",
    "JournalRow",
    "Json",
    "Kind",
    "Link",
    "LinkGroup",
    "Lists",
    "Look",
    "MachineLife",
    "Mark",
    "NetworkView",
    "Nic",
    "Node",
    "NodePage",
    "NodePreview",
    "NodeRole",
    "NodeRow",
    "Operate",
    "Packet",
    "Past",
    "PlanPage",
    "Port",
    "Preview",
    "Problem",
    "Progress",
    "Proof",
    "ProposalView",
    "Pruned",
    "QueuedProblem",
    "RackRoom",
    "RackView",
    "Reason",
    "Recall",
    "Receipt",
    "Refuse",
    "Report",
    "Revision",
    "RevisionView",
    "RoleLine",
    "RoleRow",
    "SetAttribute",
    "Slot",
    "Span",
    "StageLife",
    "State",
    "Step",
    "Store",
    "StoreError",
    "Story",
    "Stretch",
    "Switch",
    "Topology",
    "Validation",
    "Waiting",
    "WaitsFor",
    "Why",
    "WhyChain",
    "WhyFact",
    "WhyLink",
    "World",
    "WrongCable",
    "absolute",
    "addresses",
    "advice",
    "arrows",
    "bearers",
    "boot_next",
    "carrier_words",
    "carriers",
    "cells",
    "columns",
    "committed",
    "console_files",
    "critical_path",
    "deployment_attributes",
    "disks",
    "done",
    "drift_of",
    "estimate",
    "from_json",
    "gave",
    "health_words",
    "held",
    "in_order",
    "is_failure",
    "is_of_a_store",
    "layers_in_line",
    "levels",
    "life_cells",
    "lists",
    "looks_of",
    "lost",
    "machines",
    "natural",
    "needs_person",
    "networks",
    "next_step",
    "node_attributes",
    "node_page",
    "node_row",
    "node_state",
    "per_column",
    "plan_page",
    "port_of",
    "ports_of",
    "preview",
    "problem_queue",
    "progress",
    "proofs",
    "rack_room",
    "revision_text",
    "revision_views",
    "role_row",
    "sentence",
    "shipped",
    "short",
    "sighting_reason",
    "site_catalog",
    "spent",
    "switch_of",
    "ticks",
    "timeline_svg",
    "topology",
    "validating",
    "validation",
    "verbs",
    "waiting_edits",
    "waits_for_others",
    "why",
    "why_chain",
    "wrong_cables",
]
