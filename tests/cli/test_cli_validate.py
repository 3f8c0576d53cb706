"""`crowbar validate`: it runs the proofs again, waits for them, and writes JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from cli_store import Run, objects

from crowbar_tui.junit import junit
from engine.api.views import Case, Group, Proof, Report
from engine.runtime.engine import Engine
from engine.views.why import Why

NODES = ("compute-11", "compute-12", "control-10")


def attempts(engine: Engine) -> dict[str, str]:
    return {engine.world.nodes[node].name: one.attempt for (node, role), one in engine.world.node_roles.items() if role == "ready"}


def test_it_runs_all_proofs_again(engine: Engine, crowbar: Run, tmp_path: Path) -> None:
    before = attempts(engine)
    code, out, err = crowbar("validate", "cloud", "--junit", str(tmp_path / "r.xml"))
    assert (code, err) == (0, "")
    assert out.splitlines() == [*(f"ready on {name}: passed" for name in NODES), "3 of 3 validating roles passed: passed"]
    after = attempts(engine)
    assert all(after[name] != before[name] for name in before)
    assert [case.get("name") for case in ET.parse(tmp_path / "r.xml").iter("testcase")] == [f"{name}.r1.test" for name in NODES]


def test_as_json(engine: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("validate", "--json")
    assert code == 0
    *rows, summary = objects(out)
    assert [(row["type"], row["role"], row["result"]) for row in rows if row["type"] == "validation"] == [
        ("validation", "ready", "passed")
    ] * 3
    assert (summary["type"], summary["verdict"], summary["roles"], summary["passed"]) == ("summary", "passed", 3, 3)


def test_a_node_on_hold_leaves_it_without_a_verdict(engine: Engine, crowbar: Run) -> None:
    crowbar("node", "compute-11", "hold")
    code, out, _ = crowbar("validate", "--timeout", "60")
    assert code == 1
    assert out.splitlines()[0].startswith("ready on compute-11: waiting: ")
    assert out.splitlines()[-1] == "2 of 3 validating roles passed: stuck"


def test_show_needs_no_engine_and_an_order_does(crowbar: Run) -> None:
    code, out, _ = crowbar("validate", "--show")
    assert (code, out.splitlines()[-1]) == (0, "3 of 3 validating roles passed: passed")
    assert crowbar("validate")[0] == 1
    assert crowbar("validate", "clouds")[::2] == (2, "crowbar: there is no deployment clouds; known: cloud, system\n")


def test_a_file_that_cannot_be_written_is_bad_use(crowbar: Run, tmp_path: Path) -> None:
    code, _, err = crowbar("validate", "--show", "--junit", str(tmp_path / "no" / "r.xml"))
    assert code == 2
    assert err.startswith("crowbar: cannot write ")


def test_the_status_counts_them(crowbar: Run) -> None:
    (told,) = objects(crowbar("status", "--json")[1])
    assert (told["validation"]["roles"], told["validation"]["passed"]) == (3, 3)


REPORT = Report(
    passed=1,
    failed=1,
    skipped=1,
    excluded=1,
    groups=(
        Group(
            name="api.Objects",
            seconds=4.0,
            tests=(
                Case(name="test_put", result="passed", seconds=1.0),
                Case(name="test_get", result="failed", seconds=2.0, line="<404> & \x1b[31m != 200"),
                Case(name="test_old", result="excluded", line="no such call"),
                Case(name="test_new", result="skipped", line="not on"),
            ),
        ),
    ),
)


def test_junit_has_each_test_and_is_xml_whatever_a_test_says() -> None:
    why = Why(code="script_failed", fields={}, sentence="it failed")
    proof = Proof(node="n1", role="prove", deployment="cloud", result="failed", ended=1e9, seconds=5, why=why, report=REPORT)
    other = Proof(node="n2", role="ready", deployment="cloud", result="failed", why=why)
    top = ET.fromstring(junit([proof, other]).partition("\n")[2])
    (first, second) = top.findall("testsuite")
    assert (first.get("tests"), first.get("failures"), first.get("skipped"), first.get("time")) == ("4", "1", "2", "4.000")
    cases = {case.get("name"): [one.tag for one in case] for case in first}
    assert cases == {"test_put": [], "test_get": ["failure"], "test_old": ["skipped"], "test_new": ["skipped"]}
    (failure,) = top.findall("testsuite/testcase[@name='test_get']/failure")
    assert failure.get("message") == "<404> & ?[31m != 200"
    assert second.find("testcase/failure") is not None


@pytest.mark.parametrize("result", ["running", "waiting", "skipped"])
def test_a_proof_that_did_not_end_is_no_failure(result: str) -> None:
    top = ET.fromstring(junit([Proof(node="n", role="r", deployment="d", result=result)]).partition("\n")[2])  # type: ignore[arg-type]
    assert [one.get("message") for one in top.iter("skipped")] == [result]
