"""The operator's verbs on a virtual rack: a simulated machine's BMC obeys them, and nothing is installed twice."""

from __future__ import annotations

import importlib.resources
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_store import objects

from crowbar_tui.cli import main
from engine.core.roles.stages import node_state
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.rehearsal.session import Rehearsal, begin_anew
from engine.views.summary import servers, settled


def until(true: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_power_verbs_and_topology_on_a_rack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    text = (importlib.resources.files("crowbar_tui") / "plans" / "six-nodes.yml").read_text(encoding="utf-8")
    plan = read(text, "six-nodes.yml", shipped())

    def crowbar(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["--store", str(store), *words])
        return code, capsys.readouterr().out

    try:
        with Rehearsal(store, plan, 1, 1, "max", "ada", network="loopback") as run:
            engine = run.engine
            until(lambda: settled(engine.world, 1) == "ready", "it does not become ready")
            (node,) = servers(engine.world)
            name, boots = node.name, node.boots
            wiped = [r.attempt for r in engine.world.node_roles.values() if r.role in ("raid-configure", "os-install")]

            assert crowbar("node", name, "power", "status") == (0, f"{name} is on\n")
            assert crowbar("node", name, "identify", "5") == (0, f"the light of {name} blinks for 5 s\n")
            assert crowbar("node", name, "power", "off") == (0, f"{name} is off\n")
            assert crowbar("node", name, "power", "status") == (0, f"{name} is off\n")
            parked = engine.world.nodes[node.id]
            assert (node_state(engine.world, parked), parked.alive, parked.boot) == ("hold", False, None)

            code, out = crowbar("node", name, "power", "on")
            assert (code, out) == (0, f"{name} is powered on and will boot debian-12\n")
            until(lambda: settled(engine.world, 1) == "ready", "it does not come back")
            assert engine.world.nodes[node.id].boots == boots + 1
            assert [r.attempt for r in engine.world.node_roles.values() if r.role in ("raid-configure", "os-install")] == wiped

            code, out = crowbar("topology", "--json")
            assert code == 0
            links = [x for x in objects(out) if x["type"] == "link"]
            assert {(x["switch"], x["port"], x["check"]) for x in links} >= {("tor1", "swp1", "right"), ("tor2", "swp1", "right")}
    finally:
        begin_anew(store)
