"""What every order of an operator begins and ends with: finding the node that it names, and the answer."""

from __future__ import annotations

from difflib import get_close_matches

from ... import reasons
from ...effects import Accept, Refuse
from ...model import Node
from ...reasons import Reason
from ...requests import Request
from ..world.work import Work

Answer = Reason | str
"""A refusal, or a receipt in words."""


def answer(w: Work, request: Request | None, said: Answer) -> Reason | None:
    """Orders the answer to whoever asked. Returns the reason of a refusal; the caller then drops all changes."""
    if isinstance(said, Reason):
        w.order(Refuse(request=request, reason=said))
        return said
    w.order(Accept(request=request, message=said))
    return None


def find_node(w: Work, name: str) -> Node | None:
    """Finds a node by its name, the first label of it, or its id."""
    found = w.names.get(name) or name
    return w.nodes.get(found)


def node_names(w: Work) -> list[str]:
    return [n.name for n in w.all(Node)]


def unknown(what: str, name: str, known: list[str]) -> Reason:
    """Nothing of that kind has this name; the reason lists the nearest ones."""
    near = get_close_matches(name, known, n=3) or sorted(known)[:5]
    return reasons.unknown_thing(what=what, name=name, nearest=", ".join(near) or "none")
