"""How a node stands, in one word; how it is counted and drawn."""

from __future__ import annotations

from engine.api.views import Kind, NodeRow, is_failure, needs_person

COUNTED = (Kind.SERVER.value, Kind.JOINED.value)
"""Kinds of node in the counts and the order of the rack."""


def standing(row: NodeRow) -> str:
    """One of four: `ready`, `working`, `waiting` (for a person), `problem`."""
    if row.state == "ready" or (row.roles and row.done == row.roles and row.why is None and not row.task):
        return "ready"  # it has done all that the plan asks: only discovery, for example
    code = row.why.code if row.why is not None else ""
    if row.state == "problem" or is_failure(code):
        return "problem"
    if row.state == "hold" or needs_person(code):
        return "waiting"
    return "working"


STYLE = {"ready": "good", "working": "busy", "waiting": "ask", "problem": "bad"}
MARK = {"ready": " ", "working": " ", "waiting": "?", "problem": "!"}
"""Groups rows by these four."""
