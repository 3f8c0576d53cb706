"""A rack whose machines are wiped before they are installed: the certificates, and what becomes of a machine whose disks keep their data."""

from __future__ import annotations

import importlib.resources
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crowbar_tui.cli import main
from engine.core.world.world import World
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.model import State
from engine.reasons import sentence
from engine.rehearsal.session import Rehearsal
from engine.views.summary import servers, settled


def until(true: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def wiping(store: Path, scenario: str = "") -> Rehearsal:
    text = (importlib.resources.files("crowbar_tui") / "plans" / "six-nodes.yml").read_text(encoding="utf-8")
    text = text.replace("      ready: all\n", "      ready: all\n      disk-wipe: all\n")
    assert "disk-wipe" in text
    return Rehearsal(store, read(text, "six-nodes.yml", shipped()), 1, 1, "max", "ada", network="loopback", scenario=scenario)


def test_each_disk_gets_a_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"

    def crowbar(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["--store", str(store), *words])
        return code, capsys.readouterr().out

    with wiping(store) as run:
        engine = run.engine
        until(lambda: settled(engine.world, 1) == "ready", "it does not become ready")
        (node,) = servers(engine.world)
        role = engine.world.node_roles[node.id, "disk-wipe"]
        raid = engine.world.node_roles[node.id, "raid-configure"]
        assert role.state is State.ACTIVE
        assert role.ended <= raid.started, "the disks are wiped before volumes are made"
        disks = engine.world.node_roles[node.id, "inventory"].gave["disks"]
        code, out = crowbar("hardware", "certificates", "--json", "--save", str(tmp_path / "kept"))
        found = [json.loads(line) for line in out.splitlines()]
        assert code == 0
        assert {one["serial"] for one in found} == {one["serial"] for one in disks}
        assert all((one["result"], one["who"], one["machine_serial"]) == ("wiped", "plan", node.serial) for one in found)
        assert len(list((tmp_path / "kept").glob("*.json"))) == len(found)
        assert json.loads(min((tmp_path / "kept").iterdir()).read_text())["result"] == "wiped"
        code, out = crowbar("hardware", "certificates", "--disk", found[0]["wwn"], "--machine", node.name)
        assert (code, len(out.splitlines())) == (0, 2)
        assert found[0]["serial"] in out
        assert crowbar("hardware", "certificates", "--disk", "nobody")[0] == 1
        # A node that is deleted leaves its certificates in the journal.
        assert crowbar("node", node.name, "delete")[0] == 0
        assert len(crowbar("hardware", "certificates", "--json")[1].splitlines()) == len(found)


def test_disks_that_keep_their_data_put_the_machine_on_hold(tmp_path: Path) -> None:
    with wiping(tmp_path / "store", "scenario: 1\nfaults: {m1: {wipe_lies: true}}\n") as run:
        engine = run.engine

        def state(world: World) -> State | None:
            return next((one.state for one in world.node_roles.values() if one.role == "disk-wipe"), None)

        until(lambda: state(engine.world) is State.ERROR, "the wipe does not fail")
        (node,) = servers(engine.world)
        role = engine.world.node_roles[node.id, "disk-wipe"]
        assert (node.hold, role.tries) == (True, 3)
        assert role.failure is not None
        assert "old data is left" in sentence(role.failure)
        assert "os-install" not in {key[1] for key, one in engine.world.node_roles.items() if one.state is State.ACTIVE}
