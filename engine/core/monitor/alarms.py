"""What Nagios says, as rows for people and as findings of node roles. Pure.

Nagios looks at every committed host. Whether a bad result is an alarm is decided here:

* The role must be active with its present inputs, and the node must be in the role's stage. Whatever comes up is not down. A node that
  the engine itself has lost stays an alarm.
* A node that an operator holds, powered off or keeps for themselves, and one that boots, is no alarm (`quiet`).
* A result is older than the role or the node when Nagios looked before the last change of either. It says nothing yet.
* If the host is down, its services say nothing new: there is one finding, of the role by which the admin node reaches it, or else of the
  first one with checks.

A finding never runs a role. It goes away when the result is good again, or when it is no alarm any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from ... import reasons
from ...model import ACTIVE, Key, Kind, Node, NodeRole
from ...reasons import Reason
from ...wire.nagios_status import NagiosStatus, Verdict
from ..boot.signals import waits_for
from ..world.view import View
from .commands import REACHES
from .names import object_name, service_name

OURS = frozenset({"check_red", "host_red"})
"""Codes of the findings that come from here. Others stay as they are."""
_OF_HOST = ("up", "down", "unreachable")
_OF_SERVICE = ("good", "warning", "critical", "unknown")
_BAD = frozenset({"down", "unreachable", "critical"})


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """What Nagios says of a node (`role` is empty), or of one check of a node role."""

    node: str
    role: str = ""
    check: str = ""
    state: str
    """`up`, `down`, `unreachable`; `good`, `warning`, `critical`, `unknown`; `waiting`: it has not looked since the last change."""
    red: bool
    """It is bad, Nagios believes it, and it is an alarm."""
    since: float
    """Wall time at which it became so. 0: Nagios does not say."""
    looked: float
    """Wall time of the last look. 0: there was none."""
    text: str
    """The plugin's own words, printable."""
    quiet: Reason | None = None
    """Why it is no alarm, whatever it says."""


def quiet(view: View, node: Node, role: NodeRole | None) -> Reason | None:
    """Why a bad result of the node, or of its role, is no alarm. None: it is one."""
    if not node.available:
        return reasons.not_available(node=node.name)
    if node.hold:
        return reasons.on_hold(node=node.name)
    if node.off is not None:
        return reasons.powered_off(node=node.name, who=node.off.who)
    if node.boot is not None:
        return waits_for(node.boot)
    definition = view.catalog.roles.get(role.role) if role is not None else None
    if definition is not None and node.kind is Kind.SERVER and node.stage != definition.stage:
        return reasons.stage(stage=definition.stage, present=node.stage or "none")
    if role is not None and (role.state is not ACTIVE or role.key in view.stale):
        return reasons.check_early(node=node.name, role=role.role)
    return None


def rows(view: View, status: NagiosStatus) -> list[Row]:
    """Every host and service that the world still knows, by node and role; a node comes before its roles."""
    said = {(one.host, one.service): one for one in status.verdicts}
    out = []
    for node, roles in _hosts(view):
        host = said.get((object_name(node.name), ""))
        if host is None:
            continue
        keeper = _keeper(roles)
        out.append(_row(view, host, node, keeper))
        out += [row for role in roles for row in _of_role(view, said, node, role)]
    return out


def _hosts(view: View) -> Iterator[tuple[Node, list[NodeRole]]]:
    """Nodes with their committed roles that have checks, by name."""
    checked = set(view.catalog.checked)
    keys: dict[str, list[Key]] = {}
    for role in checked:
        for key in view.bound.get(role) or ():
            keys.setdefault(key[0], []).append(key)
    for node in sorted((view.nodes[one] for one in keys if one in view.nodes), key=lambda node: node.name):
        yield node, [view.node_roles[key] for key in sorted(keys[node.id])]


def _keeper(roles: list[NodeRole]) -> NodeRole:
    """The role that has the finding of the host."""
    return next((one for one in roles if one.role == REACHES), roles[0])


def _of_role(view: View, said: dict[tuple[str, str], Verdict], node: Node, role: NodeRole) -> Iterator[Row]:
    for check in view.catalog.roles[role.role].checks:
        verdict = said.get((object_name(node.name), service_name(role.role, check.name)))
        if verdict is not None:
            yield _row(view, verdict, node, role, check.name)


def _row(view: View, verdict: Verdict, node: Node, role: NodeRole, check: str = "") -> Row:
    words = _OF_SERVICE if check else _OF_HOST
    fresh = verdict.checked and verdict.last_check > max(role.since, node.since)
    state = words[min(verdict.state, len(words) - 1)] if fresh else "waiting"
    why = quiet(view, node, role)
    return Row(
        node=node.name,
        role=role.role if check else "",
        check=check,
        state=state,
        red=state in _BAD and verdict.hard and why is None,
        since=verdict.since,
        looked=verdict.last_check,
        text=verdict.text,
        quiet=why,
    )


def findings(view: View, said: Iterable[Row]) -> dict[Key, Reason | None]:
    """What the rows say of each node role with checks: a finding, or None for a good one. A role whose results are too old is left out, and
    keeps what it has."""
    by_node: dict[str, list[Row]] = {}
    for row in said:
        by_node.setdefault(row.node, []).append(row)
    out: dict[Key, Reason | None] = {}
    for node, roles in _hosts(view):
        mine = by_node.get(node.name, [])
        host = next((row for row in mine if not row.role), None)
        if host is None:
            continue
        for role in roles:
            out |= _finding(role, host, [row for row in mine if row.role == role.role], keeper=role is _keeper(roles))
    return out


def _finding(role: NodeRole, host: Row, mine: list[Row], keeper: bool) -> dict[Key, Reason | None]:
    relevant = [host, *mine] if keeper else mine
    if keeper and host.red:
        return {role.key: reasons.host_red(node=host.node, message=host.text)}
    if all(row.quiet is not None for row in relevant):
        return {role.key: None}
    if host.state in _BAD:
        return {} if not keeper else {role.key: None}
    red = next((row for row in mine if row.red), None)
    if red is not None:
        return {role.key: reasons.check_red(node=red.node, role=red.role, check=red.check, message=red.text)}
    if any(row.state == "waiting" for row in relevant):
        return {}
    return {role.key: None}


def changes(view: View, said: Iterable[Row]) -> list[tuple[Key, Reason | None]]:
    """The findings that differ from those of the node roles. A role that nobody checks any more has none of ours."""
    wanted = findings(view, said)
    out = []
    for role in view.catalog.checked:
        for key in view.bound.get(role) or ():
            present = next((one for one in view.node_roles[key].findings if one.code in OURS), None)
            new = wanted.get(key, present)
            if not _same(present, new):
                out.append((key, new))
    return sorted(out, key=lambda one: one[0])


def cleared(view: View) -> list[tuple[Key, Reason | None]]:
    """All findings of ours, to be taken back: Nagios is not part of the plan any more."""
    keys = [key for name in view.catalog.checked for key in view.bound.get(name) or ()]
    return [(key, None) for key in keys if any(one.code in OURS for one in view.node_roles[key].findings)]


def _same(one: Reason | None, other: Reason | None) -> bool:
    """The same check of the same role. The plugin's words differ from look to look, and each other finding would be an event."""
    if one is None or other is None:
        return one is other
    return one.code == other.code and one.fields.get("check") == other.fields.get("check")
