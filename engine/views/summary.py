"""A summary of the world: plain records, with the words of the functions that decide. The console and the command line print these and
compute nothing themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from ..core.boot.signals import waits_for
from ..core.hardware.expected import of_parts
from ..core.hardware.own_port import OwnPort, own_port
from ..core.plan.boxes import wrong_box
from ..core.roles.annealer import blockers
from ..core.roles.derive import committed, done, shown_state
from ..core.roles.stages import may_enter, node_state, wanted_stage
from ..core.roles.transitions import runs
from ..core.world.world import World
from ..model import Kind, Node, NodeRole, Sighting, State
from ..reasons import Reason, is_elsewhere, needs_person, parent, powered_off, sentence, stage
from .deployments import DeploymentState, deployment_states, validated, waits_for_a_person
from .steps import steps
from .validation import Validation, proofs, validation
from .why import Why as Why
from .why import why as why


class NodeRow(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    kind: str
    state: str
    place: str
    group: str
    family: str
    address: str
    runs: str
    signal: str
    """The last signal. Empty: it never gave one, like a switch."""
    signal_at: float
    """Wall time of the last signal. 0: it never gave one."""
    since: float
    done: int
    roles: int
    """Committed node roles, and the number of those that are done."""
    boots: int
    why: Why | None
    """Why it does not continue. None for a node that is ready or at work."""
    task: str = ""
    """The role that runs on it. Empty: none."""
    task_since: float = 0.0
    """Wall time at which its attempt started."""
    fingerprint: str = ""
    """What the machine's own screen shows. Empty: nothing runs there from memory."""
    confirmed: str = ""
    """What confirmed that: `bmc` or `operator`. Empty: nothing has."""
    deployment: str = ""
    """The deployment that owns it. Empty for a node that is not allocated, and for all but servers."""
    light: float = 0.0
    """Wall time at which its identify light goes off. 0: it is off."""


class RoleRow(Struct, frozen=True, kw_only=True):
    node: str
    role: str
    state: str
    stage: str
    deployment: str
    attempt: str
    tries: int
    since: float
    why: tuple[Why, ...]
    findings: tuple[Why, ...] = ()
    """What is wrong with it although it is active. A retry runs it again."""


class FindingRow(Struct, frozen=True, kw_only=True):
    """A finding: something is wrong with an active role."""

    node: str
    role: str
    why: Why


class Summary(Struct, frozen=True, kw_only=True):
    """The state of the rack."""

    nodes: int
    ready: int
    failed: int
    """Nodes with a problem or a failed node role."""
    boots: int
    waiting: dict[str, Why]
    """Name of each node that is not ready -> the reason."""
    sightings: int
    """Sightings that are not nodes."""
    deployments: dict[str, str]
    """Deployment -> its state in a word (`deployments`)."""
    held_up: dict[str, DeploymentState]
    """The deployments that something holds up, with the node role that does and the reason; and those with an edit that waits."""
    trust: str = ""
    """The plan's `site.trust`: `confirmed` or `network`. Empty: no plan."""
    findings: tuple[FindingRow, ...] = ()
    """Sorted by node and role."""
    here: OwnPort | None = None
    """Where the engine itself is plugged in. None: it has not looked."""
    validation: Validation = Validation()
    """What the roles that validate found."""
    steps: dict[str, float] = {}
    """Step of the bring-up -> seconds (`steps`)."""


def servers(world: World) -> list[Node]:
    """Servers in the order in which they are shown: by place, then name."""
    found = [n for n in world.nodes.values() if n.kind is Kind.SERVER]
    return sorted(found, key=lambda n: ((n.place.rack, n.place.unit) if n.place else ("~", 0), _natural(n.name)))


def machines(world: World) -> list[Node]:
    """Servers in that order, then the joined machines by name."""
    joined = [n for n in world.nodes.values() if n.kind is Kind.JOINED]
    return [*servers(world), *sorted(joined, key=lambda n: _natural(n.name))]


def _natural(name: str) -> tuple[str, int, str]:
    """Sorts node-9 before node-10."""
    head = name.split(".")[0]
    digits = len(head) - len(head.rstrip("0123456789"))
    number = int(head[-digits:]) if 0 < digits < 10 else -1
    return (head[: len(head) - digits], number, name)


