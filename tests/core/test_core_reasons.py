"""Each reason says who has to act. A node is stuck if a person has to act."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import reasons
from engine.reasons import Who
from engine.reasons.moment import moment

ROOT = Path(__file__).parents[2]
BEFORE = set(
    "failed unverifiable approval no_disk no_fit_disk no_such_disk bad_members "
    "not_allocated problem on_hold not_available backward role_unknown parent_missing proposed".split()
)


SAY_IT_ALL = {"illegal", "bad_value", "no_identity"}
"""Their sentence says what is wrong, and with that what to do."""


@pytest.mark.parametrize("kind", reasons.KINDS.values(), ids=lambda kind: kind.code)
def test_who_must_act_is_told_what_to_do(kind: reasons.Kind) -> None:
    assert isinstance(kind.who, Who)
    if reasons.needs_person(kind.code) and kind.code not in SAY_IT_ALL:
        assert kind.advice, "a person must act, and nobody says how"


def test_what_only_a_person_lifts() -> None:
    assert {code for code in BEFORE if not reasons.needs_person(code)} == set()
    for code in ("booting", "environment", "stage", "parent", "stale_parent", "held", "retry", "again", "suspended", "in_transition"):
        assert not reasons.needs_person(code)


def test_a_code_of_another_version_stops_nothing() -> None:
    assert not reasons.needs_person("invented")
    assert not reasons.is_elsewhere("invented")
    assert not reasons.is_failure("invented")


def test_what_lies_elsewhere_is_never_a_persons_matter() -> None:
    """Else a node counts as stuck for what another role will lift."""
    assert [k.code for k in reasons.KINDS.values() if k.elsewhere and reasons.needs_person(k.code)] == []


def test_no_list_of_reasons_says_who_must_act() -> None:
    """Three or more codes of reasons that need a person, in one list of words outside the table."""
    codes = {code for code in reasons.KINDS if reasons.needs_person(code)}
    words = {code for code in codes if "_" in code or code in BEFORE}  # `refused`, `cycle`, `conflicts`, ... are words of other tables too
    found = []
    for folder in ("engine", "crowbar_tui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if sum(word in text for word in words) >= 3 else ():
                told: set[str] = set()
                if isinstance(node, ast.Tuple | ast.List | ast.Set):
                    told = {one.value for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)}
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "{" not in node.value:
                    told = set(node.value.split()) if all(word.isidentifier() for word in node.value.split()) else set()
                if len(told & words) >= 3:
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {sorted(told & words)}")
    assert found == []


@given(st.integers(0, 4_102_444_800))
def test_a_moment_is_the_calendar_s(at: int) -> None:
    assert moment(float(at)) == datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
