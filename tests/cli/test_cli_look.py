"""`crowbar status`, `nodes` and `explain` on a store, without an engine."""

from __future__ import annotations

from pathlib import Path

from cli_store import Run, objects

from engine.api.control import Reader
from engine.model import Kind


def switch_of(store: Path) -> str:
    with Reader(store) as reader:
        return next(n.name for n in reader.world.nodes.values() if n.kind is Kind.DEVICE)


def test_a_switch_has_no_signal_and_no_age_of_one(store: Path, crowbar: Run) -> None:
    name = switch_of(store)
    code, out, _ = crowbar("explain", name)
    assert code == 0
    assert out.splitlines()[0] == f"{name}: discovered, a switch that LLDP told of, runs device"
    (told,) = objects(crowbar("explain", name, "--json")[1])
    assert (told["signal"], told["signal_at"]) == ("", 0.0)
    assert "d ago" not in crowbar("explain", "admin")[1]
