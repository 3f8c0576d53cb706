"""The machine that the plan expects in a place, compared with the one that stands there. Pure.

A place may say which box belongs there (`expects`): a serial, or other facts, in the form of a rule's `match`. Which machine stands there
follows from its cables. What a machine did not report counts as unknown, not as wrong. A wrong box blocks a commit, and the machine's own
allocation: else its neighbour's system would be written on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ... import reasons
from ...definitions import Json
from ...model import Kind, Node, Place
from ...plan import Plan, Rule
from ...reasons import Reason
from ..world.view import View
from .rules import Condition, conditions, facts, word

Expecting = dict[Place, tuple[Condition, ...]]
"""Place -> what the plan expects of the machine there, for the places that expect something."""
MEMO = "boxes"
_OWN = ("serial", "uuid", "mac")
"""Facts that one machine has alone."""


class WrongBox(Struct, frozen=True, kw_only=True):
    node: Node
    place: Place
    expected: str
    """`serial 'SN7', product text like 'R640*'`: of the conditions that do not hold."""
    seen: str
    """`serial 'SN8', product 'R740'`: what the machine reported instead."""
    belongs: Place | None = None
    """The place that expects this machine. None: none does, or several do."""

    @property
    def reason(self) -> Reason:
        at, to = self.place, self.belongs
        belongs = f"; it belongs in {to.rack} unit {to.unit}" if to is not None else ""
        return reasons.wrong_box(node=self.node.name, rack=at.rack, unit=at.unit, expected=self.expected, seen=self.seen, belongs=belongs)


def expectation(match: dict[str, Json]) -> str:
    """What a place expects, in words: `serial 'SN7'`."""
    return ", ".join(f"{one.fact} {one.words}" for one in conditions(Rule(match=match)))


def wrong_box(view: View, node: Node) -> WrongBox | None:
    """None: the node stands where it should, or nothing says that it does not."""
    if view.plan is None or node.place is None:
        return None
    expecting = view.memo.get(MEMO)
    if expecting is None:
        expecting = view.memo[MEMO] = _expecting(view.plan)
    return _judged(view, node, expecting)


def wrong_boxes(view: View, nodes: Iterable[Node], plan: Plan | None = None) -> tuple[WrongBox, ...]:
    """All of them, by place. `plan`: instead of the present one."""
    plan = plan if plan is not None else view.plan
    expecting = _expecting(plan) if plan is not None else {}
    found = [one for node in nodes if expecting and (one := _judged(view, node, expecting)) is not None]
    return tuple(sorted(found, key=lambda one: (one.place.rack, one.place.unit, one.node.id)))


def refusal(view: View, plan: Plan, nodes: Iterable[Node]) -> Reason | None:
    """Why the plan may not become the goal: a machine stands where the plan expects another one."""
    found = wrong_boxes(view, nodes, plan)
    return found[0].reason if found else None


def _expecting(plan: Plan) -> Expecting:
    return {
        Place(rack=rack.name, unit=place.unit): tuple(conditions(Rule(match=place.expects)))
        for rack in plan.racks
        for place in rack.places
        if place.expects
    }


def _judged(view: View, node: Node, expecting: Expecting) -> WrongBox | None:
    asked = expecting.get(node.place) if node.place is not None and node.kind is Kind.SERVER else None
    if not asked or node.place is None:
        return None
    known = facts(view, node)
    wrong = [one for one in asked if _is_known(known.get(one.fact)) and not _holds(one, known[one.fact])]
    if not wrong:
        return None
    return WrongBox(
        node=node,
        place=node.place,
        expected=", ".join(f"{one.fact} {one.words}" for one in wrong),
        seen=", ".join(f"{fact} {word(known[fact])}" for fact in dict.fromkeys(one.fact for one in wrong)),
        belongs=_belongs(expecting, known),
    )


def _belongs(expecting: Expecting, known: dict[str, Json]) -> Place | None:
    """Only a place that names the machine itself: many machines have the same product."""
    fits = [
        place
        for place, asked in expecting.items()
        if any(one.fact in _OWN for one in asked) and all(_is_known(known.get(one.fact)) and _holds(one, known[one.fact]) for one in asked)
    ]
    return fits[0] if len(fits) == 1 else None


def _is_known(value: Json) -> bool:
    return value not in (None, "", 0)


def _holds(condition: Condition, value: Json) -> bool:
    """Serials and the like in any case: labels are typed by people."""
    if condition.test == "is" and isinstance(value, str) and isinstance(condition.wanted, str):
        return value.strip().lower() == condition.wanted.strip().lower()
    return condition.holds(value)
