"""Makes the stored graph of node roles equal to the wanted one (`wanted`), for some nodes and for everything that depends on them.

It binds what is missing, unbinds what no plan wants (`unbind`), and sets the edges. Edges are structure: set here, and never at run time.
An existing node role keeps its state. The cost follows from the nodes that it is given, and from the node roles that look for theirs.

A cycle is refused. The caller then drops the step.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from ... import reasons
from ...definitions import On
from ...model import Key, Kind, Node, NodeId
from ...reasons import Reason
from ..hardware.approvals import plan_approves
from ..roles.graph import Walk, find_cycle, rank, ranks_alone
from ..roles.transitions import bound
from ..world.view import View
from ..world.work import Work
from .bmc_address import give_bmc_address
from .dropped import in_plan, sweep
from .hardware_wishes import put_wishes
from .owned import SYSTEM
from .revisions import latest
from .unbind import unbind
from .wanted import ADMIN, Own, Wanted


def rebind(w: Work, nodes: Iterable[Node], left: Iterable[str] = ()) -> Reason | None:
    """Rebinds these nodes. `left`: roles of nodes that were just deleted. A reason: the plan cannot be met."""
    task = _Rebinding(w)
    left = tuple(left)
    task.changed.update(left)
    queue = [node.id for node in nodes]
    while queue or task.changed:
        for node_id in queue:
            refused = task.shape(w.nodes[node_id])
            if refused is not None:
                return refused
        queue = sorted(task.settle())
    if left or not all(in_plan(w.plan, name) for name in task.losers):
        sweep(w)
    walk = Walk(w)
    new = [key for key in sorted(task.edges) if key in w.node_roles]
    cycle = find_cycle(w, walk, new)
    if cycle is None:
        rank(w, walk, new)
    return cycle


def released(w: Work, node_id: NodeId) -> None:
    """Unbinds the node's roles that stayed only because they ran, as soon as they do not."""
    for key in w.kept.get(node_id) or ():
        role = w.node_roles[key]
        if role.kept == "runs" and w.holders.get(node_id) != key:
            before = w.checkpoint()
            if rebind(w, [w.nodes[node_id]]) is not None:
                w.rollback(before)
            return


def asked(view: View, node: Node) -> set[tuple[str, str]]:
    """(Role, deployment) of the node's roles that roles of other nodes require there, by the stored graph."""
    out: set[tuple[str, str]] = set()
    if node.kind is Kind.SERVER:
        return out
    for key in view.roles_of.get(node.id) or ():
        for child in view.children.get(key) or ():
            on = _asks(view, child, key) if child[0] != node.id else None
            if on is not None:
                out.add((key[1], SYSTEM if on is On.ADMIN else view.node_roles[child].deployment))
    return out


def _asks(view: View, child: Key, parent: Key) -> On | None:
    """How a node role asks another node for a role. None: it takes what is there."""
    provides = {parent[1], *view.catalog.roles[parent[1]].provides} if parent[1] in view.catalog.roles else set()
    for requirement in view.catalog.requirements(child[1]) if child[1] in view.catalog.roles else ():
        if requirement.on in (On.ADMIN, On.LINKED) and requirement.role in provides:
            return requirement.on
    return None


