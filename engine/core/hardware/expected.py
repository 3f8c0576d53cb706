"""What of a machine's parts needs a person: what is gone since the look before, and what differs from what is expected of its family.

The expectation is the attribute `hardware-expected`: family -> fact -> value. `crowbar hardware expect NODE` takes it from a good machine.
"""

from __future__ import annotations

from ... import reasons
from ...model import Kind, Node
from ...reasons import Reason
from ..roles.attributes import of_node
from ..world.view import View
from .inventory import REPORTS, inventory_of
from .parts_diff import unexpected

EXPECTED = "hardware-expected"
TOLD = 3
"""Of several things, how many a reason names."""


def of_parts(view: View, node: Node) -> list[Reason]:
    """Empty: the machine is as it was and as it is expected, as far as anybody can tell."""
    if node.kind is not Kind.SERVER:
        return []
    expected = of_node(view, node, EXPECTED)
    wanted = expected.get(node.family) if isinstance(expected, dict) and node.family else None
    role = view.node_roles.get((node.id, "inventory"))
    if role is None or REPORTS not in role.gave:
        return []
    told = inventory_of(view, node.id).parts
    out = []
    if told.gone:
        out.append(reasons.parts_gone(node=node.name, what=_some(told.changes[: told.gone])))
    if isinstance(wanted, dict):
        found = unexpected({name: value for name, value in wanted.items() if isinstance(value, str)}, told.facts)
        if found:
            out.append(reasons.parts_unexpected(node=node.name, family=node.family, what=_some([str(one) for one in found])))
    return out


def _some(things: tuple[str, ...] | list[str]) -> str:
    more = len(things) - TOLD
    return "; ".join(things[:TOLD]) + (f"; and {more} more" if more > 0 else "")
