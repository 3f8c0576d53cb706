"""The run of `worlds.faulty` as what an engine commits: events with their changes."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import worlds

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

import rack as racks

from engine.core.step import step


@cache
def record_faulty() -> list[tuple[Any, list[Any]]]:
    rows: list[tuple[Any, list[Any]]] = []

    def written(work: Any, happened: Any) -> Any:
        changes = step(work, happened)
        rows.append((happened, list(changes)))
        return changes

    before = racks.step
    racks.step = written
    try:
        worlds.faulty()
    finally:
        racks.step = before
    return rows
