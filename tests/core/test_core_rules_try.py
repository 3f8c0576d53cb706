"""Why rules match a node or not: the same decisions as those of `choose`, and the failed conditions in words."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from hypothesis import given, settings
from hypothesis import strategies as st
from world_rig import WorldRig

from engine.core.plan.rules import choose, facts, matches
from engine.model import Place, State
from engine.plan import Rule
from engine.views.rules_view import LIMIT, RulesTried, try_rules

GAVE: dict[str, Any] = {"vendor": "Dell Inc.", "memory-mb": 32768, "cpus": 8, "kexec": True, "disks": [{"name": "sda", "size": 10}]}


def rig(gave: dict[str, Any] | None = None, **node: Any) -> WorldRig:
    made = WorldRig(catalog(role("inventory", "discovery", flags=["discovery"])), plan({}, rules=()))
    made.server("n1", **{"serial": "SN7", "group": "", **node})
    made.role("inventory", "n1", state=State.ACTIVE, gave=GAVE if gave is None else gave)
    return made


def tried(*rules: Rule, gave: dict[str, Any] | None = None, **node: Any) -> RulesTried:
    made = rig(gave, **node)
    return try_rules(made.world, plan({}, rules=rules), made.node())


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({"memory": {"min": 65536}}, "memory is 32768, wants at least 65536"),
        ({"memory": {"max": 1024}}, "memory is 32768, wants at most 1024"),
        ({"memory": {"min": 1, "max": 1024}}, "memory is 32768, wants at most 1024"),
        ({"cpus": 9}, "cpus is 8, wants 9"),
        ({"cpus": {"is": 9}}, "cpus is 8, wants 9"),
        ({"vendor": {"like": "HP*"}}, "vendor is 'Dell Inc.', wants text like 'HP*'"),
        ({"product": "R640"}, "product is not known, wants 'R640'"),
        ({"kexec": False}, "kexec is true, wants false"),
        ({"place": 10, "memory": 32768}, "place is not known, wants 10"),
        ({"vendor": "Dell Inc.", "serial": "SN8"}, "serial is 'SN7', wants 'SN8'"),
    ],
)
def test_the_one_condition_that_fails(match: dict[str, Any], words: str) -> None:
    (missed,) = tried(Rule(match=match, group="big")).missed
    assert missed.near
    assert [one.words for one in missed.failed] == [words]
    assert missed.would == ("group",)


def test_memory_that_nobody_reported_is_not_zero() -> None:
    found = tried(Rule(match={"memory": {"min": 1}, "cpus": {"min": 1}}), gave={})
    assert [one.words for one in found.missed[0].failed] == [
        "memory is not known, wants at least 1",
        "cpus is not known, wants at least 1",
    ]
    assert (found.discovered, found.missed[0].near) == (False, False)


def test_each_thing_has_the_number_of_its_rule() -> None:
    found = tried(
        Rule(match={"cpus": 99}, group="never", name="never"),
        Rule(match={"cpus": 8}, group="small", attributes={"a": 1}),
        Rule(group="all", name="n-{number}", attributes={"a": 2, "b": 2}),
        group="old",
    )
    assert found.matched == (2, 3)
    assert [(one.what, one.value, one.rule, one.also) for one in found.chosen] == [
        ("group", "small", 2, (3,)),
        ("name", "n-1", 3, ()),
        ("a", 1, 2, (3,)),
        ("b", 2, 3, ()),
    ]
    assert found.chosen[0].now == "old"


def test_what_no_rule_sets_has_rule_0() -> None:
    assert [(one.what, one.rule) for one in tried(Rule(attributes={"a": 1})).chosen] == [("group", 0), ("name", 0), ("a", 1)]


def test_a_rule_after_the_deciding_ones_would_change_nothing() -> None:
    found = tried(Rule(group="first"), Rule(match={"cpus": 9}, group="late", name="late"), Rule(match={"cpus": 9}, group="late"))
    assert [one.would for one in found.missed] == [("name",), ()]


def test_the_closest_rules_come_first_and_pins_of_other_machines_last() -> None:
    found = tried(
        Rule(match={"serial": "SN1"}, name="one"),
        Rule(match={"memory": 1, "cpus": 1, "kexec": True}, name="far"),
        Rule(match={"memory": 1}, name="near"),
        Rule(match={"memory": 1, "cpus": 8}, name="nearer"),
    )
    assert [one.rule for one in found.missed] == [4, 3, 1, 2]
    assert [one.held for one in found.missed] == [1, 0, 0, 1]


def test_the_list_is_bounded_and_so_is_a_machines_text() -> None:
    rules = [Rule(match={"serial": f"X{number}"}, name="x") for number in range(LIMIT + 5)]
    found = tried(*rules, gave={"vendor": 9000 * "v"})
    assert (len(found.missed), found.left_out) == (LIMIT, 5)
    assert found.facts["vendor"] == 200 * "v"


CONDITIONS = st.one_of(
    st.fixed_dictionaries({}, optional={"min": st.integers(0, 20), "max": st.integers(0, 20), "is": st.integers(0, 20)}).filter(bool),
    st.integers(6, 10),
)
MATCHES = st.dictionaries(st.sampled_from(["cpus", "disks.count", "place", "nics.count"]), CONDITIONS, max_size=3)
RULES = st.lists(
    st.builds(
        Rule,
        match=MATCHES,
        group=st.sampled_from(["", "a", "b"]),
        name=st.sampled_from(["", "n", "m-{place}"]),
        attributes=st.dictionaries(st.sampled_from("pq"), st.integers(0, 3)),
    ),
    max_size=6,
)


@given(rules=RULES, unit=st.none() | st.integers(6, 10))
@settings(max_examples=150, deadline=None)
def test_it_says_what_choose_decides(rules: list[Rule], unit: int | None) -> None:
    made = rig(place=Place(rack="r1", unit=unit) if unit else None)
    wanted = plan({}, rules=tuple(rules))
    found, choice = try_rules(made.world, wanted, made.node()), choose(made.world, wanted, made.node())
    values = {one.what: one.value for one in found.chosen}
    assert (values.pop("group"), values.pop("name"), values) == (choice.group, choice.name, choice.attributes)
    known = facts(made.world, made.node())
    assert found.matched == tuple(number for number, rule in enumerate(rules, 1) if matches(rule, known))
    assert sorted((*found.matched, *(one.rule for one in found.missed))) == list(range(1, len(rules) + 1))
    for one in found.chosen:
        without = [rule for number, rule in enumerate(rules, 1) if number not in (one.rule, *one.also)]
        again = choose(made.world, plan({}, rules=tuple(without)), made.node())
        assert one.what not in again.attributes
        if one.what == "group":
            assert again.group == ""
