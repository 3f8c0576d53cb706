"""Reads conditions on the facts of a machine: the `match` of a plan's rule, and the machine that a barclamp's role wishes.

A condition is a value, or a map of tests. `core.plan.rules` tries them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..definitions import Json
from .element import Element
from .mistakes import shown

_TESTS = {"number": ("min", "max", "is"), "text": ("is", "like"), "truth": ("is",)}
"""Kind of a fact -> its tests."""


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def read_conditions(
    element: Element, facts: Mapping[str, str], what: str, words: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Json]:
    """Fact -> condition. `facts`: name -> kind, as `plan.FACTS`. `what`: the expected map, in words. `words`: fact -> the only values that
    it can have."""
    out: dict[str, Json] = {}
    if element.json() is None:
        element.fail(f"expected {what}, not nothing")
    for fact, wanted in element.entries(what).items():
        kind = facts.get(fact)
        if kind is None:
            wanted.unknown("fact", fact, facts)
            continue
        value = wanted.json()
        if not isinstance(value, dict):
            value = _value(wanted, fact, kind, words or {})
        else:
            tests = wanted.fields(_TESTS[kind])
            value = {name: _value(test, fact if name == "is" else "", kind, words or {}) for name, test in tests.items()}
            if not wanted.json():
                wanted.fail(f"expected a value, or a map with {', '.join(_TESTS[kind])}")
            low, high = value.get("min"), value.get("max")
            if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
                wanted.fail(f"min {low} is above max {high}, so nothing matches")
        out[fact] = value
    return out


def _value(element: Element, fact: str, kind: str, words: Mapping[str, Sequence[str]]) -> Json:
    """`fact`: the fact to which the value must be equal. Empty: it is a limit or a pattern."""
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
    elif fact in words:
        if value not in words[fact]:
            element.unknown(fact, str(value), words[fact])
    elif fact == "mac":
        mac = str(value).lower().replace("-", ":")
        if not _MAC.fullmatch(mac):
            element.fail(f"expected a MAC address like 52:54:00:00:00:01, not {shown(value)}")
        return mac
    return value
