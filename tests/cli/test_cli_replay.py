"""What a run without a console prints about a store that an earlier run finished, and when it ends."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from cli_store import NODES, objects, plan_of
from msgspec.structs import replace

from crowbar_tui.commands import run
from engine.effects import Refuse
from engine.events import Happened, Tick
from engine.model import NodeRole, State
from engine.runtime.engine import Engine
from engine.store.store import Store


def options(as_json: bool, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"json": as_json, "timeout": 120.0, "wait": "ready", **more})


@pytest.mark.parametrize("as_json", [True, False])
def test_a_second_replay_changes_nothing_and_prints_a_summary_only(
    store: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    with Store.read(store) as reader:
        tables, before = reader.load(), run._last_event(store)
        assert before == reader.seq > 0
    engine: Engine = request.getfixturevalue("engine")
    assert not isinstance(engine.commit(plan_of(), "ada", {}), Refuse)
    capsys.readouterr()
    assert run._follow(engine, options(as_json), NODES, 0.0, before) == 0
    out = capsys.readouterr().out
    engine.stop()
    # Daemons on this machine have ended with the engine before this one, and run again.
    if as_json:
        (summary,) = [one for one in objects(out) if (one["type"], one.get("node")) != ("outcome", "admin")]
        assert (summary["type"], summary["verdict"], summary["ready"]) == ("summary", "ready", NODES)
    else:
        head, *deployments, steps = [line for line in out.splitlines()[1:] if " outcome       admin  " not in line]
        assert head.startswith("3 of 3 nodes ready in ")
        assert deployments == ["  cloud: validated", "  system: validated"]
        assert steps.startswith("  steps: discovery ")
    with Store.read(store) as reader:
        after = reader.load()
    for table in ("node_roles", "revisions", "deployments", "attributes", "allocations"):
        assert after[table] == tables[table], table


def test_a_store_that_is_not_there_has_no_earlier_run(tmp_path: Path) -> None:
    assert run._last_event(tmp_path / "none") == 0


@pytest.mark.parametrize(("skipped", "code", "verdict"), [(False, 0, "validated"), (True, 1, "stuck")])
def test_a_run_for_validation_tells_by_its_exit_code(
    store: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], skipped: bool, code: int, verdict: str
) -> None:
    """All nodes are ready in both; where a proof was skipped, the deployment is not validated and never will be by itself."""
    if skipped:
        with Store.open(store) as made:
            proof = next(r for r in made.load()["node_roles"].values() if isinstance(r, NodeRole) and r.role == "ready")
            # There are no machines: what is not available is not asked, so nothing finds that out.
            alone = [("nodes", node.id, replace(node, available=False)) for node in made.load()["nodes"].values()]
            rows = [("node_roles", proof.key, replace(proof, state=State.SKIPPED)), *alone]
            made.commit([(Happened(1001.0, 1e6, Tick(subjects=())), rows)])
    engine: Engine = request.getfixturevalue("engine")
    capsys.readouterr()
    assert run._follow(engine, options(True, wait="validated"), NODES, 0.0, run._last_event(store)) == code
    summary = objects(capsys.readouterr().out)[-1]
    assert (summary["verdict"], summary["ready"]) == (verdict, NODES)
    assert summary["deployments"]["cloud"] == ("ready" if skipped else "validated")
    if skipped:
        held = summary["held_up"]["cloud"]
        assert (held["role"], held["why"]["code"]) == ("ready", "proof_skipped")
        assert run._follow(engine, options(True), NODES, 0.0, run._last_event(store)) == 0, "without --wait, ready is enough"
