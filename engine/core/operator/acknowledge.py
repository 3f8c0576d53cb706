"""The verb `acknowledge`: a person has seen a node's problems, and says what happens about them. The engine goes on as before."""

from __future__ import annotations

from ... import reasons
from ...definitions import Json
from ...model import Acknowledged, Node
from ..roles.change import change_node
from ..roles.node_moves import NodeMove
from ..world.work import Work
from .answers import Answer
from .problems import problems_of

NOTE = 200
"""Most characters of a note."""
MOST = 64
"""Most acknowledgements of one node."""
_MARK = 16
"""Characters of `Problem.mark`."""


def acknowledge(w: Work, node: Node, who: str, value: Json) -> Answer:
    """`value`: the note, for all that the node has now; or `{"note": ..., "problems": [marks]}` for these. An empty note takes the
    acknowledgement back."""
    given = value if isinstance(value, dict) else {"note": value}
    note, marks = given.get("note"), given.get("problems")
    if not isinstance(note, str) or (marks is not None and not _are_marks(marks)):
        return reasons.bad_request(message="acknowledge takes a note, and the marks of the problems that it is about")
    note = "".join(letter if letter.isprintable() else " " for letter in note).strip()
    if len(note) > NOTE:
        return reasons.too_many(what="the length of a note in characters,", count=len(note), limit=NOTE)
    present = [problem.mark for problem in problems_of(w, node)]
    about = [str(mark) for mark in marks] if marks is not None else present
    if not about:
        return reasons.illegal(verb="acknowledge", node=node.name, state="not in need of a person")
    kept = tuple(one for one in node.acknowledged if one.problem not in about)
    if note:
        kept += tuple(Acknowledged(problem=mark, who=who, at=w.at, note=note) for mark in dict.fromkeys(about))
    change_node(w, node, NodeMove.ACKNOWLEDGE, acknowledged=kept[-MOST:])
    if not note:
        return f"{node.name} needs a person again"
    return f"{node.name} is acknowledged: {note}"


def _are_marks(marks: Json) -> bool:
    return isinstance(marks, list) and len(marks) <= MOST and all(isinstance(mark, str) and len(mark) == _MARK for mark in marks)
