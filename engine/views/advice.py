"""The next step: the one action that helps the rack most now, in one line. Pure.

Rules
* There is always a step. If nobody has to act, it says so, and what is going on.
* What stops most nodes comes first. A cause that several nodes share is reported once, with their number. Then come approvals and other
  orders that wait for the operator, then machines that never showed up, then cables, then plain waiting.
* It is cheap: it scans fields, and calls `blockers` only for the few roles where that decides. 1,000 nodes cost some milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from ..core.boot.signals import expected
from ..core.hardware.topology import Link, Topology, topology
from ..core.operator.problems import acknowledged, mark_of, of_cable, problems_of
from ..core.plan.boxes import wrong_box, wrong_boxes
from ..core.roles.derive import committed, done
from ..core.roles.guards import blockers
from ..core.roles.stages import may_enter, wanted_stage
from ..core.roles.transitions import doubted
from ..core.world.world import World
from ..model import Kind, Node, NodeRole, Sighting, State
from ..reasons import Reason, advice, is_failure, sentence
from .cables import wrong_cables
from .summary import FindingRow, findings, sighting_reason

FIRMWARE_S = 420.0
"""Seconds after the commit of a plan in which machines may still be silent."""
MACHINES = ("boot-rom", "ipxe", "sledgehammer")
"""Classes of sightings that will become nodes."""


_COMMAND = re.compile(r" \(crowbar [^)]*\)")
"""A command in the advice, in parentheses. The console has a key for it, and the line has no room."""


class Step(Struct, frozen=True, kw_only=True):
    """`kind`: `plan`, `mend`, `approve`, `confirm`, `allocate`, `release`, `look`, `power`, `cable`, `wait` or `done`. `text` is the line.
    The console goes to `node` and `role`. `verb` is the operator's verb that the step needs, if any."""

    kind: str
    text: str
    node: str = ""
    role: str = ""
    verb: str = ""
    many: int = 1
    """Number of nodes that it helps."""

    @property
    def human(self) -> bool:
        """True if a person has to act."""
        return self.kind not in ("wait", "done")


def short(name: str) -> str:
    return name.split(".")[0]


def next_step(world: World, links: Topology | None = None) -> Step:
    """`links`: the topology, if the caller already has it."""
    if world.plan is None:
        return Step(kind="plan", text="no plan is committed: type :setup to make one")
    servers = [n for n in world.nodes.values() if n.kind is Kind.SERVER]
    return (
        _mend(world, servers)
        or _approve(world, servers)
        or _confirm(world)
        or _box(world, servers)
        or _allocate(world, servers)
        or _release(world, servers)
        or _held_up(servers)
        or _put_right(world)
        or _look(world)
        or _power(world, servers)
        or _cable(world, servers, links)
        or _left_to_people(world, servers)
        or _rest(world, servers)
    )


def _mend(world: World, servers: list[Node]) -> Step | None:
    """Problems and errors: the cause that most nodes share, by the words of the advice."""
    causes: dict[tuple[str, str], list[tuple[Node, str, Reason]]] = {}
    for node in servers:
        if node.problem is not None and not _seen(node, "", node.problem):
            causes.setdefault((node.problem.code, advice(node.problem)), []).append((node, "", node.problem))
    for role in _unfinished(world):
        broken = role.state is State.ERROR
        if not broken and not doubted(role):
            continue
        reason = blockers(world, role, first=True)
        owner = world.nodes.get(role.node)
        if owner is not None and reason and is_failure(reason[0].code):
            told = role.failure if broken and role.failure is not None else reason[0]
            if _seen(owner, role.role, told, role.attempt):
                continue
            causes.setdefault((told.code, role.role), []).append((owner, role.role, told))
    if not causes:
        return None
    # Ties: the cause of the node that comes first.
    hit = max(causes.values(), key=lambda c: (len({n.id for n, _, _ in c}), [-ord(x) for x in c[0][0].name]))
    hit = sorted(hit, key=lambda entry: _natural(entry[0].name))
    worst, role_name, cause = hit[0]
    many = len({n.id for n, _, _ in hit})
    what = _advice(cause, role_name)
    who = short(worst.name) if many == 1 else f"{short(worst.name)} and {many - 1} more"
    return Step(kind="mend", text=f"{who}: {what}", node=worst.name, role=role_name, verb="retry", many=many)


