"""The report at the end of a shift: where everything is, its cables, versions and times, what deviates, and what each person did. Pure.

It says what the store says, so the same store gives the same report. Secrets are never in it. A machine's own text is bounded, and stays
text: whoever draws the report escapes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..core.hardware.inventory import inventory_of
from ..core.hardware.topology import Link, topology
from ..core.plan.drift import drift_of
from ..core.roles.derive import committed
from ..core.world.world import World
from ..definitions import Json, versions
from ..model import Node
from ..reasons import sentence
from .advice import short
from .export import ExportedNode, exported
from .facts import node_facts
from .summary import machines, node_row, summary
from .walk import CableStep, walk

ACTIONS = 2_000
"""Most actions in a report: the newest."""


class ReportedMachine(Struct, frozen=True, kw_only=True):
    what: ExportedNode
    product: str
    """Vendor and product, as the firmware tells them."""
    system: str
    """The system that was installed, or of a joined machine the one it has. Empty: none yet."""
    times: dict[str, float]
    """Stage -> seconds from the first start of a role to the last end of one. Each role counts with its last attempt."""
    took: float
    """Seconds from its first attempt to its last outcome. 0: none."""
    boots: int


class Action(Struct, frozen=True, kw_only=True):
    at: float
    """Wall time in seconds."""
    who: str
    node: str
    """Empty: no node, or several."""
    text: str


class ShiftReport(Struct, frozen=True, kw_only=True):
    site: str
    at: float
    since: float
    """Wall time from which actions are listed. 0: from the first."""
    ready: int
    machines: tuple[ReportedMachine, ...]
    links: tuple[Link, ...]
    steps: tuple[CableStep, ...]
    """What the cabling crew has still to move."""
    versions: tuple[tuple[str, str, str], ...]
    """Kind (`program`, `barclamp`, `image`), name, and version or checksum."""
    deviations: tuple[tuple[str, str], ...]
    """Node, or what it is about, and the sentence."""
    actions: tuple[Action, ...]
    """Oldest first."""
    dropped: int = 0
    """Older actions that did not fit."""
    here: str = ""
    """Where the engine itself is plugged in, in words. Empty: it has not looked."""


def shift_report(
    world: World, told: Iterable[Mapping[str, Json]], program: str, images: Mapping[str, str], at: float, since: float = 0.0
) -> ShiftReport:
    """`told`: the journal in words (`story`), in order. `images`: name -> checksum of those at hand. `at`, `since`: wall times."""
    links = topology(world)
    actions = [
        Action(at=float(row["at"]), who=str(row["who"]), node=str(row["node"]), text=str(row["did"]))
        for row in told
        if row.get("did") and float(row["at"]) >= since
    ]
    rack = summary(world)
    whats = {one.name: one for one in exported(world)}
    barclamps = [("barclamp", name, version or digest[:12]) for name, (version, digest) in versions(world.catalog).items()]
    return ShiftReport(
        site=world.plan.site.name if world.plan is not None else "",
        at=at,
        since=since,
        ready=rack.ready,
        here=links.here.words if links.here is not None else "",
        machines=tuple(_machine(world, node, whats[node.name]) for node in machines(world)),
        links=links.links,
        steps=walk(world, links),
        versions=(("program", "crowbar", program), *barclamps, *(("image", name, digest[:12]) for name, digest in sorted(images.items()))),
        deviations=tuple(_deviations(world)),
        actions=tuple(actions[-ACTIONS:]),
        dropped=max(len(actions) - ACTIONS, 0),
    )


def _machine(world: World, node: Node, what: ExportedNode) -> ReportedMachine:
    told = inventory_of(world, node.id)
    spans: dict[str, tuple[float, float]] = {}
    for key in world.roles_of.get(node.id) or ():
        role = world.node_roles[key]
        if committed(role) and role.started and role.ended >= role.started:
            stage = world.catalog.roles[role.role].stage
            begin, end = spans.get(stage, (role.started, role.ended))
            spans[stage] = min(begin, role.started), max(end, role.ended)
    order = [stage.name for stage in world.catalog.stages]
    return ReportedMachine(
        what=what,
        product=" ".join(part for part in (told.vendor, told.product) if part),
        system=what.wanted_system,
        times={name: spans[name][1] - spans[name][0] for name in order if name in spans},
        took=max((end for _, end in spans.values()), default=0.0) - min((begin for begin, _ in spans.values()), default=0.0),
        boots=node.boots,
    )


def _deviations(world: World) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for node in machines(world):
        row = node_row(world, node)
        out += [(short(node.name), row.why.sentence)] if row.why is not None else []
        out += [(short(node.name), f"{label}: {text}") for label, text in node_facts(world, node) if label != "claim"]
    out += [(short(one.node), f"{one.role}: {one.why.sentence}") for one in summary(world).findings]
    drift = drift_of(world)
    out += [(one.scope, one.words) for one in drift.settings]
    out += [(short(one.node), f"{one.role}: {one.why}") for one in (*drift.left, *drift.redeploy)]
    out += [(one.mac, sentence(one.reason)) for one in world.sightings.values() if one.reason is not None]
    return list(dict.fromkeys(out))
