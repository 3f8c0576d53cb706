"""The public API of the engine: everything that the console and the command line may use. They import nothing else of the engine.

What runs an engine in this process is in `running`: it loads all of it, which costs each command that only asks most of a second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, ValidationError, convert, to_builtins

from .. import reasons
from ..attach.client import Attached, Receipt
from ..attach.desk import program_version
from ..attach.place import AttachError
from ..core.hardware.disk_now import Look
from ..core.hardware.port_names import natural
from ..core.hardware.topology import Link, Topology, topology
from ..core.plan.diff import Diff, diff
from ..core.plan.drift import Drift, drift_of
from ..core.plan.known import added, with_machines
from ..core.plan.network_roles import network_roles
from ..core.plan.owned import SYSTEM as ROOT
from ..core.plan.pinned import differences
from ..core.plan.proposed import definition, wanted_of
from ..core.plan.save import left_out, saved
from ..core.roles.pointer import PointerError, schema_at
from ..core.roles.pointer import split as split_pointer
from ..core.world.load import load_world
from ..definitions import Catalog, Json, versions
from ..doctor.bmc import BmcSaid, bmc_checks
from ..doctor.bmc import wanted_of as bmc_wanted
from ..doctor.checks import Check, examine
from ..doctor.interfaces import InterfaceWatch, Neighbour, Port
from ..doctor.probes import RealProbes
from ..effects import Refuse
from ..files import key_file, plan_file
from ..files.catalog import read as read_catalog
from ..files.catalog import shipped
from ..files.clamps.site import site_catalog
from ..files.first_plan import CLOUDS, Answers, Proposal, compose, count, mistakes, propose
from ..files.key_file import KeyFileError
from ..files.machine_list import read_machine_list
from ..files.mistakes import CatalogError, PlanError
from ..files.paths import DEFAULT_STORE, absolute, images_folder, keys_beside, shipped_folder
from ..files.plan_deployments import no_image
from ..files.plan_edits import diff_edits
from ..files.plan_write import write_deployment
from ..files.typed_text import typed
from ..images.build.errors import BuildError
from ..images.build.shipped import build_image
from ..images.shelf import image_states, manifests
from ..images.wanted import remarks as image_remarks
from ..images.wanted import wanted as image_names
from ..model import Kind
from ..packets.capture import Capture
from ..packets.decoding import DecodedPacket, Decoder
from ..packets.packet import Packet, from_json
from ..plan import DeploymentDef, Plan
from ..racks import RackError, connect
from ..racks.qemu.serial_log import serial_logs
from ..reasons import Reason, advice, sentence
from ..rehearsal.repair import machine_of, rack_beside
from ..runtime.config import Config
from ..serve import ServiceError
from ..store.file import held
from ..store.journal_file import Head, export
from ..store.seat import shared
from ..store.store import JournalRow, Store, StoreError
from ..trust.vault import VaultError, at_hand, unfit
from ..views.attribute_view import attribute_rows
from ..views.carriers import Carrier, carrier_words, carriers
from ..views.certificates import WipeCertificate, certificates
from ..views.deployments import DeploymentState
from ..views.explain import Explained, LayerRow, explain_attribute
from ..views.export import ExportedNode, exported
from ..views.facts import node_facts
from ..views.node_view import Disk, disks
from ..views.plan_view import DeploymentView, deployed, deployment_views, revision_text
from ..views.preview import NodePreview, preview
from ..views.proposals import ProposalView, waiting_edits
from ..views.revisions import RevisionView, revision_views
from ..views.rules_view import RulesTried, try_rules
from ..views.shift_report import ShiftReport, shift_report
from ..views.story import Story
from ..views.summary import NodeRow, RoleRow, Summary, Why, machines, node_row, proved, role_row, settled, summary
from ..views.validation import Broken, Validation
from ..views.walk import CableStep, walk
from ..wire.reach import Reach

__all__ = [
    "CLOUDS",
    "DEFAULT_STORE",
    "ROOT",
    "Answers",
    "AttachError",
    "Attached",
    "Broken",
    "BuildError",
    "CableStep",
    "Capture",
    "Carrier",
    "CatalogError",
    "Check",
    "Config",
    "DecodedPacket",
    "Decoder",
    "DeploymentDef",
    "DeploymentState",
    "DeploymentView",
    "Diff",
    "Disk",
    "Drift",
    "Explained",
    "ExportedNode",
    "InterfaceWatch",
    "KeyFileError",
    "LayerRow",
    "Link",
    "Neighbour",
    "NodePreview",
    "NodeRow",
    "Packet",
    "Plan",
    "PlanError",
    "PointerError",
    "Port",
    "Proposal",
    "ProposalView",
    "RackError",
    "Reach",
    "Reader",
    "RealProbes",
    "Reason",
    "Receipt",
    "Refuse",
    "RevisionView",
    "RoleRow",
    "RulesTried",
    "ServiceError",
    "ShiftReport",
    "Store",
    "StoreError",
    "Story",
    "Summary",
    "Topology",
    "Validation",
    "VaultError",
    "Why",
    "WipeCertificate",
    "added",
    "advice",
    "at_hand",
    "attribute_rows",
    "bmc_checks",
    "bmc_said",
    "bmc_wanted",
    "build_image",
    "carrier_words",
    "commit_plan",
    "compose",
    "connect",
    "count",
    "deployed",
    "diff",
    "diff_edits",
    "examine",
    "from_json",
    "held",
    "image_remarks",
    "image_states",
    "images_folder",
    "keep_secret",
    "keys_beside",
    "machine_of",
    "mistakes",
    "natural",
    "network_roles",
    "no_image",
    "plan_file",
    "propose",
    "proved",
    "rack_beside",
    "read_catalog",
    "read_machine_list",
    "revision_text",
    "schema_at",
    "secret_of",
    "sentence",
    "serial_logs",
    "settled",
    "shared",
    "shipped",
    "shipped_folder",
    "site_catalog",
    "split_pointer",
    "summary",
    "to_json",
    "typed",
    "unfit_secrets",
    "version_remarks",
    "versions",
    "with_machines",
    "write_deployment",
]


def bmc_said(told: Json) -> BmcSaid:
    """From the answer to `Attached.bmc`. Empty if it is none."""
    try:
        return convert(told["look"], BmcSaid) if isinstance(told, dict) and "look" in told else BmcSaid()
    except ValidationError:
        return BmcSaid()


def to_json(record: Struct) -> dict[str, Any]:
    """A record as plain data."""
    found = to_builtins(record)
    assert isinstance(found, dict)
    return found


def keep_secret(store: Path, name: str, value: str) -> Path:
    """Writes a typed text into a file beside the store, so that a plan can name it. Raises KeyFileError, OSError."""
    path = absolute(keys_beside(store)) / name
    key_file.folder_of_keys(path.parent)
    key_file.replace(path, value.encode() + b"\n")
    return path


def secret_of(name: str, source: dict[str, str]) -> str | None:
    """The secret that a source names, `{env: VARIABLE}` or `{file: PATH}`, read with the rights of who asks. None: there is none. Raises
    VaultError."""
    return at_hand({name: source}, os.environ).get(name) or None


def unfit_secrets(plan: Plan) -> dict[str, str]:
    """Place in the plan -> what is wrong with its secret now. Raises VaultError."""
    return unfit(plan.secrets, os.environ)


def commit_plan(engine: Attached, text: str, name: str, expects: int | None = None) -> Receipt | Reason:
    """Commit a plan to a running engine. Its secrets are read here, with the rights of who asks. `expects`: the revision that must be in
    force. Raises AttachError."""
    try:
        secrets = at_hand(plan_file.read(text, name, site_catalog(engine.store)).secrets, os.environ)
    except PlanError:
        secrets = {}  # the engine tells the mistakes
    except VaultError as error:
        return reasons.not_committed(message=str(error))
    return engine.commit(text, name, secrets, expects)


def version_remarks(store: Path, plan: Plan, catalog: Catalog, images: bool = True) -> tuple[str, ...]:
    """A line for each barclamp of the catalogue, and each image here, that is not the one with which the plan was saved."""
    return differences(plan, catalog, manifests(store) if images else None)


class Reader:
    """Reads a store, with or without a running engine. Raises StoreError, CatalogError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._store = Store.read(directory)
        try:
            self._catalog = site_catalog(directory)
            self.world = load_world(self._catalog, self._store.load())
        except BaseException:
            self._store.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    @property
    def catalog(self) -> Catalog:
        """The barclamps of the site as they are on the disk."""
        return self._catalog

    def running(self) -> bool:
        """True if an engine holds this store."""
        return held(self._directory)

    def summary(self) -> Summary:
        return summary(self.world)

    def nodes(self) -> list[NodeRow]:
        return [node_row(self.world, n) for n in machines(self.world)]

    def node(self, name: str) -> NodeRow | None:
        found = self.world.node_named(name)
        return node_row(self.world, found) if found else None

    def facts(self, name: str) -> tuple[tuple[str, str], ...]:
        """Odd facts about a node that stop nothing: label and sentence."""
        found = self.world.node_named(name)
        return node_facts(self.world, found) if found else ()

    def roles(self, node: str = "") -> list[RoleRow]:
        """The roles of one node in the order in which they run, or of all nodes."""
        if node:
            found = self.world.node_named(node)
            chosen = [found] if found else []
        else:
            chosen = [*machines(self.world), *([self.world.nodes["admin"]] if "admin" in self.world.nodes else [])]
        out = []
        for one in chosen:
            mine = [self.world.node_roles[k] for k in self.world.roles_of.get(one.id, ())]
            out += [role_row(self.world, r) for r in sorted(mine, key=lambda r: (-r.rank, r.role))]
        return out

    def role(self, node: str, role: str) -> RoleRow | None:
        found = self.world.node_named(node)
        record = self.world.node_roles.get((found.id, role)) if found else None
        return role_row(self.world, record) if record else None

    def attribute(self, node: str, role: str, name: str) -> Explained | None:
        """Where the value of an attribute (`NAME`, or `NAME#/a/b` for one place in it) for a node role comes from, or how to set one.
        None: no such node role or attribute. Raises PointerError."""
        found = self.world.node_named(node)
        record = self.world.node_roles.get((found.id, role)) if found else None
        name, pointer = split_pointer(name)
        if record is None or name not in self.world.catalog.attributes:
            return None
        return explain_attribute(self.world, record, name, pointer)

    def group(self, name: str) -> list[NodeRow]:
        return [row for row in self.nodes() if row.group == name]

    def preview(self, verb: str, node: str, role: str = "", look: Json = None) -> NodePreview | None:
        """What the verb would do to a node. `look`: its part of the answer to `Attached.disks`. None: no such node."""
        found = self.world.node_named(node)
        if found is None:
            return None
        looks = {found.id: convert(look, Look)} if look is not None else None
        return preview(self.world, verb, [found], role, looks).nodes[0]

    def disks(self, node: str) -> list[Disk]:
        """The disks of a node as the engine knows them. Each one that is not the install disk has a reason."""
        found = self.world.node_named(node)
        return disks(self.world, found.id) if found is not None else []

    def carriers(self, node: str, network: str = "") -> tuple[Carrier, ...]:
        """The networks of a node, or one of them, and the ports that their links became."""
        found = self.world.node_named(node)
        return carriers(self.world, found, network) if found is not None else ()

    def topology(self) -> Topology:
        return topology(self.world)

    def walk(self) -> tuple[CableStep, ...]:
        """What the cabling crew has to move."""
        return walk(self.world, topology(self.world))

    @property
    def plan(self) -> Plan | None:
        """The current plan."""
        return self.world.plan

    def diff(self, plan: Plan, against: int = 0) -> Diff:
        """What a commit of the plan would change, and what stands beside it. `against`: a revision to compare it with, besides."""
        return diff(self.world, plan, images=manifests(self._directory), against=against)

    def drift(self) -> Drift:
        """How the rack stands beside its current plan."""
        return drift_of(self.world)

    def edits(self) -> tuple[ProposalView, ...]:
        """The edits of deployments that wait to be committed."""
        return waiting_edits(self.world)

    def diff_edits(self, names: Sequence[str]) -> Diff:
        """What a commit of the waiting edits of these deployments would change."""
        return diff_edits(self.world, tuple(dict.fromkeys(names)))

    def deployments(self) -> tuple[DeploymentView, ...]:
        """The tree of deployments, parents before their children."""
        return deployment_views(self.world)

    def definition(self, name: str) -> DeploymentDef | None:
        """The plan's definition of a deployment. None: it does not have it."""
        return definition(self.world.plan, name) if self.world.plan is not None else None

    def edited(self, name: str) -> DeploymentDef | None:
        """The definition that the waiting edit wants. None: none waits, or it deletes the deployment."""
        found = self.world.proposals.get(name)
        return wanted_of(found) if found is not None else None

    def revisions(self) -> tuple[RevisionView, ...]:
        """Newest first."""
        return revision_views(self.world)

    def shift_report(self, at: float, since: float = 0.0) -> ShiftReport:
        """The report at the end of a shift. `at`: the wall time now; `since`: the wall time from which actions are listed."""
        return shift_report(self.world, self.story(), program_version(), manifests(self._directory), at, since)

    def certificates(self) -> list[WipeCertificate]:
        """Of all wiped disks that the journal and the nodes still know."""
        return certificates(self.world, self._rows())

    def _rows(self) -> Iterator[JournalRow]:
        seq = 0
        while rows := self._store.journal(seq, 1000):
            yield from rows
            seq = rows[-1].seq

    def exported(self) -> list[ExportedNode]:
        """All servers, for other programs."""
        return exported(self.world)

    def try_rules(self, plan: Plan, node: str) -> RulesTried | None:
        """What the plan's rules choose for a server, and why. None: there is no such server."""
        found = self.world.node_named(node)
        return try_rules(self.world, plan, found) if found is not None and found.kind is Kind.SERVER else None

    def revision(self, number: int = 0) -> str | None:
        """The plan of a revision as YAML; 0: the current one. None: there is none."""
        found = self.world.revisions.get(number or max(self.world.revisions, default=0))
        return revision_text(found) if found is not None else None

    def saved_plan(self) -> Plan | None:
        """The rack as a plan, with the versions of the barclamps and of the images that its servers need. None: no plan was
        committed."""
        found = saved(self.world)
        if found is None:
            return None
        needed = image_names(found)
        return saved(self.world, {name: one for name, one in manifests(self._directory).items() if name in needed})

    def left_out(self) -> list[str]:
        """What operators set and the saved plan cannot hold, one line each."""
        return left_out(self.world)

    def export(self, path: Path, at: float, moved: Callable[[int, int], None] = lambda _done, _all: None) -> Head:
        """Writes the whole journal to a file (`store.journal_file`). `moved` gets the rows done, and of how many. Raises StoreError."""
        return export(self._store, path, self._catalog, program_version(), at, moved)

    def story(self, after: int = 0, follow: bool = False) -> Iterator[dict[str, Any]]:
        """Events from the journal. With `follow` it continues until it is interrupted."""
        story = Story()
        seq = 0
        while True:
            rows = self._store.journal(seq, 1000)
            for row in rows:
                seq = row.seq
                told = story.tell(row)
                if seq > after:
                    yield told
            if not rows and not follow:
                return
            if not rows:
                time.sleep(0.2)
