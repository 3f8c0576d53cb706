"""`crowbar bundle` as a person uses it: what it prints, and its exit codes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cli_store import objects

from crowbar_tui.cli import main
from engine.api.control import image_states
from engine.files.catalog import shipped

PLAN = Path(__file__).resolve().parents[2] / "crowbar_tui/plans/one-node.yml"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture()
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(store: Path, *words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main(["--store", str(store), "bundle", *map(str, words)])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def shelf(store: Path, *names: str) -> None:
    """Images with small files."""
    for name in names:
        folder = store / "images" / name
        folder.mkdir(parents=True)
        lines = []
        for use, file in shipped().images[name].files.items():
            data = f"{name} {use}\n".encode() * 100
            (folder / file).write_bytes(data)
            lines.append(f"{hashlib.sha256(data).hexdigest()}  {file}\n")
        (folder / "SHA256SUMS").write_text("".join(lines))


def test_images_and_wheels_are_carried(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROWBAR_IMAGES", raising=False)
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "rack.crowbar"
    shelf(here, "loader", "sledgehammer", "debian-12")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    own = wheels / f"crowbar_tui-{version('crowbar-tui')}-py3-none-any.whl"
    own.write_bytes(b"wheel")
    create: tuple[Any, ...] = ("create", PLAN, "-o", file, "--without", "packages", "--wheels", wheels)
    code, out, err = run(here, *create)
    assert (code, err) == (0, "")
    assert "not in it: packages: left out as ordered" in out
    key = out.partition("signed with the key ")[2].split()[0]
    code, out, _ = run(there, "verify", file, "--json")
    (row,) = objects(out)
    assert (code, row["key"], row["site"], row["systems"]) == (0, key, "rehearsal", [])
    files = sum(1 + len(shipped().images[name].files) for name in ("loader", "sledgehammer", "debian-12"))
    assert row["parts"] == {"images": files, "wheels": 1, "plan": 1}
    assert not there.exists(), "verify writes nothing"
    code, out, _ = run(there, "open", file, "--key", key)
    assert code == 0
    assert f"the plan is {there}/bundle/plan.yml" in out
    states = {row["name"]: row["whole"] for row in image_states(there)}
    assert [states[name] for name in ("loader", "sledgehammer", "debian-12")] == [True] * 3
    assert (there / "wheels" / own.name).read_bytes() == b"wheel"


def test_two_bundles_are_compared(tmp_path: Path, run: Run) -> None:
    one, two = tmp_path / "one.crowbar", tmp_path / "two.crowbar"
    plan = tmp_path / "plan.yml"
    plan.write_text(PLAN.read_text())
    plain = ("--without", "packages", "--without", "wheels", "--without", "images")
    assert run(tmp_path / "store", "create", plan, "-o", one, *plain)[0] == 0
    assert run(tmp_path / "store", "diff", one, one) == (0, "the bundles have the same parts\n", "")
    plan.write_text(PLAN.read_text().replace("node-{number}", "host-{number}"))
    assert run(tmp_path / "store", "create", plan, "-o", two, *plain)[0] == 0
    code, out, _ = run(tmp_path / "store", "diff", one, two, "--json")
    assert code == 1
    assert [(row["kind"], row["name"]) for row in objects(out)] == [("plan", "plan.yml")]


@pytest.mark.parametrize("verb", ["verify", "open"])
def test_what_is_no_good_is_one_sentence(tmp_path: Path, run: Run, verb: str) -> None:
    store, file = tmp_path / "store", tmp_path / "rack.crowbar"
    assert run(tmp_path / "here", "create", PLAN, "-o", file, "--without", "packages", "--without", "wheels", "--without", "images")[0] == 0
    whole = file.read_bytes()
    for data, words in (
        (whole[:-1500], "ends too early"),
        (whole.replace(b"rehearsal.test", b"rehearsal.tesu"), "is damaged: its SHA-256"),
        (whole + b"x", "goes on behind its last part"),
        (b"", "ends too early"),
    ):
        file.write_bytes(data)
        code, out, err = run(store, verb, file)
        assert (code, out) == (1, "")
        assert words in err
        assert err.startswith("crowbar: ")
        assert err.count("\n") == 1
    file.write_bytes(whole)
    code, _, err = run(store, verb, file, "--key", "0" * 64)
    assert code == 1
    assert "and not with 0000" in err
    assert not (store / "bundle").exists()
    assert run(store, verb, tmp_path / "none")[0] == 1
    assert run(store, verb, file, "--key", "12")[0] == 2


def test_bad_use(tmp_path: Path, run: Run) -> None:
    assert run(tmp_path, "create", PLAN, "-o", tmp_path / "x", "--mirror", "debian-12")[0] == 2
    assert run(tmp_path, "create", PLAN, "-o", tmp_path / "x", "--without", "plan")[0] == 2
    code, _, err = run(tmp_path, "create", PLAN, "-o", tmp_path / "x", "--without", "images", "--without", "packages", "--wheels", tmp_path)
    assert code == 1
    assert "has no wheel of this program" in err
    code, out, _ = run(tmp_path, "close", "--json")
    assert (code, json.loads(out)) == (0, {"type": "bundle", "closed": False})
