"""Paths as people give them: an engine, its tasks and its racks work in other directories, so all are absolute from the start."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crowbar_tui import paths
from crowbar_tui.cli import MODULES, main, parser
from engine.files.paths import absolute, images_folder
from engine.jigs.local import LocalChannel
from engine.runtime.config import Config
from engine.store.store import Store, StoreError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture()
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CROWBAR_STORE", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [("store", "store"), ("./a/store", "a/store"), ("a/../store", "store"), (".", ""), ("~/store", "home/store"), ("/srv/x", "/srv/x")],
)
def test_an_argument_is_absolute(here: Path, given: str, expected: str) -> None:
    assert paths.path(given) == here / expected


def test_dots_leave_a_link_by_its_own_door(here: Path) -> None:
    (here / "far" / "deep").mkdir(parents=True)
    (here / "link").symlink_to(here / "far" / "deep")
    assert absolute(Path("link/../store")) == here / "far" / "store"
    assert absolute(Path("link/store")) == here / "link" / "store", "keys beside a link stay beside it"


@pytest.mark.parametrize(("given", "says"), [("", "empty"), ("~nobody-of-this-name/x", "not a usable path")])
def test_what_is_no_path(given: str, says: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=says):
        paths.path(given)


def test_the_store_that_is_meant(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.store(None) == here / "home/.local/share/crowbar"
    monkeypatch.setenv("CROWBAR_STORE", "")
    assert paths.store(None) == here / "home/.local/share/crowbar"
    monkeypatch.setenv("CROWBAR_STORE", "mine")
    assert paths.store(None) == here / "mine"
    assert paths.store(here / "other") == here / "other"
    with pytest.raises(StoreError, match="/ cannot be a store"):
        paths.store(Path("/"))


def test_the_root_is_no_store(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", "/", "status"]) == 2
    assert capsys.readouterr().err.startswith("crowbar: / cannot be a store")


def test_every_path_of_the_command_line_is_absolute(here: Path) -> None:
    """No argument is taken as it stands: `type=Path` is not used, and each argument that holds a path is made absolute."""
    for file in (ROOT / "crowbar_tui").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "type":
                assert not (isinstance(node.value, ast.Name) and node.value.id == "Path"), file
    for words, name in (
        (["--store", "s", "status"], "store"),
        (["rehearse", "--plan", "p.yml"], "plan"),
        (["replay", "p.yml"], "plan"),
        (["engine", "--plan", "p.yml"], "plan"),
        (["plan", "check", "p.yml"], "plan"),
        (["plan", "diff", "p.yml"], "plan"),
        (["plan", "save", "p.yml"], "file"),
        (["commit", "p.yml"], "plan"),
        (["events", "--export", "x"], "export"),
        (["look-back", "x"], "where"),
        (["doctor", "--plan", "p.yml"], "plan"),
        (["barclamp", "check", "x"], "folder"),
    ):
        assert getattr(parser().parse_args(words), name).is_absolute(), words
    assert parser().parse_args(["image", "build", "x", "--locked", "list"]).locked == str(here / "list")


def test_an_engine_and_its_images_are_absolute(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(store=Path("store"), keys=Path("keys"))
    assert (config.store, config.keys) == (here / "store", here / "keys")
    monkeypatch.setenv("CROWBAR_IMAGES", "images")
    assert images_folder(Path("store")) == here / "images"
    monkeypatch.setenv("CROWBAR_IMAGES", "")
    assert images_folder(Path("store")) == here / "store" / "images"


def test_the_tool_of_local_roles_gets_an_absolute_home(here: Path) -> None:
    """It runs in /, and made its records there."""
    channel = LocalChannel(Path("state"))
    assert channel._home == here / "state"


def test_a_rehearsal_on_a_relative_store_comes_to_its_end(tmp_path: Path) -> None:
    """Roles of the admin node are among it; they all failed, in directories at the root of the file system."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CROWBAR_")} | {"PYTHONPATH": str(ROOT)}
    words = ["--store", "my store", "rehearse", "--nodes", "1", "--network", "loopback", "--headless", "--json"]
    before = set(os.listdir("/"))
    done = subprocess.run(
        [sys.executable, "-m", "crowbar_tui.cli", *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["ready"] == 1
    assert set(os.listdir("/")) == before
    with Store.open(tmp_path / "my store") as store:
        here = [row for row in store.load()["node_roles"].values() if row.node == "admin" and row.attempt]  # type: ignore[union-attr]
        assert here, "no role ran on the admin node"
        assert all(row.state.value == "active" for row in here)  # type: ignore[union-attr]
    assert (tmp_path / "my store" / "local" / "acknowledged").is_dir()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_parser_of_one_command_knows_all_commands_of_its_module_and_no_others(module: str) -> None:
    for command in MODULES[module]:
        known = next(a for a in parser(command)._actions if isinstance(a, argparse._SubParsersAction))
        assert tuple(known.choices) == MODULES[module]


def test_each_command_of_the_help_has_its_module() -> None:
    known = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert tuple(known.choices) == tuple(command for commands in MODULES.values() for command in commands)
    assert tuple(next(a for a in parser("no-such")._actions if isinstance(a, argparse._SubParsersAction)).choices) == tuple(known.choices)


def test_it_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"crowbar [0-9]\S*\n", capsys.readouterr().out)
