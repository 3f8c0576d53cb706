"""What proves that the deployments work: the roles with `validate: true`, with what they found. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from ..core.roles.derive import committed, done
from ..core.roles.guards import blockers
from ..core.roles.transitions import runs
from ..core.world.world import World
from ..model import ERROR, SKIPPED, Key, NodeRole
from ..reasons import needs_person
from ..validation import RESULTS, Report, is_report, read
from .why import Why, why

Result = Literal["passed", "failed", "skipped", "running", "waiting"]
WORST: tuple[Result, ...] = ("failed", "running", "waiting", "skipped", "passed")
"""The order in which people want to see them."""
MOST_BROKEN = 20


class Proof(Struct, frozen=True, kw_only=True):
    """A node role that validates."""

    node: str
    role: str
    deployment: str
    result: Result
    ended: float = 0.0
    """Wall time at which its last attempt ended. 0: none did."""
    seconds: float = 0.0
    """What the last attempt took."""
    why: Why | None = None
    """Why it failed, or what it waits for."""
    stuck: bool = False
    """True if it waits for a person."""
    report: Report | None = None
    """Of its last attempt that ended. None: it reports no tests."""


class Broken(Struct, frozen=True, kw_only=True):
    """A test that failed, or a role without tests that did."""

    node: str
    role: str
    test: str
    """Empty: the role reports no tests."""
    line: str


class Validation(Struct, frozen=True, kw_only=True):
    """All of them in numbers."""

    roles: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    tests: dict[str, int] = {}
    """Result -> tests, of all reports. Empty: no role reported any."""
    broken: tuple[Broken, ...] = ()
    """The first ones that failed."""


def validating(world: World, deployment: str = "") -> list[NodeRole]:
    """The committed node roles that validate this deployment or one below it. Empty name: all."""
    return [
        role
        for role in world.node_roles.values()
        if committed(role)
        and (found := world.catalog.roles.get(role.role)) is not None
        and found.validates
        and (not deployment or deployment in world.above.get(role.deployment, ()))
    ]


def proofs(world: World, deployment: str = "", only: Collection[Key] | None = None) -> list[Proof]:
    """The worst first; then those with tests, by node and role. `only`: these node roles."""
    found = [_proof(world, role) for role in validating(world, deployment) if only is None or role.key in only]
    return sorted(found, key=lambda one: (WORST.index(one.result), one.report is None, one.role, one.node))


def _proof(world: World, role: NodeRole) -> Proof:
    node = world.nodes.get(role.node)
    result: Result = "waiting"
    if runs(role):
        result = "running"
    elif role.state is ERROR:
        result = "failed"
    elif done(world, role):
        result = "skipped" if role.state is SKIPPED else "passed"
    told = role.failure if result == "failed" else None
    if result == "waiting":
        told = next(iter(blockers(world, role, first=True)), None)
    return Proof(
        node=node.name if node is not None else role.node,
        role=role.role,
        deployment=role.deployment,
        result=result,
        ended=role.ended,
        seconds=max(role.ended - role.started, 0.0),
        why=why(told) if told is not None else None,
        stuck=result == "waiting" and told is not None and needs_person(told.code),
        report=_report(world, role),
    )


def _report(world: World, role: NodeRole) -> Report | None:
    for name, value in role.gave.items():
        if is_report(world.catalog.attributes.get(name)) and (found := read(value)) is not None:
            return found
    return None


def validation(found: Sequence[Proof]) -> Validation:
    reports = [one.report for one in found if one.report is not None]
    tests = {result: sum(int(getattr(report, result)) for report in reports) for result in RESULTS}
    count = {result: sum(one.result == result for one in found) for result in ("passed", "failed", "skipped")}
    return Validation(roles=len(found), **count, tests=tests if reports else {}, broken=tuple(_broken(found))[:MOST_BROKEN])


def _broken(found: Iterable[Proof]) -> list[Broken]:
    out = []
    for one in found:
        tests = one.report.tests("failed") if one.report is not None else []
        out += [Broken(node=one.node, role=one.role, test=f"{group.name}.{test.name}", line=test.line) for group, test in tests]
        if one.result == "failed" and not tests:
            out.append(Broken(node=one.node, role=one.role, test="", line=one.why.sentence if one.why is not None else ""))
    return out
