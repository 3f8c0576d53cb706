"""The one next step: what a person can do now that helps the rack most, in one line. Pure.

Rules
* There is always a step; when nobody is needed it says so, and what is going on.
* What stops most nodes comes first: a cause shared by several nodes is told once, with their number. Then what waits for a word of the
  operator, then what was never seen, then cables, then waiting itself.
* It is cheap: fields are scanned, and `blockers` is asked only of the few roles where it decides. 1,000 nodes cost some milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ..core.boot import expected
from ..core.derive import committed, done
from ..core.guards import blockers
from ..core.stages import may_enter, wanted_stage
from ..core.topology import Topology, topology
from ..core.world import World
from ..model import Kind, Node, NodeRole, Sighting, State
from ..reasons import Reason, advice, sentence

FIRMWARE_S = 420.0
"""Seconds from the commit of a plan in which machines may not have been heard yet."""
MACHINES = ("boot-rom", "ipxe", "sledgehammer")
"""Classes of sightings that will be nodes."""


class Step(Struct, frozen=True, kw_only=True):
    """`kind`: `plan`, `mend`, `approve`, `allocate`, `release`, `look`, `power`, `cable`, `wait` or `done`. `text` is the line; `node` and
    `role` are where the console goes for it; `verb` is the operator's verb that it ends in, if there is one."""

    kind: str
    text: str
    node: str = ""
    role: str = ""
    verb: str = ""
    many: int = 1
    """How many nodes it helps."""

    @property
    def human(self) -> bool:
        """Somebody has to do something."""
        return self.kind not in ("wait", "done")


def short(name: str) -> str:
    return name.split(".")[0]


def next_step(world: World, links: Topology | None = None) -> Step:
    """`links`: the topology, where the caller has it already."""
    if world.plan is None:
        return Step(kind="plan", text="no plan is committed: type :setup to make one")
    servers = [n for n in world.nodes.values() if n.kind is Kind.SERVER]
    return (
        _mend(world, servers)
        or _approve(world, servers)
        or _allocate(world, servers)
        or _release(servers)
        or _look(world)
        or _power(world, servers)
        or _cable(world, links)
        or _rest(world, servers)
    )


def _mend(world: World, servers: list[Node]) -> Step | None:
    """Problems and errors; the cause that most nodes share, by the words of the advice."""
    causes: dict[tuple[str, str], list[tuple[Node, str, Reason]]] = {}
    for node in servers:
        if node.problem is not None:
            causes.setdefault((node.problem.code, advice(node.problem)), []).append((node, "", node.problem))
    for role in _unfinished(world):
        broken = role.state is State.ERROR
        if not broken and not (role.recheck and role.state is State.ACTIVE):
            continue
        reason = blockers(world, role, first=True)
        owner = world.nodes.get(role.node)
        if owner is not None and reason and reason[0].code in ("failed", "unverifiable"):
            told = role.failure if broken and role.failure is not None else reason[0]
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


def _advice(reason: Reason, role: str) -> str:
    told = advice(reason)
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
        if any(r.code == "approval" for r in blockers(world, role)):
            waiting.append((node, role))
    backward = [(n, None) for n in servers if _barred(world, n) == "backward"]
    if not waiting and not backward:
        return None
    chosen = sorted([*waiting, *backward], key=lambda e: _natural(e[0].name))
    node, one = chosen[0]
    many = len({n.id for n, _ in chosen})
    who = short(node.name) if many == 1 else f"{short(node.name)} and {many - 1} more"
    if one is None:
        return Step(kind="approve", text=f"{who}: going back a stage needs a yes: press a", node=node.name, verb="approve", many=many)
    text = f"{who}: {one.role} destroys what is on the disks: press a to see them and approve"
    return Step(kind="approve", text=text, node=node.name, role=one.role, verb="approve", many=many)


def _barred(world: World, node: Node) -> str:
    if node.backward or not node.stage or node.boot is not None:
        return ""
    wanted = wanted_stage(world, node)
    reason = may_enter(world, node, wanted) if wanted else None
    return reason.code if reason is not None else ""


