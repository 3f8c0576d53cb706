"""Why something waits: the chain of blockers down to its root, and the known facts about the root. Pure.

    ntp-client       blocked   waiting for network-admin
      network-admin  blocked   waiting for os-install
        os-install   error     attempt 3 of 3 failed: ...

Rules
* A link of the chain is a node role (or the node) with the engine's own sentence. The role that it waits for follows below it. Below a
  role of a later stage comes an unfinished role of the present stage. Each thing comes once, so the chain always ends.
* The root is the first link that waits for nothing else in the chain. `facts` are about its node: last signal, expected signal, refusals
  meanwhile. Times are wall times; the reader turns them into ages.
"""

from __future__ import annotations

from msgspec import Struct

from .. import reasons
from ..core.boot.signals import expected_next, within
from ..core.hardware.topology import Topology, topology
from ..core.roles.derive import committed, done, shown_state
from ..core.roles.guards import blockers
from ..core.roles.stages import node_state
from ..core.world.world import World
from ..model import Node, NodeRole, State
from ..reasons import Reason, advice, is_elsewhere, sentence
from .cables import cables_of, what_to_do
from .facts import node_facts

DEEPEST = 24
_OF_THE_NODE = {
    kind.code
    for kind in (
        reasons.not_available,
        reasons.on_hold,
        reasons.powered_off,
        reasons.problem,
        reasons.booting,
        reasons.boot_held_up,
        reasons.unreachable,
        reasons.not_answered_yet,
    )
}
"""Codes of reasons that hold for the whole node: no further cause lies behind them."""


class WhyLink(Struct, frozen=True, kw_only=True):
    depth: int
    subject: str
    """Role, or `role on node` for another node. Empty: a further reason of the link above."""
    state: str
    sentence: str
    advice: str
    code: str


class WhyFact(Struct, frozen=True, kw_only=True):
    label: str
    text: str
    at: float = 0.0
    """Wall time of the fact. 0: none."""


class WhyChain(Struct, frozen=True, kw_only=True):
    question: str
    links: tuple[WhyLink, ...]
    facts: tuple[WhyFact, ...]
    advice: str
    """Advice for the root. Empty: waiting is right."""
    node: str
    """Where the root is."""
    role: str


def why_chain(world: World, node: Node, role: str = "", links: Topology | None = None) -> WhyChain:
    """The chain of a node role. Without a role: of the last role that the node waits for, and the node's wrong cables. `links`: the
    topology, if the caller already has it."""
    start = world.node_roles.get((node.id, role)) if role else _last(world, node)
    out: list[WhyLink] = []
    roots: list[tuple[Node, NodeRole | None, Reason]] = []
    if not role and node.problem is not None:
        out.append(_link(0, short(node.name), "problem", node.problem))
        roots.append((node, None, node.problem))
    elif start is not None:
        _follow(world, node, start, 0, set(), out, roots)
    if not roots:
        _findings(world, node, role, out, roots)
    word = f"{start.role} on {short(node.name)}" if start is not None else short(node.name)
    if not roots and not role and node.notice is not None:
        out.append(_link(0, short(node.name), node_state(world, node), node.notice))
        roots.append((node, None, node.notice))
    wrong = cables_of(links or topology(world), node.name) if not role else ()
    if not roots and wrong:
        out[:] = [WhyLink(depth=0, subject=one.nic, state=one.check, sentence=one.text, advice=what_to_do(one), code="") for one in wrong]
    if not out:
        state = node_state(world, node) if start is None else "active" if done(world, start) else "todo"
        out.append(WhyLink(depth=0, subject=word, state=state, sentence="nothing blocks it", advice="", code=""))
    at, found, reason = roots[-1] if roots else (node, start, None)
    told = advice(reason) if reason is not None else what_to_do(wrong[0]) if wrong else ""
    facts = _facts(world, at, found, reason)
    if roots:
        facts += [WhyFact(label="cable", text=one.text) for one in wrong]
    question = f"why is {word} not active?" if start is not None and not done(world, start) else f"what about {word}?"
    if role == "" and node_state(world, node) != "ready":
        question = f"why is {short(node.name)} not ready?"
    return WhyChain(
        question=question,
        links=tuple(out),
        facts=tuple(facts),
        advice=told,
        node=at.name,
        role=found.role if found is not None else "",
    )


def short(name: str) -> str:
    return name.split(".")[0]


def _last(world: World, node: Node) -> NodeRole | None:
    """The last unfinished role of the node: all others lead to it."""
    roles = [world.node_roles[k] for k in world.roles_of.get(node.id) or ()]
    left = [r for r in roles if committed(r) and not done(world, r)]
    return min(left, key=lambda r: (-_stage(world, r), r.rank, r.role)) if left else None


def _stage(world: World, role: NodeRole) -> int:
    definition = world.catalog.roles.get(role.role)
    names = [s.name for s in world.catalog.stages]
    return names.index(definition.stage) if definition is not None and definition.stage in names else 0