def _seen(node: Node, role: str, reason: Reason, attempt: str = "") -> bool:
    """True if a person has acknowledged this problem: then it is not what helps most now."""
    return bool(node.acknowledged) and acknowledged(node, mark_of(role, reason, attempt)) is not None


def _advice(reason: Reason, role: str) -> str:
    told = _COMMAND.sub("", advice(reason))
    if not told:
        return f"{sentence(reason)}; press r to try again" if not role else f"{role}: {sentence(reason)}; r tries again"
    if "retry" in told:
        return told.replace("then retry the node", "then press r").replace(f"then retry role {role}", "then press r")
    head = f"{role}: " if role else ""
    return f"{head}{told}, then press r"


def _approve(world: World, servers: list[Node]) -> Step | None:
    waiting = []
    for role in _unfinished(world):
        definition = world.catalog.roles.get(role.role)
        node = world.nodes.get(role.node)
        if node is None or definition is None or not definition.destructive or role.approved or definition.stage != node.stage:
            continue
        found = next((r for r in blockers(world, role) if r.code == "approval"), None)
        if found is not None and not _seen(node, role.role, found):
            waiting.append((node, role))
    backward = [(n, None) for n in servers if _barred(world, n) == "backward"]
    if not waiting and not backward:
        return None
    chosen = sorted([*waiting, *backward], key=lambda e: _natural(e[0].name))
    node, one = chosen[0]
    many = len({n.id for n, _ in chosen})
    who = short(node.name) if many == 1 else f"{short(node.name)} and {many - 1} more"
    if one is None:
        return Step(kind="approve", text=f"{who}: going back a stage needs an approval: press a", node=node.name, verb="approve", many=many)
    text = f"{who}: {one.role} destroys the data on the disks: press a to see them and approve"
    return Step(kind="approve", text=text, node=node.name, role=one.role, verb="approve", many=many)


def _confirm(world: World) -> Step | None:
    """Machines whose claims an operator can confirm, and that need it now."""
    waiting: dict[str, Node] = {}
    for role in _unfinished(world):
        node = world.nodes.get(role.node) if role.role in world.catalog.needs_claim else None
        if node is not None and node.fingerprint and any(r.code == "not_confirmed" for r in blockers(world, role)):
            waiting[node.name] = node
    if not waiting:
        return None
    first = min(waiting, key=_natural)
    who = short(first) if len(waiting) == 1 else f"{short(first)} and {len(waiting) - 1} more"
    shows = waiting[first].fingerprint if len(waiting) == 1 else "its fingerprint"
    text = f"{who}: press f if the machine's own screen shows {shows}"
    return Step(kind="confirm", text=text, node=first, verb="confirm", many=len(waiting))


def _barred(world: World, node: Node) -> str:
    if node.backward or not node.stage or node.boot is not None:
        return ""
    wanted = wanted_stage(world, node)
    reason = may_enter(world, node, wanted) if wanted else None
    return reason.code if reason is not None else ""


def _box(world: World, servers: list[Node]) -> Step | None:
    """A machine where the plan expects another one."""
    found = [one for one in wrong_boxes(world, servers) if not _seen(one.node, "", one.reason)]
    if not found:
        return None
    told = _COMMAND.sub("", advice(found[0].reason))
    return Step(kind="look", text=f"{sentence(found[0].reason)}: {told}", node=found[0].node.name, many=len(found))


