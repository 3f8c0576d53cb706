"""A rack with worn parts is burnt in: each report names its part, the machines that have one are on hold, and a good one goes on."""

from __future__ import annotations

import importlib.resources
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crowbar_tui.cli import main
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.model import State
from engine.rehearsal.session import Rehearsal
from engine.views.summary import servers


def until(true: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def failed(report: Any) -> list[str]:
    return [f"{test['name']}: {test['line']}" for group in report["groups"] for test in group["tests"] if test["result"] == "failed"]


def test_worn_parts_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    text = (importlib.resources.files("crowbar_tui") / "plans" / "six-nodes.yml").read_text(encoding="utf-8")
    text = text.replace("      ready: all\n", "      ready: all\n      burn-in-errors: all\n")
    scenario = (importlib.resources.files("crowbar_tui") / "scenarios" / "worn-parts.yml").read_text(encoding="utf-8")
    plan = read(text, "six-nodes.yml", shipped())
    with Rehearsal(store, plan, 4, 1, "max", "ada", network="loopback", scenario=scenario) as run:
        engine = run.engine

        def ended() -> bool:
            roles = [one for one in engine.world.node_roles.values() if one.role.startswith("burn-in") and one.node != "admin"]
            errors = sum(one.state is State.ERROR for one in roles)
            return errors == 3 and any(one.role == "os-install" and one.state is State.ACTIVE for one in engine.world.node_roles.values())

        until(ended, "the burn-in does not end as planted")
        world = engine.world
        nodes = {node.macs[0] if node.macs else node.id: node for node in servers(world)}
        wrong = {role.role: (world.nodes[role.node], role) for role in world.node_roles.values() if role.state is State.ERROR}
        assert set(wrong) == {"burn-in-disk", "burn-in-network", "burn-in-errors"}
        assert all(node.hold and node.notice is not None and node.notice.code == "quarantined" for node, _ in wrong.values())
        assert sum(node.hold for node in nodes.values()) == 3
        node, role = wrong["burn-in-disk"]
        disks: Any = world.node_roles[node.id, "inventory"].gave["disks"]
        (line,) = failed(role.gave["burn-in-disk-report"])
        assert disks[2]["serial"] in line
        assert disks[2]["path"] in line
        assert "67 % slower" in line
        _, role = wrong["burn-in-network"]
        lines = failed(role.gave["burn-in-network-report"])
        assert lines
        assert all(" to tor2:swp2 loses 4.5 % of its frames" in one for one in lines)
        _, role = wrong["burn-in-errors"]
        assert failed(role.gave["burn-in-errors-report"]) == [
            "DIMM DIMM_B1: 12 corrected errors since the boot, and 0 are tolerated: seat it anew, or replace it"
        ]
        good = next(one for one in nodes.values() if not one.hold)
        until(lambda: engine.world.nodes[good.id].stage == "system", "the good machine does not go on")
        capsys.readouterr()
        assert main(["--store", str(store), "validate", "--show", "--json"]) == 1
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        reports = {(one["node"], one["role"]) for one in told if one["type"] == "validation" and one["result"] == "failed"}
        assert {role for _, role in reports} >= set(wrong)
        # A machine that left the stage is not sent back by a validation: its last result counts.
        assert main(["--store", str(store), "role", good.name, "burn-in-load", "validate"]) == 1
        assert "its last result counts" in capsys.readouterr().err
