"""The route table of the HTTP API: every path with its method, its types and its handler's name. Verbs come from `core.operator.verbs`.

A path is its exact text, with `{name}` for one part of the characters in SEGMENT. Nothing is decoded: `%2e`, `//` or `..` match no route.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from ..attach.protocol import LINE
from ..core.operator.verbs import VERBS, Verb
from ..core.plan.diff import Diff
from ..definitions import Json
from ..views.attribute_view import AttributeRow
from ..views.plan_view import DeploymentView
from ..views.proposals import ProposalView
from ..views.summary import NodeRow, RoleRow, Summary
from . import messages as m

BASE = "/api/v1"
SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,127}"
"""A name, an id, or a MAC with colons."""
LONGEST = 1024
SMALL, LARGE = 16 * 1024, 256 * 1024
"""Most octets of a body: a verb, the value of an attribute."""


class Endpoint(Struct, frozen=True, kw_only=True):
    name: str
    """Unique; the operation's id in the OpenAPI document."""
    method: str
    path: str
    """Without BASE."""
    summary: str
    answer: Any
    """Type of the body of a 200."""
    handler: str
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    most: int = 0
    """Most octets of a body. 0: no body."""
    verb: Verb | None = None

    @property
    def whole(self) -> str:
        return BASE + self.path

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def _get(name: str, path: str, summary: str, answer: Any, query: type[Struct] | None = None) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, summary=summary, answer=answer, handler=name, query=query)


_NODE, _ROLE, _DEPLOYMENT = "/nodes/{node}", "/nodes/{node}/roles/{role}", "/deployments/{deployment}"

_READS = (
    _get("about", "", "The engine's version, and the name by which it knows the caller", m.About),
    _get("openapi", "/openapi.json", "This document", dict[str, Json]),
    _get("status", "/status", "The state of the rack", Summary),
    _get("health", "/health", "The engine's own figures, counters and refusals", dict[str, Json]),
    _get("nodes", "/nodes", "All servers and joined machines", list[NodeRow]),
    _get("node", _NODE, "One node", NodeRow),
    _get("roles", f"{_NODE}/roles", "The roles of a node, in the order in which they run", list[RoleRow]),
    _get("role", _ROLE, "One role of a node", RoleRow),
    _get("reasons", f"{_NODE}/reasons", "Why a node and its roles do not continue", m.Reasons),
    _get("journal", "/journal", "What happened after a row of the journal; waits for news if asked to", m.JournalRows, m.JournalQuery),
    _get("plan", "/plan", "The plan in force", m.PlanOfRevision),
    _get("deployments", "/deployments", "The tree of deployments, with the edits that wait", list[DeploymentView]),
    _get("deployment", _DEPLOYMENT, "One deployment, as the plan has it and as its edit has it", m.DeploymentText),
    _get("proposals", "/proposals", "The edits of deployments that wait to be committed", list[ProposalView]),
    _get("revisions", "/revisions", "All committed plans, oldest first", list[m.RevisionRow]),
    _get("revision", "/revisions/{revision}", "The plan of a revision", m.PlanOfRevision),
)


def _plans() -> Iterator[Endpoint]:
    yield Endpoint(
        name="plan-diff",
        method="POST",
        path="/plan/diff",
        summary="What a commit of this plan would change. Changes nothing",
        answer=Diff,
        handler="plan-diff",
        body=m.PlanText,
        most=LINE,
    )
    yield Endpoint(
        name="plan-commit",
        method="POST",
        path="/plan",
        summary="Make this plan the wanted state",
        answer=m.Receipt,
        handler="plan-commit",
        body=m.PlanToCommit,
        most=LINE,
    )


def _machines() -> Iterator[Endpoint]:
    yield Endpoint(
        name="node-join",
        method="POST",
        path="/nodes",
        summary="Adopt an installed machine as a node",
        answer=m.Receipt,
        handler="node-join",
        body=m.InstalledMachine,
        most=LARGE,
    )


def _edits() -> Iterator[Endpoint]:
    edit = _DEPLOYMENT + "/proposal"

    def change(name: str, method: str, path: str, summary: str, body: type[Struct] | None = None, most: int = 0) -> Endpoint:
        answer = Diff if name == "proposals-diff" else m.Receipt
        return Endpoint(name=name, method=method, path=path, summary=summary, answer=answer, handler=name, body=body, most=most)

    yield change("propose", "PUT", edit, "Propose an edit. It waits and changes nothing that runs", m.EditedDeployment, LINE)
    yield change("recall", "DELETE", edit, "Drop the edit that waits")
    yield change("propose-delete", "DELETE", _DEPLOYMENT, "Propose to delete a deployment")
    yield change("propose-back", "POST", _DEPLOYMENT + "/back", "Propose a deployment as it was in a revision", m.EarlierRevision, SMALL)
    yield change("proposals-diff", "POST", "/proposals/diff", "What a commit of edits would change. Changes nothing", m.NamedEdits, LARGE)
    yield change("proposals-commit", "POST", "/proposals/commit", "Commit the edits of deployments together", m.EditsToCommit, LARGE)


def _attributes() -> Iterator[Endpoint]:
    for prefix, path in (("node", _NODE), ("role", _ROLE), ("deployment", _DEPLOYMENT)):
        of = "a role of a node" if prefix == "role" else f"a {prefix}"
        one = path + "/attributes/{attribute}"
        yield Endpoint(
            name=f"{prefix}-attributes",
            method="GET",
            path=f"{path}/attributes",
            summary=f"The attributes of {of}, with their sources. Values of secrets are left out",
            answer=list[AttributeRow],
            handler="attributes",
        )
        yield Endpoint(
            name=f"{prefix}-set",
            method="PUT",
            path=one,
            summary=f"Set an attribute of {of}, or one place in its value",
            answer=m.Receipt,
            handler="set",
            body=m.NewValue,
            most=LARGE,
        )
        yield Endpoint(
            name=f"{prefix}-clear",
            method="DELETE",
            path=one,
            summary=f"Remove the operator's value of an attribute of {of}, or one place in it",
            answer=m.Receipt,
            handler="clear",
            query=m.Place,
        )


def _verbs() -> Iterator[Endpoint]:
    for verb in VERBS:
        yield Endpoint(
            name=f"{verb.target}-{verb.name}",
            method="POST",
            path=f"{_ROLE if verb.target == 'role' else _NODE}/{verb.name}",
            summary=verb.does,
            answer=m.Receipt,
            handler="verb",
            body=m.Yes if verb.takes is None else m.Valued,
            most=SMALL,
            verb=verb,
        )


ENDPOINTS: tuple[Endpoint, ...] = (*_READS, *_plans(), *_machines(), *_edits(), *_attributes(), *_verbs())


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("/".join(f"(?P<{part[1:-1]}>{SEGMENT})" if part.startswith("{") else re.escape(part) for part in path.split("/")))


_BY_PATH: dict[str, dict[str, Endpoint]] = {}
for _one in ENDPOINTS:
    _BY_PATH.setdefault(_one.whole, {})[_one.method] = _one
_PATTERNS = [(_pattern(path), of_path) for path, of_path in _BY_PATH.items()]


def find(path: str) -> tuple[dict[str, Endpoint], dict[str, str]] | None:
    """Method -> endpoint for a raw path (without query), and its parts. None: there is nothing."""
    if len(path) > LONGEST:
        return None
    for pattern, of_path in _PATTERNS:
        match = pattern.fullmatch(path)
        if match is not None:
            return of_path, match.groupdict()
    return None
