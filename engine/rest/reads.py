"""The endpoints that only read: from the engine's present world, its journal, and the attach desk."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from msgspec import convert

from ..attach.desk import carry_out
from ..attach.protocol import AskHealth, Ping
from ..core.plan.diff import Diff, diff
from ..core.plan.proposed import definition, wanted_of
from ..core.world.world import World
from ..definitions import Json
from ..files import plan_edits, plan_file
from ..files.mistakes import PlanError
from ..files.plan_write import write_deployment
from ..model import Node, Revision
from ..views.attribute_view import AttributeRow, attribute_rows
from ..views.plan_view import DeploymentView, deployment_views, revision_text
from ..views.proposals import ProposalView, waiting_edit, waiting_edits
from ..views.revisions import revision_views
from ..views.story import Story
from ..views.summary import NodeRow, RoleRow, Summary, machines, node_row, node_why, role_row, summary
from . import messages as m
from .calls import Backend, Call, Refusal, unknown
from .openapi import document

TURN_S = 0.5
"""A call that waits looks so often whether anyone still waits for it."""


def _about(backend: Backend, call: Call) -> m.About:
    found = carry_out(backend.host, Ping(), call.who).result
    return convert({name: found[name] for name in ("version", "user", "failure")}, m.About)


def _openapi(_backend: Backend, _call: Call) -> dict[str, Json]:
    return document()


def _status(backend: Backend, _call: Call) -> Summary:
    return summary(backend.world)


def _health(backend: Backend, call: Call) -> Json:
    return carry_out(backend.host, AskHealth(), call.who).result


def _nodes(backend: Backend, _call: Call) -> list[NodeRow]:
    world = backend.world
    return [node_row(world, node) for node in machines(world)]


def _node(backend: Backend, call: Call) -> NodeRow:
    world = backend.world
    return node_row(world, _named(world, call))


def _roles(backend: Backend, call: Call) -> list[RoleRow]:
    world = backend.world
    return _rows(world, _named(world, call))


def _role(backend: Backend, call: Call) -> RoleRow:
    world = backend.world
    rows = _rows(world, _named(world, call))
    for row in rows:
        if row.role == call.parts["role"]:
            return row
    raise unknown("role", call.parts["role"], [row.role for row in rows])


def _reasons(backend: Backend, call: Call) -> m.Reasons:
    world = backend.world
    node = _named(world, call)
    return m.Reasons(node=node_why(world, node), roles=tuple(row for row in _rows(world, node) if row.why))


def _attributes(backend: Backend, call: Call) -> list[AttributeRow]:
    world = backend.world
    deployment = call.parts.get("deployment")
    if deployment is not None:
        if deployment not in world.deployments:
            raise unknown("deployment", deployment, sorted(world.deployments))
        return attribute_rows(world, deployment)
    node = _named(world, call)
    role = call.parts.get("role")
    if role is not None:
        _role(backend, call)
    return attribute_rows(world, f"{node.name}/{role}" if role is not None else node.name)


def _journal(backend: Backend, call: Call) -> m.JournalRows:
    query: m.JournalQuery = call.query
    rows = backend.journal(query.after, query.limit)
    if not rows and _news(backend, call, query):
        rows = backend.journal(query.after, query.limit)
    story = Story({node.id: node.name for node in backend.world.nodes.values()})
    told = tuple(story.tell(row) for row in rows)
    return m.JournalRows(rows=told, next=rows[-1].seq if rows else query.after)


def _news(backend: Backend, call: Call, query: m.JournalQuery) -> bool:
    """Waits for a row. False: the time is over, nobody waits any more, or the engine has stopped."""
    end = time.monotonic() + query.wait
    while (left := end - time.monotonic()) > 0 and not call.ends() and not backend.host.failure:
        if backend.host.wait(query.after, min(left, TURN_S)) > query.after:
            return True
    return False


def _plan(backend: Backend, _call: Call) -> m.PlanOfRevision:
    known = backend.world.revisions
    if not known:
        raise unknown("plan", "in force", [])
    return _whole(known[max(known)], True)


def _revisions(backend: Backend, _call: Call) -> list[m.RevisionRow]:
    return [
        m.RevisionRow(revision=r.number, who=r.who, at=r.at, in_force=r.current, changes=r.changes, back=r.back)
        for r in reversed(revision_views(backend.world))
    ]


def _deployments(backend: Backend, _call: Call) -> list[DeploymentView]:
    return list(deployment_views(backend.world))


def _deployment(backend: Backend, call: Call) -> m.DeploymentText:
    world, name = backend.world, call.parts["deployment"]
    found = definition(world.plan, name) if world.plan is not None else None
    waits = world.proposals.get(name)
    wanted = wanted_of(waits) if waits is not None else None
    if found is None and waits is None:
        raise unknown("deployment", name, sorted(world.deployments))
    return m.DeploymentText(
        name=name,
        definition=write_deployment(found) if found is not None else None,
        edit=waiting_edit(world, waits) if waits is not None else None,
        proposed=write_deployment(wanted) if wanted is not None else None,
    )


def _proposals(backend: Backend, _call: Call) -> list[ProposalView]:
    return list(waiting_edits(backend.world))


def _proposals_diff(backend: Backend, call: Call) -> Diff:
    body: m.NamedEdits = call.body
    return plan_edits.diff_edits(backend.world, tuple(dict.fromkeys(body.deployments)))


def _revision(backend: Backend, call: Call) -> m.PlanOfRevision:
    text, known = call.parts["revision"], backend.world.revisions
    found = known.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else None
    if found is None:
        raise unknown("revision", text, [str(number) for number in sorted(known, reverse=True)])
    return _whole(found, found.number == max(known))


def _plan_diff(backend: Backend, call: Call) -> Diff:
    body: m.PlanText = call.body
    world = backend.world
    try:
        return diff(world, plan_file.read(body.plan, body.name, world.base))
    except PlanError as error:
        raise Refusal(422, plan_edits.bad_plan(error, body.name)) from None


def _named(world: World, call: Call) -> Node:
    found = world.node_named(call.parts["node"])
    if found is None:
        raise unknown("node", call.parts["node"], sorted(node.name for node in world.nodes.values()))
    return found


def _rows(world: World, node: Node) -> list[RoleRow]:
    mine = [world.node_roles[key] for key in world.roles_of.get(node.id, ())]
    return [role_row(world, one) for one in sorted(mine, key=lambda one: (-one.rank, one.role))]


def _whole(one: Revision, in_force: bool) -> m.PlanOfRevision:
    return m.PlanOfRevision(revision=one.number, who=one.who, at=one.at, in_force=in_force, plan=revision_text(one))


READS: dict[str, Callable[[Backend, Call], Any]] = {
    "about": _about,
    "openapi": _openapi,
    "status": _status,
    "health": _health,
    "nodes": _nodes,
    "node": _node,
    "roles": _roles,
    "role": _role,
    "reasons": _reasons,
    "attributes": _attributes,
    "journal": _journal,
    "plan": _plan,
    "revisions": _revisions,
    "revision": _revision,
    "plan-diff": _plan_diff,
    "deployments": _deployments,
    "deployment": _deployment,
    "proposals": _proposals,
    "proposals-diff": _proposals_diff,
}
"""Handler's name -> handler."""
