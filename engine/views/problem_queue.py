"""The queue of problems: everything that needs a person, the worst first, each with its age, its cause and what to try. Pure.

What the next step says is always in it: both read the same records, and a step that no other problem covers is added as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ..core.hardware.topology import Link, Topology, topology
from ..core.operator import verbs
from ..core.operator.problems import Problem, acknowledged, of_cable, problems_of
from ..core.world.world import World
from ..model import Kind, Node, State
from ..reasons import advice, is_failure, sentence
from .advice import Step, lost, next_step, short
from .summary import NodeRow, machines, node_row, sighting_reason

BROKEN, WRONG, ASKS, STOPPED = range(4)
"""How bad: something failed; something is wrong but goes on; the engine asks; a person stopped it."""
_WORSE = {
    "approval": ASKS,
    "backward": ASKS,
    "not_confirmed": ASKS,
    "not_allocated": ASKS,
    "powered_off": STOPPED,
    "on_hold": STOPPED,
    "not_available": STOPPED,
}
_ANSWERS = frozenset(verb.name for verb in (verbs.APPROVE, verbs.CONFIRM, verbs.ALLOCATE))
"""Verbs of a next step that answer what the engine asks."""
WRONG_CABLE = ("swapped", "missing")


class QueuedProblem(Struct, frozen=True, kw_only=True):
    key: str
    """The same as long as the problem is the same, in words of the node and the role."""
    node: str
    """Node id, or the MAC of a machine that is no node. Empty: the rack."""
    name: str
    role: str
    """Empty: the node itself."""
    code: str
    sentence: str
    advice: str
    """What to try. Empty: see the cause."""
    since: float
    """Wall time. 0: it is not known."""
    worse: int
    """BROKEN, WRONG, ASKS or STOPPED."""
    mark: str = ""
    """What an acknowledgement names. Empty: it cannot be acknowledged."""
    who: str = ""
    """Who acknowledged it. Empty: nobody has."""
    note: str = ""
    page: str = ""
    """The page that shows more than the node's own: `topology`. Empty: the node's."""

    @property
    def open(self) -> bool:
        """True if nobody has acknowledged it."""
        return not self.who


def problem_queue(
    world: World, links: Topology | None = None, rows: Iterable[NodeRow] | None = None, step: Step | None = None
) -> list[QueuedProblem]:
    """The worst first, then the oldest; the acknowledged ones last. `links`, `rows` and `step`: if the caller already has them."""
    if world.plan is None:
        return []
    links = links if links is not None else topology(world)
    given = rows if rows is not None else (node_row(world, node) for node in machines(world))
    failed = {role.node for role in world.node_roles.values() if role.state is State.ERROR or role.findings}
    ailing = {node.id for node in world.nodes.values() if node.ailments}
    looked_at = [row.id for row in given if row.id in world.nodes and (row.id in failed or row.id in ailing or row.why is not None)]
    out = [_queued(world.nodes[node], problem) for node in looked_at for problem in problems_of(world, world.nodes[node])]
    out += _cables(world, links)
    out += _strangers(world)
    step = step if step is not None else next_step(world, links)
    if step.human and not _has(out, step):
        out.append(_of_step(world, step))
    return sorted(out, key=_order)


def _order(one: QueuedProblem) -> tuple[bool, int, float, str]:
    return (not one.open, one.worse, one.since or float("inf"), one.key)


def _queued(node: Node, problem: Problem) -> QueuedProblem:
    reason = problem.reason
    seen = acknowledged(node, problem.mark)
    worse = _WORSE.get(reason.code)
    if worse is None:
        failed = node.problem == reason or is_failure(reason.code) or bool(problem.attempt)
        worse = BROKEN if failed else WRONG
    return QueuedProblem(
        key=f"{node.id}/{problem.role}/{reason.code}",
        node=node.id,
        name=node.name,
        role=problem.role,
        code=reason.code,
        sentence=sentence(reason),
        advice=advice(reason),
        since=problem.since,
        worse=worse,
        mark=problem.mark,
        who=seen.who if seen is not None else "",
        note=seen.note if seen is not None else "",
    )


def _cables(world: World, links: Topology) -> list[QueuedProblem]:
    if world.plan is None or not world.plan.racks:
        return []
    by_name: Mapping[str, Node] = {short(node.name): node for node in world.nodes.values() if node.kind is Kind.SERVER}
    return [_cable(by_name[link.node], link) for link in links.links if link.check in WRONG_CABLE and link.node in by_name]


def _cable(node: Node, link: Link) -> QueuedProblem:
    problem = of_cable(link)
    seen = acknowledged(node, problem.mark)
    return QueuedProblem(
        key=f"{node.id}/{link.nic or link.link}/{link.check}",
        node=node.id,
        name=node.name,
        role="",
        code=problem.reason.code,
        sentence="{nic} is in {where}, the plan says {plan}".format(**problem.reason.fields),
        advice=f"move the cable to {link.plan}, or change the plan; screen 3 shows all cables",
        since=0.0,
        worse=WRONG,
        mark=problem.mark,
        who=seen.who if seen is not None else "",
        note=seen.note if seen is not None else "",
        page="topology",
    )


def _strangers(world: World) -> list[QueuedProblem]:
    out = []
    for sighting in lost(world):
        reason = sighting_reason(sighting)
        if reason is not None:
            out.append(
                QueuedProblem(
                    key=f"{sighting.mac}//{reason.code}",
                    node=sighting.mac,
                    name=sighting.mac,
                    role="",
                    code=reason.code,
                    sentence=sentence(reason),
                    advice=advice(reason),
                    since=sighting.first,
                    worse=WRONG,
                )
            )
    return out


def _has(queue: Iterable[QueuedProblem], step: Step) -> bool:
    """True if a problem in the queue is what the step is about."""
    if step.node:
        return any(one.name == step.node for one in queue)
    return step.kind == "look" and any(not one.role and ":" in one.node for one in queue)


def _of_step(world: World, step: Step) -> QueuedProblem:
    node = world.node_named(step.node) if step.node else None
    return QueuedProblem(
        key=f"{node.id if node is not None else ''}/{step.role}/{step.kind}",
        node=node.id if node is not None else "",
        name=node.name if node is not None else "the rack",
        role=step.role,
        code=step.kind,
        sentence=step.text,
        advice="",
        since=0.0,
        worse=ASKS if step.verb in _ANSWERS else WRONG,
    )
