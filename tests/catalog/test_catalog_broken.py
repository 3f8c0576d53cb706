"""Every mistake has its own message, with file, line and path."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken import BROKEN
from thinned import thinned

from crowbar_tui.cli import main


def write(folder: Path, text: str, scripts: tuple[str, ...]) -> Path:
    (folder / "a").mkdir(parents=True)
    (folder / "a/barclamp.yml").write_text(text)
    for script in scripts:
        there = folder / "a/roles" / script
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text("#!/bin/sh\n")
    return folder


@pytest.mark.parametrize(("text", "scripts", "line"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_barclamp(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, scripts: tuple[str, ...], line: str) -> None:
    folder = write(tmp_path / "clamps", text, scripts)
    assert main(["--store", str(tmp_path / "store"), "barclamp", "check", str(folder)]) == 2
    assert capsys.readouterr().err.replace(f"{folder}/", "").splitlines() == [line]


@pytest.mark.parametrize(("text", "scripts", "line"), thinned(BROKEN, each=6, ids=map(str, range(len(BROKEN)))))
def test_a_broken_barclamp_is_not_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, scripts: tuple[str, ...], line: str
) -> None:
    """For the same mistakes, all of which `check` has found."""
    folder = write(tmp_path / "clamps", text, scripts)
    assert main(["--store", str(tmp_path / "store"), "barclamp", "import", str(folder)]) == 2
    assert capsys.readouterr().err.replace(f"{folder}/", "").splitlines() == [line]
    assert sorted(path.name for path in (tmp_path / "store/barclamps").iterdir()) == [".lock"]


def test_each_has_its_own_message() -> None:
    lines = [line for _, _, line in BROKEN]
    assert len(set(lines)) == len(lines) >= 30
