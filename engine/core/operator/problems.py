"""What of a node needs a person, and whether a person has acknowledged it. Pure.

The queue of problems (`views.problem_queue`), the next step and the verb `acknowledge` read this, so that none of them contradicts another.

An acknowledgement names the problem by a mark of its role, reason and attempt. If any of these changes, it is another problem, and it comes
back. A retry forgets all acknowledgements of the node.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from msgspec import json

from ... import reasons
from ...model import Acknowledged, Kind, Node, NodeRole, State
from ...reasons import Reason, is_failure, needs_person
from ..hardware.expected import of_parts
from ..hardware.location import contradiction
from ..hardware.topology import Link
from ..plan.boxes import wrong_box
from ..roles.derive import committed, done
from ..roles.guards import blockers
from ..roles.stages import may_enter, wanted_stage
from ..roles.transitions import runs
from ..world.view import View


class Problem(NamedTuple):
    role: str
    """Empty: the node itself."""
    reason: Reason
    since: float
    """Wall time. 0: it is not known."""
    attempt: str = ""

    @property
    def mark(self) -> str:
        """16 hex digits that change when the problem does."""
        return mark_of(self.role, self.reason, self.attempt)


def mark_of(role: str, reason: Reason, attempt: str = "") -> str:
    return sha256(json.encode([role, reason.code, sorted(reason.fields.items()), attempt])).hexdigest()[:16]


def acknowledged(node: Node, mark: str) -> Acknowledged | None:
    """Who acknowledged the node's problem with this mark. None: nobody has."""
    return next((one for one in node.acknowledged if one.problem == mark), None)


def of_cable(link: Link) -> Problem:
    """A cable that is not where the plan has it, as a problem of the link's node."""
    where = f"{link.switch}:{link.port}" if link.switch else "nowhere"
    return Problem("", Reason(f"cable_{link.check}", {"nic": link.nic or link.link, "where": where, "plan": link.plan}), 0.0)


def problems_of(view: View, node: Node) -> list[Problem]:
    """What a person has to do at this node, the node itself first. Empty: the engine goes on by itself, or the node is ready."""
    out = []
    if node.problem is not None:
        out.append(Problem("", node.problem, node.since))
    if node.boot is not None and node.boot.failure is not None:
        out.append(Problem("", node.boot.failure, node.boot.at))
    if node.off is not None:
        out.append(Problem("", reasons.powered_off(node=node.name, who=node.off.who), node.since))
    if node.hold:
        out.append(Problem("", reasons.on_hold(node=node.name), node.since))
    if not node.available:
        out.append(Problem("", reasons.not_available(node=node.name), node.since))
    box = wrong_box(view, node)
    if box is not None:
        out.append(Problem("", box.reason, node.since))
    out += [Problem("", reason, node.since) for reason in of_parts(view, node)]
    out += [Problem("", one.reason, one.since) for one in node.ailments]
    apart = contradiction(view, node)
    if apart is not None:
        out.append(Problem("", apart, node.since))
    gate = next((stage.name for stage in view.catalog.stages if stage.gate), "")
    if gate and node.kind is Kind.SERVER and not node.allocated and node.stage and node.boot is None and not wanted_stage(view, node):
        barred = may_enter(view, node, gate)
        if barred is not None:
            out.append(Problem("", barred, node.since))
    told = {one.mark for one in out}
    if node.problem is not None:
        told.add(mark_of("", reasons.problem(node=node.name, message=reasons.sentence(node.problem))))
    for key in sorted(view.roles_of.get(node.id) or ()):
        out += _of_role(view, view.node_roles[key], told)
    return out


def _of_role(view: View, role: NodeRole, told: set[str]) -> list[Problem]:
    """`told`: marks of reasons that the node itself says, or that several roles share, like a missing approval to go back."""
    if not committed(role):
        return []
    out = [Problem(role.role, finding, role.ended, role.attempt) for finding in role.findings]
    if done(view, role) or runs(role):
        return out
    first = next(iter(blockers(view, role, first=True)), None)
    if first is None:
        return out
    if role.state is State.ERROR and role.failure is not None:
        return [*out, Problem(role.role, role.failure, role.ended or role.since, role.attempt)]
    if is_failure(first.code):
        return [*out, Problem(role.role, first, role.since, role.attempt)]
    shared = mark_of("", first)
    if needs_person(first.code) and shared not in told:
        told.add(shared)
        out.append(Problem(role.role, first, role.since))
    return out
