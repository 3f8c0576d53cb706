"""What an engine does now and then: logs are swept, and engine time is kept."""

from __future__ import annotations

from pathlib import Path

from engine.events import Event, Tick
from engine.jigs.logs import KEEP_S, Logs
from engine.runtime.watch import SWEEP_S, Chores
from engine.store.store import STAMP_S


def test_time_is_kept_and_logs_are_swept_each_at_its_distance(tmp_path: Path) -> None:
    logs, seconds, told = Logs(tmp_path), [50.0], list[Event]()

    def submit(event: Event) -> bool:
        told.append(event)
        return True

    logs.open("a-1.0", [])
    logs.write("a-1.0", 0, b"x")
    logs.close("a-1.0")
    written = logs.path("a-1.0").stat().st_mtime
    chores = Chores(submit, logs, lambda: seconds[0], lambda: written + seconds[0] - 50.0)
    chores()
    assert (told, logs.path("a-1.0").exists()) == ([], True)
    for _ in range(3):
        seconds[0] += STAMP_S
        chores()
        chores()
    assert told == [Tick(subjects=())] * 3
    seconds[0] += KEEP_S
    assert KEEP_S > SWEEP_S
    chores()
    assert not logs.path("a-1.0").exists()