def _allocate(world: World, servers: list[Node]) -> Step | None:
    """Discovered nodes that wait for an allocation."""
    free = [n for n in servers if not n.allocated and n.stage and n.boot is None and n.available and not wanted_stage(world, n)]
    free = [n for n in free if wrong_box(world, n) is None]
    if not free:
        return None
    node = min(free, key=lambda n: _natural(n.name))
    who = short(node.name) if len(free) == 1 else f"{len(free)} nodes"
    why = f": {sentence(node.notice)}" if node.notice is not None else ""
    text = f"{who} discovered and not allocated{why}: press a to allocate"
    return Step(kind="allocate", text=text, node=node.name, verb="allocate", many=len(free))


def _release(world: World, servers: list[Node]) -> Step | None:
    for nodes, word, verb in (
        ([n for n in servers if n.off is not None], "powered off by an operator: press p to power on", "power"),
        ([n for n in servers if n.hold], "on hold: press h to release it", "release"),
        ([n for n in servers if not n.available], "unavailable: press v to give it back to the engine", "available"),
    ):
        nodes = [n for n in nodes if not n.acknowledged or any(acknowledged(n, one.mark) is None for one in problems_of(world, n))]
        if nodes:
            node = min(nodes, key=lambda n: _natural(n.name))
            more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
            return Step(kind="release", text=f"{short(node.name)}{more} {word}", node=node.name, verb=verb, many=len(nodes))
    return None


def lost(world: World) -> list[Sighting]:
    """Sightings that are not nodes."""
    found = [s for s in world.sightings.values() if not s.node and s.kind in MACHINES and not s.banned]
    return sorted(found, key=lambda s: s.mac)


def _look(world: World) -> Step | None:
    for sighting in lost(world):
        reason = sighting_reason(sighting)
        if reason is not None:
            told = advice(reason)
            return Step(kind="look", text=sentence(reason) + (f": {told}" if told else ""))
    return None


def _held_up(servers: list[Node]) -> Step | None:
    """Boots with a known obstacle, for example a BMC that refuses the power order. The engine repeats them a few times."""
    causes: dict[str, list[Node]] = {}
    for node in servers:
        if node.boot is not None and node.boot.failure is not None and not _seen(node, "", node.boot.failure):
            causes.setdefault(node.boot.failure.code, []).append(node)
    if not causes:
        return None
    hit = max(causes.values(), key=lambda nodes: (len(nodes), [-ord(x) for x in nodes[0].name]))
    node = min(hit, key=lambda n: _natural(n.name))
    cause = node.boot.failure if node.boot is not None else None
    assert cause is not None
    told = _COMMAND.sub("", advice(cause))
    who = short(node.name) if len(hit) == 1 else f"{short(node.name)} and {len(hit) - 1} more"
    return Step(kind="look", text=f"{who}: {sentence(cause)}" + (f": {told}" if told else ""), node=node.name, many=len(hit))


def _put_right(world: World) -> Step | None:
    """A finding of an active role: what most nodes share."""
    causes: dict[tuple[str, str], list[FindingRow]] = {}
    for one in findings(world):
        node = world.node_named(one.node)
        role = world.node_roles.get((node.id, one.role)) if node is not None else None
        if node is not None and role is not None and _seen(node, one.role, Reason(one.why.code, one.why.fields), role.attempt):
            continue
        causes.setdefault((one.why.code, one.role), []).append(one)
    if not causes:
        return None
    hit = max(causes.values(), key=len)
    first = min(hit, key=lambda one: _natural(one.node))
    who = short(first.node) if len(hit) == 1 else f"{short(first.node)} and {len(hit) - 1} more"
    text = f"{who}: {first.why.sentence}; r runs {first.role} again"
    return Step(kind="mend", text=text, node=first.node, role=first.role, verb="retry", many=len(hit))


