"""Seconds of QEMU machines from power on to ready, by stage and firmware, from the journal: `python tests/bench/bench_qemu.py [NODES | STORE ...]`.

With a number a rack of so many is brought up (1); with folders of stores, what is in their journals is told. Each column is the time from power on;
the last block is the time between two columns. `boots` are starts through firmware. What is missing is left out of the medians.

A rack that is brought up is measured from the engine's side as well: processor seconds and memory of the engine's process, and what went over its
two networks by service, also per node.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from limits import figure, run, waiting_for

from engine.racks import kinds
from engine.racks.qemu.spec import QemuRackSpec, guests
from engine.store.store import JournalRow, Store

STAGES = ("dhcp", "loader", "script", "kernel", "hello", "discovered", "installed", "system", "ready")
_START = re.compile(r"(\S+ \S+),(\d{3}) INFO (m\d+): start 1 from ")


def power_on(rack: Path) -> dict[str, float]:
    """Machine -> wall time of its first start, from the rack's log."""
    out = {}
    for line in (rack / "rack.log").read_text(encoding="utf-8").splitlines():
        if match := _START.match(line):
            out[match[3]] = datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S").timestamp() + int(match[2]) / 1000  # noqa: DTZ007 - local, as logged
    return out


def stages(journal: list[JournalRow], mac: str) -> dict[str, float]:
    """Stage -> wall time at which the machine with this first MAC came there first."""
    out: dict[str, float] = {}
    node, done = "", set[str]()
    roles: set[str] = set()
    for row in journal:
        for table, key, body in row.rows:
            if body is None:
                continue
            if table == "sightings" and key == mac:
                signal = (body.get("boot") or {}).get("signal", "")
                if signal in STAGES:
                    out.setdefault(signal, row.at)
                node = str(body.get("node") or node)
            if table == "nodes" and node and key == node:
                stage = body.get("stage", "")
                if body.get("runs"):
                    out.setdefault("hello", row.at)
                if stage != "discovery":
                    out.setdefault("discovered", row.at)
                if stage == "system":
                    out.setdefault("installed", row.at)
                    if body.get("runs") not in ("", "sledgehammer", None):
                        out.setdefault("system", row.at)
            if table == "node_roles" and node and isinstance(key, list) and key[0] == node:
                roles.add(str(key[1]))
                if body.get("state") in ("active", "skipped"):
                    done.add(str(key[1]))
                else:
                    done.discard(str(key[1]))
                if "ready" in roles and roles == done:
                    out.setdefault("ready", row.at)
    return out


def table(store: Path) -> dict[str, Any]:
    """Of one store: machine -> stage -> seconds since power on, and what it is."""
    rack = store.with_name(store.name + ".rack")
    spec = kinds.parse((rack / "rack.yml").read_text(encoding="utf-8"))
    assert isinstance(spec, QemuRackSpec), f"{rack} is no rack of QEMU machines"
    begun = power_on(rack)
    with_reader = Store.read(store)
    journal = list(with_reader.journal(0))
    with_reader.close()
    out = {}
    for guest in guests(spec):
        if guest.name in begun:
            at = stages(journal, guest.nics[0].mac)
            state = json.loads((rack / "machines" / guest.name / "state.json").read_text(encoding="utf-8"))
            seconds = {name: round(at[name] - begun[guest.name], 1) for name in STAGES if name in at}
            out[guest.name] = {"firmware": guest.firmware, "boots": state.get("boots", 0), **seconds}
    return out


def show(found: dict[str, Any]) -> None:
    print("machine  firmware  boots" + "".join(f"{name:>11}" for name in STAGES))
    for name, row in found.items():
        print(f"{name:<8} {row['firmware']:<9} {row['boots']:>5}" + "".join(_cell(row.get(stage)) for stage in STAGES))
    for firmware in sorted({row["firmware"] for row in found.values()}):
        rows = [row for row in found.values() if row["firmware"] == firmware]
        medians = [statistics.median(values) if (values := [r[s] for r in rows if s in r]) else None for s in STAGES]
        print(f"{'median':<8} {firmware:<9} {'':>5}" + "".join(_cell(value) for value in medians))
        steps, before = [], 0.0
        for value in medians:
            steps.append(None if value is None else value - before)
            before = before if value is None else value
        print(f"{'between':<8} {firmware:<9} {'':>5}" + "".join(_cell(value) for value in steps))


def _cell(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.1f}':>11}"


def brought_up(nodes: int, folder: Path) -> Path:
    """A rack of so many machines, in a process of its own; the store."""
    store = folder / "store"
    words = [sys.executable, str(ROOT / "tests" / "qemu" / "scene_measure.py"), str(store), str(nodes), str(1800 + 600 * nodes)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    began = time.monotonic()
    with waiting_for(f"{nodes} QEMU machines to be ready"):
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    took = time.monotonic() - began
    if done.returncode or not done.stdout.strip():
        print(
            f"{nodes} machines: exit {done.returncode} after {took:.0f} s: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}"
        )
        return store
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"{nodes} machines: {found['verdict']} after {took:.0f} s {found.get('why', '')}")
    show_cost(found, nodes)
    return store


def show_cost(found: dict[str, Any], nodes: int) -> None:
    print(f"engine: {found['cpu_s']:.1f} s of a processor, {found['cpu_s'] / nodes:.1f} s per node; {found['memory_mb']} MB at most")
    print(f"{'service':<9}{'sent':>14}{'heard':>14}{'sent per node':>16}{'heard per node':>16}   octets above TCP or UDP")
    for name, one in found["services"].items():
        print(f"{name:<9}{one['out']:>14,}{one['in']:>14,}{one['out'] // nodes:>16,}{one['in'] // nodes:>16,}")


def main(arguments: list[str]) -> None:
    from engine.racks.qemu import missing

    if not arguments or all(word.isdigit() for word in arguments):
        if lacking := missing():
            print(f"skipped: {lacking}")
            return
        for word in arguments or ["1"]:
            with tempfile.TemporaryDirectory() as folder:
                store = brought_up(int(word), Path(folder))
                if (store / "store.db").exists():
                    show(found := table(store))
                    ready = [row["ready"] for row in found.values() if "ready" in row]
                    if ready:
                        figure(f"ready, {word} machines", statistics.median(ready), "s")
        return
    for word in arguments:
        print(f"== {word}")
        show(table(Path(word)))


if __name__ == "__main__":
    racks = [int(word) for word in sys.argv[1:] if word.isdigit()] or [1]
    raise SystemExit(run("qemu", lambda: main(sys.argv[1:]), sum(2100 + 600 * nodes for nodes in racks)))