def _findings(world: World, node: Node, role: str, out: list[WhyLink], roots: list[tuple[Node, NodeRole | None, Reason]]) -> None:
    """What is wrong with active roles: of the node, or of this one."""
    mine = [world.node_roles[k] for k in world.roles_of.get(node.id) or () if role in ("", k[1])]
    found = [(one, reason) for one in mine for reason in one.findings]
    if found:
        out.clear()  # it may say that nothing blocks the role
    for one, reason in found:
        out.append(_link(0, one.role, one.state.value, reason))
        roots.append((node, one, reason))


def _link(depth: int, subject: str, state: str, reason: Reason) -> WhyLink:
    return WhyLink(depth=depth, subject=subject, state=state, sentence=sentence(reason), advice=advice(reason), code=reason.code)


def _follow(
    world: World,
    home: Node,
    role: NodeRole,
    depth: int,
    seen: set[tuple[str, str]],
    out: list[WhyLink],
    roots: list[tuple[Node, NodeRole | None, Reason]],
) -> None:
    if role.key in seen or depth > DEEPEST:
        return
    seen.add(role.key)
    node = world.nodes.get(role.node, home)
    found = blockers(world, role)
    state = shown_state(world, role, blocked=bool(found))
    subject = role.role if role.node == home.id else f"{role.role} on {short(node.name)}"
    if not found:
        out.append(WhyLink(depth=depth, subject=subject, state=state, sentence="nothing blocks it", advice="", code=""))
        return
    own = [r for r in found if not is_elsewhere(r.code)]
    way = None if own and own[0].code in _OF_THE_NODE else _next(world, node, role, found, seen)
    telling = own[0] if own else found[0]
    if not own and way is not None:
        telling = next((r for r in found if r.code in ("parent", "stale_parent") and r.fields.get("role") == way.role), telling)
    out.append(_link(depth, subject, state, telling))
    if way is None:
        roots.append((node, role, telling))
        out.extend(_link(depth + 1, "", "", more) for more in own[1:3])
        return
    _follow(world, home, way, depth + 1, seen, out, roots)


def _next(world: World, node: Node, role: NodeRole, found: list[Reason], seen: set[tuple[str, str]]) -> NodeRole | None:
    """The next link: an unfinished requirement (a failed one first, then the one that comes last, because it leads over most
    others), or an unfinished role of the node's present stage."""
    parents = [p for k in role.parents if (p := world.node_roles.get(k)) is not None and not done(world, p) and k not in seen]
    if parents:
        return min(parents, key=lambda p: (p.state is not State.ERROR, p.rank, p.key))
    if any(r.code in ("stage", "environment") for r in found):
        return next(iter(_present(world, node, seen)), None)
    return None


def _present(world: World, node: Node, seen: set[tuple[str, str]]) -> list[NodeRole]:
    """The worst unfinished role of the node's present stage."""
    roles = [world.node_roles[k] for k in world.roles_of.get(node.id) or () if k not in seen]
    left = [r for r in roles if committed(r) and not done(world, r)]
    if not left:
        return []
    low = min(_stage(world, r) for r in left)
    left = [r for r in left if _stage(world, r) == low]
    return [min(left, key=lambda r: (r.state is not State.ERROR, r.state is not State.TRANSITION, r.rank, r.role))]


def _facts(world: World, node: Node, role: NodeRole | None, reason: Reason | None) -> list[WhyFact]:
    out = []
    boot = node.boot
    signal, at = (boot.signal, boot.at) if boot is not None else (node.signal, node.signal_at)
    if at:
        out.append(WhyFact(label="last signal", text=signal.value + (f" (boot of {boot.environment})" if boot is not None else ""), at=at))
    if boot is not None:
        coming, _ = expected_next(boot)
        out.append(WhyFact(label="expected next", text=f"{coming.value}, within {within(world, boot):g} s; try {boot.tries} of 3"))
        if boot.failure is not None and (reason is None or reason.code != "boot_held_up"):
            out.append(WhyFact(label="obstacle", text=sentence(boot.failure)))
    elif role is not None and role.state is State.TRANSITION:
        out.append(WhyFact(label="expected next", text=f"the result of attempt {role.attempt}.{role.leg}", at=role.started))
    if role is not None and role.state is State.ERROR and role.attempt:
        out.append(WhyFact(label="attempt", text=f"{role.attempt}.{role.leg}, try {role.tries}", at=role.ended))
    if node.notice is not None and node.notice is not reason:
        out.append(WhyFact(label="seen meanwhile", text=sentence(node.notice)))
    if node.runs:
        answers = "answers" if node.alive else "does not answer"
        out.append(WhyFact(label="it runs", text=f"{node.runs}, {answers}, address {node.address or 'none'}"))
    obstacle = boot.failure if boot is not None and boot.failure is not None else reason
    if obstacle is not None and obstacle.code == "power_failed" and node.bmc is not None:
        out.append(WhyFact(label="bmc", text=f"{node.bmc.address} {node.bmc.mac}".strip()))
    return out + [WhyFact(label=label, text=text) for label, text in node_facts(world, node)]