def _power(world: World, servers: list[Node]) -> Step | None:
    expect = world.plan.expect.nodes if world.plan is not None else 0
    seen = len(servers) + len(lost(world))
    if not seen:
        return Step(kind="power", text=f"power on the machines{f' ({expect} are expected)' if expect else ''}: they boot from the network")
    if seen < expect:
        left = expect - seen
        if _newest(world, servers) - max((r.at for r in world.revisions.values()), default=0.0) < FIRMWARE_S:
            return None  # a large server takes minutes to its first packet
        word = "machine" if left == 1 else "machines"
        return Step(kind="power", text=f"{left} of {expect} expected {word} never showed up: check their power and boot cable", many=left)
    return None


def _newest(world: World, servers: list[Node]) -> float:
    """Wall time of the newest sign of any machine: all that a pure function can know of the time."""
    return max([n.signal_at for n in servers] + [n.since for n in servers] + [s.last for s in world.sightings.values()], default=0.0)


def _cable(world: World, servers: list[Node], links: Topology | None) -> Step | None:
    if world.plan is None or not world.plan.racks:
        return None
    found = links if links is not None else topology(world)
    wrong = wrong_cables(found, lambda link: _left(world, link))
    if not wrong:
        return None
    first = wrong[0]
    node = next((n.name for n in servers if short(n.name) == first.node), first.node)
    return Step(kind="cable", text=f"{first.node} {first.text}: see 3", node=node, many=found.checks.get(first.check, 1))


def _left(world: World, link: Link) -> bool:
    """True if somebody has acknowledged this cable."""
    node = world.node_named(link.node)
    return node is not None and acknowledged(node, of_cable(link).mark) is not None


def _left_to_people(world: World, servers: list[Node]) -> Step | None:
    """All that is not done waits for somebody who has acknowledged it."""
    left = [n for n in servers if n.acknowledged and (n.problem is not None or wanted_stage(world, n))]
    if not left or any(not n.acknowledged and (n.boot is not None or wanted_stage(world, n)) for n in servers) or lost(world):
        return None
    node = min(left, key=lambda n: _natural(n.name))
    one = node.acknowledged[-1]
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return Step(kind="wait", text=f"nothing to do: {short(node.name)}{more} left to {one.who}: {one.note}", node=node.name, many=len(left))


def _rest(world: World, servers: list[Node]) -> Step:
    left = [n for n in servers if wanted_stage(world, n) or n.boot is not None or not n.stage]
    unborn = lost(world)
    expect = world.plan.expect.nodes if world.plan is not None else 0
    if len(servers) + len(unborn) < expect:
        return Step(kind="wait", text=f"nothing to do yet: {len(servers) + len(unborn)} of {expect} expected machines seen so far")
    if not left and not unborn:
        admin = world.nodes.get("admin")
        if admin is not None and wanted_stage(world, admin):
            return Step(kind="wait", text=f"nothing to do: the engine prepares {short(admin.name)} (this machine)")
        who = f"all {len(servers)} nodes are" if len(servers) != 1 else "the node is"
        return Step(kind="done", text=f"nothing to do: {who} ready")
    if not left:
        many = len(unborn)
        return Step(kind="wait", text=f"nothing to do: {many} machine{'s' if many > 1 else ''} booting for the first time")
    slow = min(left, key=lambda n: (n.signal_at if n.boot is None else n.boot.at, n.name))
    boot = slow.boot
    what = f"booting {boot.environment}, next {expected(boot)}" if boot is not None else f"in stage {slow.stage or 'discovery'}"
    more = f"{len(left)} nodes at work" if len(left) > 1 else "1 node at work"
    return Step(kind="wait", text=f"nothing to do: {more}; {short(slow.name)} {what}", node=slow.name)


def _unfinished(world: World) -> Iterable[NodeRole]:
    return (r for r in world.node_roles.values() if committed(r) and r.state is not State.SKIPPED and not done(world, r))


def _natural(name: str) -> tuple[str, int, str]:
    head = short(name)
    digits = len(head) - len(head.rstrip("0123456789"))
    return (head[: len(head) - digits], int(head[-digits:]) if 0 < digits < 10 else -1, name)
