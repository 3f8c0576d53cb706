"""Runs of the core's own rack, written down row by row in a store as the engine does it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parents[1] / "console"))

import rack as racks

from engine.core.step import step
from engine.store.store import Store


def record(make: Callable[[], Any], store: Store) -> list[tuple[int, dict[str, dict[Any, Any]]]]:
    """Run it (`make` builds the rack and runs it); every event is committed to the store. After each: the seq and the tables, as they were."""
    tables: dict[str, dict[Any, Any]] = {}
    out: list[tuple[int, dict[str, dict[Any, Any]]]] = [(store.seq, {})]
    rows: list[Any] = []

    def written(work: Any, happened: Any) -> Any:
        changes = step(work, happened)
        rows.append((happened, list(changes)))
        return changes

    before = racks.step
    racks.step = written
    try:
        make()
    finally:
        racks.step = before
    for happened, changes in rows:
        before = store.seq
        if store.commit([(happened, changes)]) == before:
            continue  # no news: what it changed is in no row to look back at
        for table, key, row in changes:
            mine = tables.setdefault(table, {})
            if row is None:
                mine.pop(key, None)
            else:
                mine[key] = row
        out.append((store.seq, {table: dict(of) for table, of in tables.items()}))
    return out


GOLDEN = Path(__file__).parents[1] / "golden" / "console" / "past.jsonl.gz"
"""The six nodes of `worlds.faulty` from first packet to standstill, exported; for the console's screens."""


def write() -> None:
    import tempfile

    import worlds

    from engine.store.journal_file import export

    with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
        record(worlds.faulty, store)
        GOLDEN.unlink(missing_ok=True)
        export(store, GOLDEN, worlds.USUAL, "0.1.0", worlds.WALL)
    GOLDEN.chmod(0o644)


if __name__ == "__main__":
    write()
