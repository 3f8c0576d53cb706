"""Last values: current, bounded, and safe from any thread."""

from __future__ import annotations

import math
import threading

from engine.reasons import banned, no_plan
from engine.runtime import last_values
from engine.runtime.last_values import LastValues


class Clocks:
    def __init__(self) -> None:
        self.mono = 100.0

    def wall(self) -> float:
        return 1.7e9 + self.mono

    def monotonic(self) -> float:
        return self.mono


def made() -> tuple[LastValues, Clocks]:
    clocks = Clocks()
    return LastValues(clocks.wall, clocks.monotonic), clocks


def test_progress() -> None:
    values, clocks = made()
    values.progress("n1", 10, "copying")
    clocks.mono += 5
    values.progress("n1", 250, "x" * 1000)
    values.progress("n2", math.nan, "?")
    snapshot = values.snapshot()
    assert snapshot.progress["n1"].percent == 100.0
    assert snapshot.progress["n1"].at == 1.7e9 + 105
    assert len(snapshot.progress["n1"].text) == last_values.TEXT
    assert snapshot.progress["n2"].percent == 0.0
    values.finished("n1")
    assert values.snapshot().progress.keys() == {"n2"}


def test_silent_nodes() -> None:
    values, clocks = made()
    for i, node in enumerate(["n1", "n2", "n3"]):
        clocks.mono = 100.0 + i
        values.contact(node)
    clocks.mono = 110.0
    values.contact("n1")
    assert values.silent(8.0) == ["n2", "n3"]
    assert values.silent(8.5) == ["n2"]
    assert values.silent(60) == []
    assert values.last_contact("n1") == 110.0
    assert values.last_contact("n9") is None
    values.forget("n2")
    assert values.silent(8.0) == ["n3"]


def test_rates_are_over_whole_seconds() -> None:
    values, clocks = made()
    for second in range(20):
        clocks.mono = 100.0 + second
        values.count("dhcp", 30)
    clocks.mono = 120.0
    values.count("dhcp", 7)  # of a second that is not over
    snapshot = values.snapshot()
    assert snapshot.counters == {"dhcp": 607}
    assert snapshot.rates == {"dhcp": 30.0}
    clocks.mono = 125.0
    assert values.snapshot().rates == {"dhcp": (5 * 30 + 7) / 10}
    clocks.mono = 200.0
    assert values.snapshot().rates == {}


def test_refusals() -> None:
    values, clocks = made()
    values.ignored(banned(mac="a"), mac="a")
    clocks.mono += 1
    values.ignored(banned(mac="b"), mac="b")
    values.ignored(no_plan())
    snapshot = values.snapshot()
    assert snapshot.counters == {"ignored.banned": 2, "ignored.no_plan": 1}
    assert snapshot.refusals["banned"].mac == "b"
    assert snapshot.refusals["banned"].count == 2
    assert snapshot.refusals["no_plan"].at == 1.7e9 + 101


def test_bounds() -> None:
    values, _ = made()
    for i in range(last_values.NODES + 10):
        values.contact(f"n{i}")
        values.progress(f"n{i}", 1, "")
    for i in range(last_values.NAMES + 10):
        values.count(f"c{i}")
    snapshot = values.snapshot()
    assert len(snapshot.contact) == len(snapshot.progress) == last_values.NODES
    assert "n9" not in snapshot.contact
    assert f"n{last_values.NODES + 9}" in snapshot.contact
    assert snapshot.counters[last_values.OTHER] == 10
    assert len(snapshot.counters) == last_values.NAMES + 1


def test_threads() -> None:
    values, _ = made()

    def work(n: int) -> None:
        for i in range(2000):
            values.count("x")
            values.contact(f"n{n}-{i % 5}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(t.is_alive() for t in threads):
        values.snapshot()
    assert values.snapshot().counters == {"x": 8000}
    assert len(values.snapshot().contact) == 20
