"""The lines that tell two plans apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.plan.differences import WIDEST, differences, told

R1, R2, R3 = ({"match": {"place": unit}, "group": group} for unit, group in ((1, "a"), (2, "b"), (3, "c")))


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"site": {"name": "a"}}, {"site": {"name": "b"}}, ["site.name: a -> b"]),
        ({"allocate": "auto"}, {}, ["allocate: auto -> nothing"]),
        ({}, {"rules": [R1]}, ["rules: nothing -> [{match: {place: 1}, group: a}]"]),
        ({"rules": [R2]}, {"rules": [R1, R2]}, ["rules.0: nothing -> {match: {place: 1}, group: a}"]),
        ({"rules": [R1, R2, R3]}, {"rules": [R1, R3]}, ["rules.1: {match: {place: 2}, group: b} -> nothing"]),
        ({"rules": [R1, R2]}, {"rules": [R1, R2 | {"group": "z"}]}, ["rules.1.group: b -> z"]),
        (
            {"racks": [{"name": "r1", "places": [{"unit": 1, "height": 1}, {"unit": 7, "height": 1}]}]},
            {"racks": [{"name": "r0", "places": []}, {"name": "r1", "places": [{"unit": 7, "height": 2}]}]},
            [
                "racks.r0: nothing -> {name: r0}",
                "racks.r1.places.7.height: 1 -> 2",
                "racks.r1.places.1: {unit: 1, height: 1} -> nothing",
            ],
        ),
        ({"machines": [{"serial": "S1"}]}, {"machines": [{"serial": "S2"}, {"serial": "S1"}]}, ["machines.S2: nothing -> {serial: S2}"]),
        ({"deployments": {"d": {"roles": {"r": ["all"]}}}}, {"deployments": {"d": {"roles": {"r": []}}}}, ["deployments.d.roles.r: [all] -> nothing"]),
        ({"x": {"on": True, "n": 1.5}}, {"x": {"on": False, "n": 2}}, ["x.on: true -> false", "x.n: 1.5 -> 2"]),
    ],
)  # fmt: skip
def test_lines(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    assert list(differences(old, new)) == lines


def test_rules_that_change_places_are_told() -> None:
    """Their order decides which of them counts, even if each has a name of its own."""
    one, other = {"match": {}, "name": "a"}, {"match": {}, "name": "b"}
    assert list(differences({"rules": [one, other]}, {"rules": [other, one]}))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b" * 100]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3), st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3))
def test_whatever_differs_has_a_line(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert bool(list(differences(old, new))) == (old != new)
    assert all(len(told(value)) <= WIDEST for value in (*old.values(), *new.values()))