def node_row(world: World, node: Node) -> NodeRow:
    roles = [r for k in world.roles_of.get(node.id) or () if committed(r := world.node_roles[k])]
    boot = node.boot
    task = next((r for r in roles if runs(r)), None)
    return NodeRow(
        id=node.id,
        name=node.name,
        kind=node.kind.value,
        state=node_state(world, node),
        place=f"{node.place.rack}:{node.place.unit}" if node.place else "",
        group=node.group,
        family=node.family,
        address=node.address,
        runs=node.runs or (f"booting {boot.environment}" if boot else ""),
        signal=boot.signal.value if boot else node.signal.value if node.signal_at else "",
        signal_at=boot.at if boot else node.signal_at,
        since=node.since,
        done=sum(done(world, r) for r in roles),
        roles=len(roles),
        boots=node.boots,
        why=node_why(world, node) or _wrong_box(world, node) or _parts(world, node) or next(_found(roles), None) or _ailment(node),
        task=task.role if task is not None else "",
        task_since=task.started if task is not None else 0.0,
        fingerprint=node.fingerprint,
        confirmed=node.confirmed,
        deployment=node.deployment if node.allocated and node.kind is Kind.SERVER else "",
        light=node.light.ends if node.light is not None else 0.0,
    )


def _found(roles: Iterable[NodeRole]) -> Iterator[Why]:
    return (why(one) for role in roles for one in role.findings)


def _ailment(node: Node) -> Why | None:
    """What its BMC reports as wrong."""
    return next((why(one.reason) for one in node.ailments), None)


def _parts(world: World, node: Node) -> Why | None:
    """Parts of it are gone, or are not what is expected."""
    return next((why(reason) for reason in of_parts(world, node)), None)


def _wrong_box(world: World, node: Node) -> Why | None:
    """The plan expects another machine where this one stands."""
    box = wrong_box(world, node)
    return why(box.reason) if box is not None else None


def node_why(world: World, node: Node) -> Why | None:
    """The most informative reason of a node that does not continue by itself, or None."""
    if node.problem is not None:
        return why(node.problem)
    if node.off is not None:
        return why(powered_off(node=node.name, who=node.off.who))
    if node.boot is not None and node.boot.failure is not None:
        return why(waits_for(node.boot))
    if not committed_roles(world, node) and node.notice is not None:
        return why(node.notice)
    wanted = wanted_stage(world, node)
    if not wanted and not node.allocated and node.kind is Kind.SERVER:
        if (box := _wrong_box(world, node)) is not None:
            return box
        gate = next((s.name for s in world.catalog.stages if s.gate), "")
        barred = may_enter(world, node, gate) if gate else None
        reason = node.notice or barred
        return why(reason) if reason is not None else None
    worst: tuple[int, Why] | None = None
    for role in committed_roles(world, node):
        if done(world, role):
            continue
        if runs(role):
            return None
        reasons = blockers(world, role, first=True)
        if not reasons:
            return None
        weight = 0 if role.state is State.ERROR else 1 if needs_person(reasons[0].code) else 3 if is_elsewhere(reasons[0].code) else 2
        if worst is None or weight < worst[0]:
            worst = (weight, why(reasons[0]))
    return worst[1] if worst else None


def committed_roles(world: World, node: Node) -> list[NodeRole]:
    return [r for k in world.roles_of.get(node.id) or () if committed(r := world.node_roles[k])]


def role_row(world: World, role: NodeRole) -> RoleRow:
    finished = done(world, role)
    reasons = [] if finished else blockers(world, role)
    definition = world.catalog.roles.get(role.role)
    node = world.nodes.get(role.node)
    return RoleRow(
        node=node.name if node else role.node,
        role=role.role,
        state=shown_state(world, role, blocked=bool(reasons)),
        stage=definition.stage if definition else "",
        deployment=role.deployment,
        attempt=f"{role.attempt}.{role.leg}" if role.attempt else "",
        tries=role.tries,
        since=role.since,
        why=tuple(why(r) for r in reasons),
        findings=tuple(why(r) for r in role.findings),
    )


def findings(world: World) -> tuple[FindingRow, ...]:
    """All findings of the rack. The world keeps no index of them: they are few, and this is a scan."""
    found = [role for role in world.node_roles.values() if role.findings]
    found.sort(key=lambda role: (_natural(_name(world, role)), role.role))
    return tuple(FindingRow(node=_name(world, role), role=role.role, why=why(one)) for role in found for one in role.findings)


