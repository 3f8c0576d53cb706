"""Applies changes of state to the working copy. A change that the tables refuse changes nothing, and Health reports it."""

from __future__ import annotations

from ...effects import Ignore
from ...model import Node, NodeRole
from ...reasons import Reason
from ..world.work import Work
from .node_moves import NodeMove, move_node
from .transitions import Move, move


def change(w: Work, role: NodeRole, kind: Move, fresh: bool = False, **given: object) -> NodeRole | None:
    """Moves a node role. Returns it after the move. None: the table refuses the move. `fresh` is for `Work.put_role`."""
    new = move(role, kind, given)
    if isinstance(new, Reason):
        w.order(Ignore(reason=new))
        return None
    w.put_role(new, fresh)
    return new


def change_node(w: Work, node: Node, kind: NodeMove, **given: object) -> Node | None:
    """The same for a node."""
    new = move_node(node, kind, given)
    if isinstance(new, Reason):
        w.order(Ignore(reason=new))
        return None
    w.put_node(new)
    return new