class _Rebinding:
    """One call of `rebind`."""

    def __init__(self, w: Work) -> None:
        self.w = w
        self.wanted = Wanted(w)
        self.owns: dict[NodeId, Own] = {}
        """Nodes that were shaped, and not settled since."""
        self.extra: dict[NodeId, set[tuple[str, str]]] = {}
        """What nodes that were shaped require on others."""
        self.loose: set[Key] = set()
        self.changed: set[str] = set()
        """Roles of which node roles came or went since the last `settle`."""
        self.losers: set[str] = set()
        """Deployments whose node roles were unbound."""
        self.edges: set[Key] = set()
        """Node roles with new edges, without those that were bound with all that they require: `ranks_alone` has looked at these. A
        cycle through one of them has an edge to it, or from it, that was set otherwise."""

    def shape(self, node: Node) -> Reason | None:
        """Binds what the node must have, and notes what it must not have."""
        w = self.w
        own = self.wanted.own(node, asked(w, node) | self.extra.get(node.id, set()))
        if isinstance(own, Reason):
            return own
        self.owns[node.id] = own
        new: list[str] = []
        for role, deployment in own.roles.items():
            have = w.node_roles.get((node.id, role))
            if have is None:
                new.append(role)
            elif have.deployment != deployment or have.kept:
                w.put_role(replace(have, deployment=deployment, kept=""))
                self.changed.add(role)
        if new:
            self._bind(node, own, new)
        mine = {key: key[1] in own.roles for key in w.roles_of.get(node.id) or ()}
        self.loose = {key for key in self.loose if not mine.get(key)} | {key for key, is_wanted in mine.items() if not is_wanted}
        for target, role, deployment in self.wanted.asked_of(node, own):
            refused = self._ask(target, role, deployment)
            if refused is not None:
                return refused
        return put_wishes(w, node, own.roles) or give_bmc_address(w, w.nodes[node.id], own.roles)

    def _bind(self, node: Node, own: Own, new: list[str]) -> None:
        """Binds new roles, with the edges and the rank that follow from their node alone. `settle` adds what follows from others."""
        w, local = self.w, self.wanted.local(own)
        place = (id(own), node.kind)
        ranks = self.wanted.ranks.get(place)
        if ranks is None:
            parents = {role: one.parents for role, one in local.items()}
            ranks = self.wanted.ranks[place] = ranks_alone(w.catalog, parents, staged=node.kind is Kind.SERVER)
        revision, records = latest(w), []
        for role in new:
            deployment, one = own.roles[role], local[role]
            approved = plan_approves(w, node, w.catalog.roles[role], deployment)
            parents_here = tuple([(node.id, parent) for parent in one.parents])
            records.append(bound(node.id, role, deployment, revision, approved, w.at, parents_here, one.seeks, ranks.get(role, 0.0)))
        w.bind(node.id, records)
        fresh = set(new)
        self.edges.update([record.key for record in records if not ranks or not fresh.issuperset(local[record.role].parents)])
        self.changed.update(new)

    def _ask(self, target: NodeId, role: str, deployment: str) -> Reason | None:
        """Another node must have that role."""
        there = self.w.nodes.get(target)
        if there is None:
            return reasons.parent_missing(role=role)
        wanted = self.extra.setdefault(target, set())
        if (role, deployment) in wanted:
            return None
        wanted.add((role, deployment))
        have = self.w.node_roles.get((target, role))
        return self.shape(there) if have is None or have.kept or (target, role) in self.loose else None

    def settle(self) -> set[NodeId]:
        """Unbinds what is loose and sets the edges. Returns the nodes that may have lost who required their roles."""
        w = self.w
        lost: set[NodeId] = set()
        for key in self.loose:
            lost.update(parent[0] for parent in w.node_roles[key].parents)
            self.losers.add(w.node_roles[key].deployment)
        for key in unbind(w, self.loose):
            self.changed.add(key[1])
        changed, owns = self.changed, self.owns
        self.changed, self.owns, self.loose = set(), {}, set()
        for node_id, own in owns.items():
            for role in own.roles:
                lost |= self._edges(w.nodes[node_id], own, role)
        for key in self._seekers(changed):
            node = w.nodes[key[0]]
            own_or = self.wanted.own(node, asked(w, node))
            if key[0] not in owns and not isinstance(own_or, Reason) and key[1] in own_or.roles:
                lost |= self._edges(node, own_or, key[1])
        self.extra.clear()
        return {one for one in lost if (one == ADMIN or w.nodes[one].kind is Kind.DEVICE) and self._unasked(one)}

    def _seekers(self, changed: set[str]) -> list[Key]:
        """Node roles that look for these on other nodes."""
        w = self.w
        known = [w.catalog.roles[name] for name in sorted(changed) if name in w.catalog.roles]
        sought = dict.fromkeys([*sorted(changed), *(one for role in known for one in role.provides)])
        keys = dict.fromkeys(key for name in sought for key in w.seekers.get(name) or ())
        return [key for key in keys if not w.node_roles[key].kept]

    def _edges(self, node: Node, own: Own, role: str) -> set[NodeId]:
        """Sets the parents of a node role. Returns the other nodes that it no longer requires a role of."""
        record = self.w.node_roles[(node.id, role)]
        parents, seeks = self.wanted.parents(node, own, role)
        if (parents, seeks) == (record.parents, record.seeks):
            return set()
        self.w.put_role(replace(record, parents=parents, seeks=seeks))
        self.edges.add(record.key)
        return {key[0] for key in record.parents if key not in parents and key[0] != node.id}

    def _unasked(self, node_id: NodeId) -> bool:
        """True if the node has a role that neither the plan nor another node wants there."""
        node = self.w.nodes[node_id]
        own = self.wanted.own(node, asked(self.w, node))
        if isinstance(own, Reason):
            return False
        return any(key[1] not in own.roles and not self.w.node_roles[key].kept for key in self.w.roles_of.get(node_id) or ())
