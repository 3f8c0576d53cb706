"""Goal: nobody finds out what happened before. Means: packets that each make a row, until the journal has no room for older ones."""

from __future__ import annotations

from pathlib import Path

from target import Target, pour, strangers

from engine.attach.client import Attached
from engine.core.world import share
from engine.store.store import Store


def flood(target: Target, many: int, version: int) -> int:
    """The same machines, which say something else each time. Returns the journal's last row."""
    pour((target.host, 20067), strangers(many, version, relays=4), lambda: target.ask("counters")["DhcpService"]["received"])
    return int(target.until(lambda c: not c["loop"]["waiting"]["packets"])["seq"])


def test_strangers_fill_a_bounded_part_of_the_journal(tmp_path: Path) -> None:
    target = Target(tmp_path)
    try:
        before = int(target.ask("counters")["seq"])
        rows = [flood(target, 3_000, version) - before for version in range(5)]
        assert rows[-1] <= share.ROWS * 1.05, rows
        assert flood(target, 3_000, 9) - before <= rows[-1] + 100, "and when that is full, they write next to nothing"
        with Attached(target.store) as engine:
            health = engine.health().result
        assert health["hushed"] > 1_000, "what has no row is counted"
        there = target.ask("sightings")
        assert len(there) == 3_000, "all of them are kept, and served"
        assert "older" in {one["journal"] for one in there}
        address = target.takes_an_address(1)
        assert "kernel" in target.gets_a_script(address)
    finally:
        target.close()
    with Store.read(target.store) as store:
        assert store.verify() == [], "and the tables agree with the journal"
        kept = len(store.table("sightings"))
    again = Target(tmp_path)
    try:
        assert len(again.ask("sightings")) == kept, "also after a restart"
    finally:
        again.close()
