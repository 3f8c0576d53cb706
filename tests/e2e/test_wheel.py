"""The wheel, installed in an empty environment far from a checkout, brings a rack up: barclamps, images, plans and console files are inside."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from engine import racks as rehearsal
from engine.racks import RackError

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 900


def run(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CROWBAR_", "PYTHON")) and k != "VIRTUAL_ENV"}
    return subprocess.run(
        [str(w) for w in words], capture_output=True, text=True, cwd=cwd, env={**kept, **env}, check=False, timeout=PATIENCE_S
    )


@pytest.mark.slow
def test_the_wheel_works_far_from_a_checkout(tmp_path: Path) -> None:
    wheels, away = tmp_path / "wheels", tmp_path / "away"
    away.mkdir()
    built = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, ROOT, cwd=away)
    if built.returncode and "hatchling" in built.stderr:
        pytest.skip("needs hatchling, from a package registry")
    assert built.returncode == 0, built.stderr[-3000:]
    (wheel,) = wheels.glob("crowbar_tui-*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    for name in (
        "engine/stages.yml",
        "barclamps/raid/barclamp.yml",
        "barclamps/raid/rehearsal.py",
        "barclamps/os-install/roles/os-install/run",
        "crowbar_tui/plans/one-node.yml",
        "images/node/agent",
    ):
        assert name in inside, name
    assert not [name for name in inside if name.startswith(("tests/", ".")) or "__pycache__" in name]
    venv.create(away / "env", with_pip=True)
    python = away / "env" / "bin" / "python"
    installed = run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=away)
    assert installed.returncode == 0, installed.stderr[-3000:]
    where = run(python, "-c", "import engine; print(engine.__file__)", cwd=away)
    assert str(away) in where.stdout, where
    store = away / "store"
    try:
        words = ("rehearse", "--nodes", "1", "--speed", "max", "--headless", "--json")
        found = run(away / "env" / "bin" / "crowbar", "--store", store, *words, cwd=away)
    finally:
        with contextlib.suppress(RackError):
            rehearsal.connect(away / "store.rack").stop()
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-2000:]
    summary = json.loads(found.stdout.splitlines()[-1])
    assert (summary["type"], summary["nodes"], summary["ready"], summary["failed"]) == ("summary", 1, 1, 0)
    assert summary["waiting"] == {}
    # Read-only code: nothing was written beside it.
    status = run(away / "env" / "bin" / "crowbar", "--store", store, "barclamp", "list", "--json", cwd=away)
    assert status.returncode == 0, status.stderr
    assert "raid" in status.stdout
