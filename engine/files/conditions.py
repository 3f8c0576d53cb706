"""Reads conditions on the facts of a machine: the `match` of a plan's rule, and the machine that a barclamp's role wishes.

A condition is a value, or a map of tests. `core.plan.rules` tries them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..definitions import Json
from .element import Element
from .mistakes import shown

_TESTS = {"number": ("min", "max", "is"), "text": ("is", "like"), "truth": ("is",)}
"""Kind of a fact -> its tests."""


def read_conditions(element: Element, facts: Mapping[str, str], what: str) -> dict[str, Json]:
    """Fact -> condition. `facts`: name -> kind, as `plan.FACTS`. `what`: the expected map, in words."""
    out: dict[str, Json] = {}
    for fact, wanted in element.entries(what).items():
        kind = facts.get(fact)
        if kind is None:
            wanted.unknown("fact", fact, facts)
            continue
        value = wanted.json()
        if not isinstance(value, dict):
            _value(wanted, kind)
        else:
            tests = wanted.fields(_TESTS[kind])
            for test in tests.values():
                _value(test, kind)
            if not value:
                wanted.fail(f"expected a value, or a map with {', '.join(_TESTS[kind])}")
            low, high = value.get("min"), value.get("max")
            if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
                wanted.fail(f"min {low} is above max {high}, so nothing matches")
        out[fact] = value
    return out


def _value(element: Element, kind: str) -> None:
    value = element.json()
    truth = isinstance(value, bool)
    right = {
        "number": isinstance(value, int | float) and not truth,
        "text": isinstance(value, str) and bool(value),
        "truth": truth,
    }
    if not right[kind]:
        what = {"number": "a number", "text": "text", "truth": "true or false"}[kind]
        element.fail(f"expected {what}, not {shown(value)}")
