"""Racks from powered off to ready, on loopback, with all machines powered on at once: `python tests/bench/bench_rack.py [NODES ...]` (100 1000).

Each rack has a process of its own for the engine and one for the machines. `engine cpu` and `rss` are of the engine's; `rack cpu` that of
the machines, whose own work (firmware, tasks) takes no time.

* `lost`: DHCP exchanges without an answer.
* `dhcp again`: received requests beyond the expected number (3 exchanges a network boot, 2 packets each). A repeated request looks like a
  first one on the wire.
* `tftp again`: windows that were sent again.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from limits import figure, run, waiting_for

from engine.files import plan_file
from engine.files.catalog import shipped
from engine.rehearsal.session import Rehearsal, with_nodes
from engine.runtime.inbox import Inbox
from engine.runtime.loop import Loop
from engine.views.summary import settled, summary

LIMIT_S = 900.0


def cpu_of(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Stopwatch:
    """Milliseconds from handing each event in to the start of its effects, around the inbox and the batches of the engines of this process."""

    def __init__(self) -> None:
        self.took: list[float] = []
        since: dict[int, float] = {}
        put, packets, batch = Inbox.put, Inbox.put_packets, Loop._batch

        def put_one(inbox: Inbox, event: Any, *, wait: bool = True) -> bool:
            since[id(event)] = time.monotonic()
            return put(inbox, event, wait=wait)

        def put_many(inbox: Inbox, events: Sequence[Any]) -> int:
            now = time.monotonic()
            since.update((id(event), now) for event in events)
            return packets(inbox, events)

        def timed(loop: Any, waiting: list[Any]) -> int:
            done = batch(loop, waiting)
            now = time.monotonic()
            self.took += [1000 * (now - since.pop(id(h.event))) for h in waiting[:done] if id(h.event) in since]
            return done

        Inbox.put, Inbox.put_packets, Loop._batch = put_one, put_many, timed  # type: ignore[method-assign]

    def at(self, share: float) -> float:
        took = sorted(self.took)
        return took[min(int(share * len(took)), len(took) - 1)]


def one(nodes: int) -> dict[str, float | int | str]:
    """Brings a rack of so many machines up in this process."""
    plan = plan_file.read_file(ROOT / "crowbar_tui" / "plans" / "one-node.yml", shipped())
    with tempfile.TemporaryDirectory() as folder:
        run = Rehearsal(Path(folder) / "store", with_nodes(plan, nodes), nodes, 1, "max", "bench", "loopback")
        watch = Stopwatch()
        began, cpu = time.monotonic(), time.process_time()
        with run:
            assert run.rack is not None
            while (state := settled(run.engine.world, nodes)) != "ready" and time.monotonic() - began < LIMIT_S:
                run.engine.wait(run.engine.seq, 2.0)
                time.sleep(0.5)
            seconds, used = time.monotonic() - began, time.process_time() - cpu
            status, rack_cpu = run.rack.status(), cpu_of(run.rack.pid)
            health, found = run.engine.health(), summary(run.engine.world)
            dhcp, tftp = run.engine.services.dhcp, run.engine.services.tftp
            assert dhcp is not None
            assert tftp is not None
            counts = status["counters"]
            return {
                "nodes": nodes,
                "state": state or "not ready",
                "ready": found.ready,
                "seconds": seconds,
                "engine cpu": used,
                "rack cpu": rack_cpu,
                "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "events": health.events,
                "batches": health.batches,
                "slowest": health.slowest_s,
                "slow event": health.slowest,
                "p50": watch.at(0.5),
                "p99": watch.at(0.99),
                "lost": counts.get("dhcp-unanswered", 0),
                "dhcp heard": dhcp.counters.received,
                "answered": counts.get("dhcp-answered", 0),
                "tftp again": getattr(tftp.counters, "resent", 0),
                "turned away": sum(health.turned_away.values()),
                "boots": found.boots,
                "waiting": json.dumps(sorted({w.code for w in found.waiting.values()})),
            }


def main(words: list[str]) -> int:
    print(f"load before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print(
        "nodes  ready  seconds  engine cpu  ms/node  rack cpu  rss MB  events  slowest ms  p50 ms  p99 ms  dhcp lost  heard/answered  tftp again  turned away  boots"
    )
    for nodes in [int(word) for word in words] or [100, 1000]:
        with waiting_for(f"a rack of {nodes} machines"):
            done = subprocess.run([sys.executable, __file__, "--one", str(nodes)], capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        r = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{r['nodes']:5}  {r['ready']:5}  {r['seconds']:7.1f}  {r['engine cpu']:10.1f}  {1000 * r['engine cpu'] / nodes:7.0f}  "
            f"{r['rack cpu']:8.1f}  {r['rss']:6.0f}  {r['events']:6}  {1000 * r['slowest']:10.1f}  {r['p50']:6.2f}  {r['p99']:6.1f}  {r['lost']:9}  "
            f"{r['dhcp heard']:6}/{r['answered']:<7}  {r['tftp again']:10}  {r['turned away']:11}  {r['boots']:5}  {r['slow event']}  {r['waiting']}",
            flush=True,
        )
        figure(f"engine's CPU a node, {nodes:,} nodes", 1000 * r["engine cpu"] / nodes, "ms")
        figure(f"all ready, {nodes:,} nodes", r["seconds"], "s")
        figure(f"engine's memory, {nodes:,} nodes", r["rss"], "MB")
        if r["state"] != "ready":
            print(f"{r['ready']} of {nodes} nodes were ready after {r['seconds']:.0f} s; waiting for: {r['waiting']}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(int(sys.argv[2]))))
    else:
        raise SystemExit(run("rack", lambda: main(sys.argv[1:]), 2 * LIMIT_S + 120))