def _allocate(world: World, servers: list[Node]) -> Step | None:
    """Only discovered nodes wait for it."""
    free = [n for n in servers if not n.allocated and n.stage and n.boot is None and n.available and not wanted_stage(world, n)]
    if not free:
        return None
    node = min(free, key=lambda n: _natural(n.name))
    who = short(node.name) if len(free) == 1 else f"{len(free)} nodes"
    why = f": {sentence(node.notice)}" if node.notice is not None else ""
    text = f"{who} discovered and not allocated{why}: press a to allocate"
    return Step(kind="allocate", text=text, node=node.name, verb="allocate", many=len(free))


def _release(servers: list[Node]) -> Step | None:
    for nodes, word, verb in (
        ([n for n in servers if n.off is not None], "switched off by an operator: press p to power on", "power"),
        ([n for n in servers if n.hold], "on hold: press h to let it go on", "release"),
        ([n for n in servers if not n.available], "not available: press v when the engine may work on it", "available"),
    ):
        if nodes:
            node = min(nodes, key=lambda n: _natural(n.name))
            more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
            return Step(kind="release", text=f"{short(node.name)}{more} {word}", node=node.name, verb=verb, many=len(nodes))
    return None


def lost(world: World) -> list[Sighting]:
    """Machines that were seen and are not nodes."""
    found = [s for s in world.sightings.values() if not s.node and s.kind in MACHINES and not s.banned]
    return sorted(found, key=lambda s: s.mac)


def _look(world: World) -> Step | None:
    for sighting in lost(world):
        if sighting.reason is not None:
            told = advice(sighting.reason)
            return Step(kind="look", text=f"{sentence(sighting.reason)}" + (f": {told}" if told else ""))
    return None


def _power(world: World, servers: list[Node]) -> Step | None:
    expect = world.plan.expect.nodes if world.plan is not None else 0
    seen = len(servers) + len(lost(world))
    if not seen:
        return Step(kind="power", text=f"power on the machines{f' ({expect} are expected)' if expect else ''}: they boot from the network")
    if seen < expect:
        left = expect - seen
        if _newest(world, servers) - max((r.at for r in world.revisions.values()), default=0.0) < FIRMWARE_S:
            return None  # a large server takes minutes to its first packet
        word = "machine was" if left == 1 else "machines were"
        return Step(kind="power", text=f"{left} of {expect} expected {word} never seen: check power and first cable", many=left)
    return None


def _newest(world: World, servers: list[Node]) -> float:
    """Wall time of the newest sign of any machine: all that a pure function can know of the time."""
    return max([n.signal_at for n in servers] + [n.since for n in servers] + [s.last for s in world.sightings.values()], default=0.0)


def _cable(world: World, links: Topology | None) -> Step | None:
    if world.plan is None or not world.plan.racks:
        return None
    found = links if links is not None else topology(world)
    for check in ("swapped", "missing"):
        for link in found.links:
            if link.check == check:
                where = f"{link.switch}:{link.port}" if link.switch else "nowhere"
                what = f"{link.node} {link.nic or link.link} is in {where}, the plan says {link.plan}"
                return Step(kind="cable", text=f"{what}: see 3", node=link.node, many=found.checks.get(check, 1))
    return None


def _rest(world: World, servers: list[Node]) -> Step:
    left = [n for n in servers if wanted_stage(world, n) or n.boot is not None or not n.stage]
    unborn = lost(world)
    expect = world.plan.expect.nodes if world.plan is not None else 0
    if len(servers) + len(unborn) < expect:
        return Step(kind="wait", text=f"nothing to do yet: {len(servers) + len(unborn)} of {expect} expected machines were seen so far")
    if not left and not unborn:
        admin = world.nodes.get("admin")
        if admin is not None and wanted_stage(world, admin):
            return Step(kind="wait", text=f"nothing to do: {short(admin.name)} (this machine) is being made ready")
        who = f"all {len(servers)} nodes are" if len(servers) != 1 else "the node is"
        return Step(kind="done", text=f"nothing to do: {who} ready")
    if not left:
        many = len(unborn)
        return Step(kind="wait", text=f"nothing to do: {many} machine{'s' if many > 1 else ''} on the way to a first hello")
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
