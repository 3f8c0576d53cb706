"""`crowbar health` without an engine. `tests/e2e/monitored_rack.py` runs it with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from crowbar_tui.cli import main


def test_without_an_engine_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", str(tmp_path / "store"), "health"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("crowbar: ")
