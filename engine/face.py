"""The engine's public face: what the console and the command line may use, and nothing else of the engine."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from .attach.client import Attached, Receipt
from .attach.host import EngineHost
from .attach.server import AttachError, program_version
from .config import DEFAULT_STORE, Config, keys_beside
from .core.doctor import Check, examine
from .core.network_roles import network_roles
from .core.plan_diff import Diff, diff
from .core.plan_save import saved
from .core.topology import Link, Topology, natural, topology
from .core.world import World
from .doctor_probes import RealProbes
from .effects import Refuse
from .engine import Engine
from .files import plan_file
from .files.catalog import read as read_catalog
from .files.catalog import shipped, shipped_folder
from .files.first_plan import Answers, Proposal, compose, count, mistakes, propose
from .files.mistakes import CatalogError, PlanError
from .files.typed_text import typed
from .images import image_states, images_folder
from .imaging.errors import BuildError
from .imaging.shipped import build_image
from .mending import machine_of, mend, rack_beside
from .plan import Plan
from .reach import Reach
from .reasons import Reason, advice, sentence
from .rehearsal import RackError, connect
from .rehearsal.qemu.serial_log import serial_logs
from .rehearse import Rehearsal, begin_anew, finished, with_nodes
from .serve import ServiceError
from .store.file import held
from .store.journal_file import Head, export
from .store.store import Store, StoreError
from .survey import Neighbour, Port, Survey
from .vault import VaultError, unfit
from .views.attribute_view import attribute_rows
from .views.plan_view import revision_text
from .views.story import Story
from .views.summary import (
    NodeRow,
    RoleRow,
    Summary,
    Why,
    explain_attribute,
    node_row,
    role_row,
    servers,
    settled,
    summary,
)
from .wanted_images import remarks as image_remarks

__all__ = [
    "DEFAULT_STORE", "Answers", "AttachError", "Attached", "BuildError", "CatalogError", "Check", "Config", "Diff", "Engine",
    "EngineHost", "Link", "Neighbour", "NodeRow", "Plan", "PlanError", "Port", "Proposal", "RackError", "Reach", "Reader",
    "RealProbes", "Reason", "Receipt", "Refuse", "Rehearsal", "RoleRow", "ServiceError", "Store", "StoreError", "Story",
    "Summary", "Survey", "Topology", "VaultError", "Why", "advice", "attribute_rows", "begin_anew", "build_image", "compose",
    "connect", "count", "diff", "examine", "finished", "held", "image_remarks", "image_states", "images_folder", "keys_beside",
    "machine_of", "mend", "mistakes", "natural", "network_roles", "plan_file", "propose", "rack_beside", "read_catalog", "revision_text",
    "sentence", "serial_logs", "settled", "shipped", "shipped_folder", "summary", "to_json", "typed", "unfit_secrets",
    "with_nodes",
]  # fmt: skip


def to_json(record: Struct) -> dict[str, Any]:
    """A record as plain data."""
    found = to_builtins(record)
    assert isinstance(found, dict)
    return found


def unfit_secrets(plan: Plan) -> dict[str, str]:
    """Place in the plan -> what is wrong with the secret that is there now. Raises VaultError."""
    return unfit(plan.secrets, os.environ)


class Reader:
    """Looks at a store, read-only, beside a running engine or without one. Raises StoreError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._store = Store.read(directory)
        self.world = World.load(shipped(), self._store.load())

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def running(self) -> bool:
        """Does an engine hold this store?"""
        return held(self._directory)

    def summary(self) -> Summary:
        return summary(self.world)

    def nodes(self) -> list[NodeRow]:
        return [node_row(self.world, n) for n in servers(self.world)]

    def node(self, name: str) -> NodeRow | None:
        found = self.world.node_named(name)
        return node_row(self.world, found) if found else None

    def roles(self, node: str = "") -> list[RoleRow]:
        """Of one node in the order in which they run, or of all."""
        if node:
            found = self.world.node_named(node)
            chosen = [found] if found else []
        else:
            chosen = [*servers(self.world), *([self.world.nodes["admin"]] if "admin" in self.world.nodes else [])]
        out = []
        for one in chosen:
            mine = [self.world.node_roles[k] for k in self.world.roles_of.get(one.id, ())]
            out += [role_row(self.world, r) for r in sorted(mine, key=lambda r: (-r.rank, r.role))]
        return out

    def role(self, node: str, role: str) -> RoleRow | None:
        found = self.world.node_named(node)
        record = self.world.node_roles.get((found.id, role)) if found else None
        return role_row(self.world, record) if record else None

    def attribute(self, node: str, role: str, name: str) -> list[dict[str, Any]] | None:
        """The layers of an attribute for a node role, weakest first; None: no such node role or attribute."""
        found = self.world.node_named(node)
        record = self.world.node_roles.get((found.id, role)) if found else None
        if record is None or name not in self.world.catalog.attributes:
            return None
        return explain_attribute(self.world, record, name)

    def group(self, name: str) -> list[NodeRow]:
        return [row for row in self.nodes() if row.group == name]

    def disks(self, node: str) -> list[dict[str, Any]]:
        """What inventory found: `name`, `size`, `serial`, `signature` of each; empty: it was not looked at yet."""
        found = self.world.node_named(node)
        inventory = self.world.node_roles.get((found.id, "inventory")) if found else None
        disks = inventory.gave.get("disks") if inventory is not None else None
        return [d for d in disks if isinstance(d, dict)] if isinstance(disks, list) else []

    def topology(self) -> Topology:
        return topology(self.world)

    @property
    def plan(self) -> Plan | None:
        """The plan in force."""
        return self.world.plan

    def diff(self, plan: Plan) -> Diff:
        """What committing it would do."""
        return diff(self.world, plan)

    def revision(self, number: int = 0) -> str | None:
        """The plan of a revision as YAML; 0: of the one in force. None: there is none."""
        found = self.world.revisions.get(number or max(self.world.revisions, default=0))
        return revision_text(found) if found is not None else None

    def saved_plan(self) -> Plan | None:
        return saved(self.world)

    def export(self, path: Path, at: float) -> Head:
        """Write the whole journal to a file (`store.journal_file`). Raises StoreError."""
        return export(self._store, path, shipped(), program_version(), at)

    def story(self, after: int = 0, follow: bool = False) -> Iterator[dict[str, Any]]:
        """What happened, from the journal; with `follow` it goes on until it is interrupted."""
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
