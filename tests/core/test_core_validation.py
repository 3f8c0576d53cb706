"""Roles that validate: they run again on an order without a boot, what a failed one reports is kept, and the view says what they found."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest
from catalogs import catalog, plan, role, same
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig

from engine import reasons, validation
from engine.core.roles.attributes import inputs_hash
from engine.effects import Accept, Refuse, Start
from engine.events import Operate, Outcome
from engine.model import State
from engine.requests import Asker, Request
from engine.views.summary import summary
from engine.views.validation import Broken, proofs

REPORT: dict[str, Any] = {
    "passed": 1,
    "failed": 1,
    "excluded": 1,
    "seconds": 4.5,
    "groups": [
        {
            "name": "api.Objects",
            "seconds": 4.0,
            "tests": [
                {"name": "test_put", "result": "passed", "seconds": 1.0},
                {"name": "test_get", "result": "failed", "seconds": 2.0, "line": "404 != 200"},
                {"name": "test_old", "result": "excluded", "line": "the service has no such call"},
            ],
        }
    ],
}


def rig() -> WorldRig:
    """A node in its system, on which everything but the proof is done."""
    found = catalog(
        role("os-install", "install", flags=["destructive"], wants=["target-os"], gives=("installed", "ssh-host-key")),
        role("serve", "system", requires=(same("os-install"),)),
        role("prove", "system", requires=(same("serve"),), gives=("found", "size"), validates=True),
    )
    known = {**found.attributes, "found": replace(found.attributes["found"], schema=validation.SCHEMA)}
    d = WorldRig(replace(found, attributes=known), plan({"prove": ("all",)}))
    d.server(stage="system", runs="debian-12", allocated=True, alive=True)
    for number, name in enumerate(("os-install", "serve", "prove")):
        d.role(name, state=State.ACTIVE, succeeded=True, attempt=f"i5-1{number}", deployment="cloud")
    d.change(role="os-install", gave={"installed": {"os": "debian-12", "disk": "sda", "root": "r"}, "ssh-host-key": "k"})
    for name in ("os-install", "serve", "prove"):
        d.change(role=name, ran_hash=inputs_hash(d.world, d.at(name)))
    d.put(*d.world.node_roles.values())
    return d


def order(d: WorldRig, name: str = "prove") -> Accept | Refuse:
    d.feed(Operate(request=Request(Asker.OPERATOR, 3), who="op", verb="validate", node="n1", role=name))
    (answer,) = [e for e in d.effects if isinstance(e, Accept | Refuse)]
    return answer


def ends(d: WorldRig, failed: bool, **gives: Any) -> None:
    at = d.at("prove")
    failure = reasons.script_failed(role="prove", exit=1, line="404 != 200") if failed else None
    d.feed(Outcome(attempt=f"{at.attempt}.{at.leg}", node="n1", what="failed" if failed else "done", failure=failure, gives=gives))


@pytest.mark.parametrize("state", [State.ACTIVE, State.ERROR, State.SKIPPED])
def test_the_order_runs_the_proof_again_and_nothing_boots(state: State) -> None:
    d = rig()
    d.change(role="prove", state=state, tries=2 if state is State.ERROR else 0)
    before = d.at("prove").attempt
    assert isinstance(order(d), Accept)
    assert d.at("prove").state is State.TRANSITION
    assert d.at("prove").attempt != before
    assert [e.role for e in d.effects if isinstance(e, Start)] == ["prove"]
    assert not d.world.nodes["n1"].intent.fresh
    assert d.at("serve").state is State.ACTIVE


def test_the_order_is_refused_while_it_runs_and_for_other_roles() -> None:
    d = rig()
    order(d)
    for name, code in (("prove", "busy"), ("serve", "proves_nothing")):
        answer = order(d, name)
        assert isinstance(answer, Refuse)
        assert answer.reason.code == code


def test_a_failed_proof_keeps_its_report_and_no_other_gives() -> None:
    d = rig()
    d.change(role="prove", gave={"found": {"passed": 3, "failed": 0}, "size": 7})
    order(d)
    ends(d, True, found=REPORT, size=8)
    assert d.at("prove").state is State.ERROR
    assert d.at("prove").gave == {"found": REPORT, "size": 7}
    (proof,) = proofs(d.world)
    assert (proof.result, proof.node, proof.role) == ("failed", d.world.nodes["n1"].name, "prove")
    assert proof.report is not None
    assert [(group.name, test.name, test.line) for group, test in proof.report.tests("failed")] == [
        ("api.Objects", "test_get", "404 != 200")
    ]
    found = summary(d.world).validation
    assert (found.roles, found.passed, found.failed) == (1, 0, 1)
    assert found.tests == {"passed": 1, "failed": 1, "skipped": 0, "excluded": 1}
    assert found.broken == (Broken(node=proof.node, role="prove", test="api.Objects.test_get", line="404 != 200"),)


def test_a_proof_that_passes_and_one_that_runs() -> None:
    d = rig()
    order(d)
    assert [one.result for one in proofs(d.world)] == ["running"]
    ends(d, False, found={"passed": 2, "failed": 0}, size=1)
    (proof,) = proofs(d.world, "cloud")
    assert proof.result == "passed"
    assert proof.report == validation.Report(passed=2, failed=0)
    assert proofs(d.world, "other") == []


def test_a_role_without_tests_fails_with_its_reason() -> None:
    d = rig()
    order(d)
    ends(d, True)
    (one,) = summary(d.world).validation.broken
    assert (one.test, one.line) == ("", "prove ended with exit code 1: 404 != 200")


# -- the shape -------------------------------------------------------------------------------------------------------

TEXT = st.text(min_size=1, max_size=20).filter(str.isprintable)
TESTS = st.builds(
    validation.Case,
    name=TEXT,
    result=st.sampled_from(validation.RESULTS),
    seconds=st.floats(0, 100),
    line=st.text(max_size=30).filter(str.isprintable),
)
GROUPS = st.builds(validation.Group, name=TEXT, seconds=st.floats(0, 100), tests=st.lists(TESTS, max_size=3).map(tuple))
COUNTS = st.integers(0, 1000)
REPORTS = st.builds(
    validation.Report,
    passed=COUNTS,
    failed=COUNTS,
    skipped=COUNTS,
    excluded=COUNTS,
    seconds=st.floats(0, 100),
    groups=st.lists(GROUPS, max_size=3).map(tuple),
)


@given(REPORTS)
def test_what_the_records_hold_fits_the_schema(report: validation.Report) -> None:
    plain = msgspec.to_builtins(report)
    jsonschema.Draft202012Validator(validation.SCHEMA).validate(msgspec.json.decode(msgspec.json.encode(plain)))
    assert validation.read(plain) == report


@pytest.mark.parametrize("value", [None, 3, {}, {"passed": -1, "failed": 0}, {"passed": 1, "failed": 0, "groups": [{"name": ""}]}])
def test_what_is_no_report_is_none(value: Any) -> None:
    assert validation.read(value) is None
