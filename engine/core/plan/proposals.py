"""Edits of single deployments: they wait as proposals, and a commit of some of them makes the next revision.

A commit of proposals is a commit of a plan: the present one with these deployments replaced (`proposed.proposed_plan`, `bind.commit`). So
nothing that runs depends on whether a plan came whole or in parts.

Rules of deletion. They hold for proposals only, because a whole plan says by itself what becomes of everything in it.
* `system` stays.
* A deployment goes only with its children, or after they have other parents.
* A deployment stays while node roles of others, which stay, require its node roles on other nodes. Node roles of the same node are no
  obstacle: what they require there is bound anew, or goes with them.
* A deployment stays while the plan gives it nodes or networks (`proposed`).
* Roles that wrote disks stay bound, and with them the deployment's record (`dropped`). The preview names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from ... import reasons
from ...events import Commit, CommitProposals, Propose, Recall
from ...model import Key, NodeRole, Proposal
from ...plan import DeploymentDef, Plan
from ...reasons import Reason
from ...reasons.moment import moment
from ..world.view import View
from ..world.work import Work
from .bind import commit
from .proposed import NAMED, as_wanted, definition, other_revision, proposed_plan
from .revisions import latest, moved_on
from .values import SYSTEM


def propose(w: Work, event: Propose) -> Reason | str:
    """Keeps an edit until it is committed or recalled. Returns the refusal, or the receipt."""
    name, plan = event.deployment, w.plan
    if plan is None:
        return reasons.no_plan()
    present, waits, base = definition(plan, name), w.proposals.get(name), event.base or latest(w)
    if event.wanted is None and present is None and waits is None:
        return _unknown(plan, name)
    if name == SYSTEM and (event.wanted is None or not _only_attributes(event.wanted)):
        return reasons.root_stays(deployment=name)
    if waits is not None and event.over is not None and event.over != waits.at:
        return _other_edit(waits)
    if base not in w.revisions:
        return reasons.unknown_thing(what="revision", name=str(base)[:20], nearest=str(latest(w)))
    refused = other_revision(w, name, base)
    if refused is not None:
        return refused
    parent = "" if name == SYSTEM else event.wanted.parent if event.wanted is not None else ""
    wanted = as_wanted(replace(event.wanted, name=name, parent=parent) if event.wanted is not None else None)
    if wanted == as_wanted(present):
        if waits is not None:
            w.drop("proposals", name)
        return f"{name} is as in the plan, so no edit of it waits" if present is not None else f"the edit of {name} is recalled"
    w.put(Proposal(deployment=name, wanted=wanted, base=base, who=event.who, at=w.at))
    what = "the deletion" if wanted is None else "the edit"
    return f"{what} of {name} waits; to carry it out: crowbar deployment commit {name}"


def recall(w: Work, event: Recall) -> Reason | str:
    """Drops a waiting edit. Returns the refusal, or the receipt."""
    if event.deployment not in w.proposals:
        return reasons.not_proposed(deployment=event.deployment)
    w.drop("proposals", event.deployment)
    return f"the edit of {event.deployment} is recalled"


def plan_of(w: Work, event: Commit | CommitProposals) -> Plan | Reason:
    """The plan that a commit makes the goal. A reason: somebody else committed or edited something that the operator did not see."""
    if isinstance(event, Commit):
        return moved_on(w, event.expects) or event.plan
    if not event.deployments:
        return reasons.not_proposed(deployment="any name")
    return _seen(w, event.seen) or proposed_plan(w, event.deployments)


def carried_out(w: Work, event: Commit | CommitProposals) -> Reason | None:
    """Commits a plan, or the waiting edits of some deployments together. A reason: the caller drops all changes."""
    plan = plan_of(w, event)
    if isinstance(plan, Reason):
        return plan
    return commit(w, plan, event.who) if isinstance(event, Commit) else carry_out(w, event.deployments, event.who)


def as_seen(view: View, event: Commit | CommitProposals) -> Commit | CommitProposals:
    """The same commit, but of these very edits: one that is made later is not committed by it."""
    if isinstance(event, Commit):
        return event
    return replace(event, seen={name: view.proposals[name].at for name in event.deployments if name in view.proposals})


def receipt(w: Work, event: Commit | CommitProposals) -> str:
    """The answer to a commit that was carried out."""
    if isinstance(event, Commit):
        return "committed"
    return f"committed as revision {latest(w)}: {', '.join(dict.fromkeys(event.deployments))}"


def carry_out(w: Work, names: Iterable[str], who: str) -> Reason | None:
    names = tuple(names)
    plan = proposed_plan(w, names)
    if isinstance(plan, Reason):
        return plan
    deleted = {name for name in names if name not in plan.deployments and name != SYSTEM}
    edges = _from_outside(w, deleted) if deleted else []
    refused = commit(w, plan, who)
    if refused is not None:
        return refused
    torn = [(child, parent, name) for child, parent, name in edges if _stays(w, child) and not _stays(w, parent)]
    if not torn:
        return None
    first = torn[0][2]
    words = [f"{_words(w, child)} requires {_words(w, parent)}" for child, parent, name in torn if name == first]
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return reasons.still_required(deployment=first, roles=", ".join(words[:NAMED]) + more)


def _from_outside(w: Work, deleted: set[str]) -> list[tuple[Key, Key, str]]:
    """(Node role, the one on another node that it requires, its deployment) where only the second is of a deleted deployment."""
    out = []
    for role in sorted((one for one in w.all(NodeRole) if one.deployment in deleted), key=lambda one: one.key):
        for child in w.children.get(role.key) or ():
            other = w.node_roles[child]
            if child[0] != role.node and other.deployment not in deleted:
                out.append((child, role.key, role.deployment))
    return out


def _stays(w: Work, key: Key) -> bool:
    found = w.node_roles.get(key)
    return found is not None and not found.kept


def _words(w: Work, key: Key) -> str:
    node = w.nodes.get(key[0])
    return f"{key[1]} on {node.name.split('.')[0] if node is not None else key[0]}"


def _seen(w: Work, seen: Mapping[str, float]) -> Reason | None:
    """Refuses an edit that was made after the operator looked."""
    waits = [(w.proposals.get(name), at) for name, at in seen.items()]
    return next((_other_edit(one) for one, at in waits if one is not None and one.at != at), None)


def _other_edit(waits: Proposal) -> Reason:
    return reasons.proposed_since(deployment=waits.deployment, who=waits.who, when=moment(waits.at))


def _only_attributes(wanted: DeploymentDef) -> bool:
    """True if it sets nothing that the root cannot have."""
    return replace(wanted, name="", parent="", attributes={}) == DeploymentDef(name="", parent="")


def _unknown(plan: Plan, name: str) -> Reason:
    return reasons.unknown_thing(what="deployment", name=name, nearest=", ".join(sorted(plan.deployments)[:8]) or "none")