def _name(world: World, role: NodeRole) -> str:
    return world.nodes[role.node].name if role.node in world.nodes else role.node


def summary(world: World) -> Summary:
    nodes = machines(world)
    states = deployment_states(world)
    waiting: dict[str, Why] = {}
    ready = failed = 0
    for node in nodes:
        if node_state(world, node) == "ready":
            ready += 1
            continue
        in_error = any(r.state is State.ERROR for r in committed_roles(world, node))
        failed += node.problem is not None or in_error
        found = node_why(world, node)
        waiting[node.name] = found or Why(code="working", fields={}, sentence=_working(world, node))
    lost = [s for s in world.sightings.values() if not s.node and s.kind in ("boot-rom", "ipxe")]
    for sighting in lost:
        told = sighting_reason(sighting)
        waiting[sighting.mac] = (
            why(told) if told is not None else Why(code="sighted", fields={"mac": sighting.mac}, sentence=_sighted(sighting))
        )
    return Summary(
        nodes=len(nodes),
        ready=ready,
        failed=failed,
        boots=sum(n.boots for n in nodes),
        waiting=waiting,
        sightings=len(lost),
        deployments={name: one.state for name, one in states.items()},
        held_up={name: one for name, one in states.items() if one.role or one.why is not None or one.edit is not None},
        trust=world.plan.site.trust if world.plan is not None else "",
        findings=findings(world),
        here=own_port(world, nodes),
        validation=validation(proofs(world)),
        steps=steps(world),
    )


def sighting_reason(sighting: Sighting) -> Reason | None:
    """Why a machine that is no node does not become one: what the engine concluded, or else the obstacle of its boot."""
    return sighting.reason or (sighting.boot.failure if sighting.boot is not None else None)


def _working(world: World, node: Node) -> str:
    for role in committed_roles(world, node):
        if role.state is State.TRANSITION:
            return f"{role.role} is running"
    if node.boot is not None:
        return sentence(waits_for(node.boot))
    return f"in stage {node.stage}"


def _sighted(sighting: Sighting) -> str:
    signal = sighting.boot.signal.value if sighting.boot else "dhcp"
    return f"seen as {sighting.mac}, last signal {signal}"


def settled(world: World, expect: int) -> str:
    """Whether a headless run is over: `ready` (all expected nodes are ready), `stuck` (nothing moves without a person), `silent`
    (the same, but silent or unseen machines may come back by themselves), or empty."""
    nodes, expected = machines(world), len(servers(world))
    states = [node_state(world, n) for n in nodes]
    admin = world.nodes.get("admin")
    admin_ready = admin is None or not wanted_stage(world, admin)
    if expected >= max(expect, 1) and all(s == "ready" for s in states) and admin_ready:
        return "ready"
    if any(n.boot is not None for n in nodes):
        return ""
    for node in [*nodes, *([admin] if admin else [])]:
        if node_state(world, node) == "ready":
            continue
        if not _waits_for_a_person(world, node):
            return ""
    if expected >= expect:
        return "stuck"
    unborn = [s for s in world.sightings.values() if not s.node and s.kind in ("boot-rom", "ipxe")]
    if any(s.reason is None for s in unborn):
        return ""
    refused = [s for s in unborn if s.reason is not None and s.reason.code != "sighting_waits"]
    return "stuck" if expected + len(refused) >= expect and len(refused) == len(unborn) else "silent"


def proved(world: World, expect: int) -> str:
    """Like `settled`, for a run that ends when its deployments are validated: `validated` instead of `ready`. `stuck` also if all nodes are
    ready, and no deployment goes on by itself."""
    state = settled(world, expect)
    if state != "ready":
        return state
    states = deployment_states(world)
    return "validated" if validated(states) else "stuck" if waits_for_a_person(states.values()) else ""


_LOOKED_AT = (parent.code, stage.code)
"""Reasons that lie in other roles, which are examined themselves."""


def _waits_for_a_person(world: World, node: Node) -> bool:
    """True if nothing on the node runs, waits for a time, or can start by itself."""
    if node.problem is not None or node.hold or node.off is not None or not node.available:
        return True
    if node.boot is not None or node.probe:
        return False
    for role in committed_roles(world, node):
        if done(world, role):
            continue
        if role.state is State.TRANSITION or role.retry_at is not None:
            return False
        reasons = blockers(world, role)
        if not any(needs_person(r.code) or r.code in _LOOKED_AT for r in reasons):
            return False
    return True
