"""Each broken plan has its own message, with file and line, and its path where it has one."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_plans import BROKEN, RIGHT

from crowbar_tui.cli import main
from engine.core.plan.rules import matches
from engine.files.catalog import shipped
from engine.files.plan_file import read_file


@pytest.mark.parametrize(("text", "line"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes, line: str) -> None:
    file = tmp_path / "plan.yml"
    file.write_bytes(text)
    assert main(["--store", str(tmp_path / "store"), "plan", "check", str(file)]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"plan.yml:{line}"]
    assert "hunter2" not in said.out + said.err
    assert not (tmp_path / "store").exists()


def test_each_has_its_own_message() -> None:
    lines = {line.partition(": ")[2] for _, line in BROKEN}
    assert len({line for _, line in BROKEN}) >= 30
    assert len(lines) >= 30


@pytest.mark.parametrize("text", RIGHT, ids=range(len(RIGHT)))
def test_what_other_editors_write_is_right(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "plan.yml"
    file.write_bytes(text)
    plan = read_file(file, shipped())
    assert plan.networks["admin"].ranges["dhcp"].last == "10.0.0.80"


def test_a_rule_with_another_spelling_of_a_mac_matches(tmp_path: Path) -> None:
    file = tmp_path / "plan.yml"
    file.write_bytes(RIGHT[4])
    (rule,) = read_file(file, shipped()).rules
    assert matches(rule, {"mac": "52:54:00:aa:00:01"})
    assert not matches(rule, {"mac": "52:54:00:aa:00:02"})
