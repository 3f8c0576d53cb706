"""The health of machines as files: each entry once, values in bounds, and what a torn file costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.vitals import KEPT_S, MOST_EVENTS, MOST_READINGS, VitalRecord, VitalsShelf
from engine.vitals import LogEntry, SeenEntry, Sensor, VitalSigns


def seen(number: int, text: str = "hot") -> SeenEntry:
    return SeenEntry(entry=LogEntry(id=f"{number:04x}", text=text, at=f"t{number}"), seen=1.0, log="sel")


def record(at: float, many: int = 1) -> VitalRecord:
    sensors = tuple(Sensor(name=f"sensor number {n}", kind="Temperature", value=n) for n in range(many))
    return VitalRecord(at=at, tried=at, signs=VitalSigns(sensors=sensors))


def test_an_entry_is_kept_once(tmp_path: Path) -> None:
    shelf = VitalsShelf(tmp_path)
    assert [one.entry.id for one in shelf.add("n1", [seen(1), seen(2), seen(1)])] == ["0001", "0002"]
    assert [one.entry.id for one in shelf.add("n1", [seen(2), seen(1, "another, after the log was cleared")])] == ["0001"]
    assert len(shelf.events("n1")) == 3


def test_the_newest_entries_stay(tmp_path: Path) -> None:
    shelf = VitalsShelf(tmp_path)
    for first in range(0, 4 * MOST_EVENTS, 500):
        shelf.add("n1", [seen(n) for n in range(first, first + 500)])
    kept = shelf.events("n1")
    assert MOST_EVENTS <= len(kept) <= MOST_EVENTS * 5 // 4
    assert kept[-1] == seen(4 * MOST_EVENTS - 1)


def test_values_are_kept_now_and_then_and_in_bounds(tmp_path: Path) -> None:
    shelf = VitalsShelf(tmp_path)
    for n in range(4):
        shelf.put("n1", record(n * KEPT_S / 2))
    assert [one.at for one in shelf.readings("n1")] == [0.0, KEPT_S]
    for n in range(60):
        shelf.put("n1", record((n + 2) * KEPT_S, 400))
    files = list((tmp_path / "hardware/n1").glob("readings*"))
    assert len(files) == 2
    assert all(file.stat().st_size <= MOST_READINGS for file in files)
    assert shelf.readings("n1")[-1].at == 61 * KEPT_S


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    shelf = VitalsShelf(tmp_path)
    shelf.add("n1", [seen(1)])
    file = tmp_path / "hardware/n1/events.jsonl"
    with file.open("ab") as out:
        out.write(b'{"entry": {"id": "00')
    shelf.add("n1", [seen(2)])
    assert [one.entry.id for one in shelf.events("n1")] == ["0001", "0002"]
    file.with_name("vitals.json").write_bytes(b"{")
    assert shelf.of("n1") is None
    shelf.put("n1", record(5.0))
    assert dict(shelf.all()).keys() == {"n1"}


@pytest.mark.parametrize("node", ["../n1", "", "a/b", "\x1b"])
def test_a_node_that_names_no_file(node: str, tmp_path: Path) -> None:
    shelf = VitalsShelf(tmp_path)
    assert (shelf.of(node), shelf.events(node), shelf.readings(node)) == (None, [], [])
    with pytest.raises(ValueError, match="names no file"):
        shelf.put(node, record(1.0))
