"""Commits on a large rack: `python tests/bench/bench_commit.py [NODES]`, 1,000 without a number. `fifty` describes the rack.

Four commits, one after another: the first one, which binds fifty roles on each node; the same plan again; one attribute that one role of each
node reads; and half of the nodes in another group. Of each, alone in a process: seconds of the preview (`plan diff`), of the check on a
snapshot, of all pieces with their store commits, and the longest piece. Then what a finished role costs at 100 nodes and at all.

Then the whole engine on loopback, in a process of its own: it carries out the same commits while known machines ask for addresses, RATE
exchanges of four packets a second, each answer durable before it leaves. Of the answers: p50, p99 and the longest time, before, in and after the
commits, and how many were lost. Times are of the processor unless they say wall; wall times of a busy machine are longer.
"""

from __future__ import annotations

import gc
import json
import random
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core"), str(ROOT / "tests" / "bench")]

import fifty
from limits import figure, run, waiting_for
from msgspec.structs import replace

from engine.core.plan import pieces
from engine.core.plan.diff import diff
from engine.core.step import step
from engine.core.world.work import Work
from engine.effects import Accept, Start
from engine.events import Commit, Continue, Event, Happened, Outcome
from engine.plan import Plan
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.store.store import Store
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, decode_reply, encode_request
from engine.wire.reach import Reach

LIMIT_S = 420.0
LANE = 71
RELAY = "192.168.0.2"
RATE = 50
CLIENTS = 400
QUIET_S = 8.0
"""Seconds of asking before the commits and after them."""
SAMPLE = 1200


def plans(nodes: int) -> list[tuple[str, Plan]]:
    return [
        ("first", fifty.wanted(first=nodes // 2)),
        ("same", fifty.wanted(first=nodes // 2)),
        ("attribute", fifty.wanted(first=nodes // 2, c07=99)),
        ("group", fifty.wanted(first=nodes, c07=99)),
    ]


# -- alone ----------------------------------------------------------------------------------------------------------


class Rack:
    """A world and its store, without an engine."""

    def __init__(self, nodes: int, directory: Path) -> None:
        self.world, batch = fifty.rack(nodes)
        self.store = Store.open(directory)
        self.store.commit(batch)
        self.started: list[Start] = []

    def feed(self, event: Event, now: float = 1.0) -> Work:
        work = Work(self.world)
        happened = Happened(now, now, event)
        rows = step(work, happened)
        self.world = work.finish()
        self.store.commit([(happened, rows)])
        self.started += [one for one in work.effects if isinstance(one, Start)]
        gc.freeze()
        return work

    def commit(self, plan: Plan) -> list[float]:
        """Seconds of each piece, the first among them."""
        event: Event = replace(Commit(who="bench", plan=plan), checked=True)
        out = []
        while True:
            begun = time.thread_time()
            work = self.feed(event)
            out.append(time.thread_time() - begun)
            if not work.binding:
                return out
            event = Continue()

    def begin(self) -> list[Start]:
        """All are looked at, and the first are started."""
        while self.feed(Continue()).rest:
            pass
        return self.started


def alone(nodes: int, directory: Path) -> None:
    gc.unfreeze()
    rack = Rack(nodes, directory / "alone")
    gc.collect()
    gc.freeze()
    print(f"{'commit':<10} {'preview s':>10} {'check s':>8} {'pieces s':>9} {'longest ms':>11} {'pieces':>7}")
    for name, plan in plans(nodes):
        begun = time.thread_time()
        assert diff(rack.world, plan).refused is None
        shown = time.thread_time()
        check = pieces.checked(rack.world, Commit(who="bench", plan=plan))
        assert check is None or check().refused is None  # type: ignore[attr-defined]
        checked = time.thread_time()
        many = rack.commit(plan)
        print(f"{name:<10} {shown - begun:10.2f} {checked - shown:8.2f} {sum(many):9.2f} {max(many) * 1e3:11.1f} {len(many):7}", flush=True)
        figure(f"preview, {name}", shown - begun, "s")
        figure(f"commit, {name}", checked - shown + sum(many), "s")
    rack.store.close()


def role_us(nodes: int, directory: Path) -> float:
    """Microseconds a finished role, of the step alone, 32 a batch."""
    gc.unfreeze()
    rack = Rack(nodes, directory / f"roles{nodes}")
    rack.commit(fifty.wanted(first=nodes // 2))
    running, world, times, done = rack.begin(), rack.world, 0.0, 0
    rack.store.close()
    gc.collect()
    gc.freeze()
    while running and done < min(SAMPLE, nodes * fifty.HARDWARE):
        some, running = running[:32], running[32:]
        best = []
        for _ in range(5):
            begun, work = time.thread_time(), Work(world)
            for start in some:
                gave = {start.role.replace("r", "g", 1): start.attempt}
                step(work, Happened(2.0, 2.0, Outcome(attempt=start.attempt, node=start.node, what="done", gives=gave)))
            after = work.finish()
            best.append(time.thread_time() - begun)
        times += min(best)
        world, done = after, done + len(some)
        running += [one for one in work.effects if isinstance(one, Start)]
    return times / done * 1e6


# -- with the engine --------------------------------------------------------------------------------------------------


def engine(store: str) -> None:
    """The engine as a process: answers `commit N` with the wall seconds, and `memory` with megabytes."""
    config = Config(store=Path(store), keys=Path(store + ".keys"), reach=Reach(LANE), synthetic=True, silence_s=3600.0)
    it = Engine(config, catalog=fifty.fifty())
    begun = time.perf_counter()
    it.start()
    say(time.perf_counter() - begun)
    nodes = len(it.world.nodes) - 1
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "commit":
            begun = time.perf_counter()
            answer = it.commit(plans(nodes)[int(number)][1], "bench")
            assert isinstance(answer, Accept), answer
            say(time.perf_counter() - begun)
        else:
            say(int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024)
    assert not it.failure, it.failure
    assert not it.health().letters, it.health().letters
    it.stop()


def say(value: float) -> None:
    print(json.dumps(value), flush=True)


class Clients(threading.Thread):
    """Known machines that ask, at a steady rate, through a relay. `answers`: (when asked, seconds until the answer; None: lost)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        reach = Reach(LANE)
        self.answers: list[tuple[float, float | None]] = []
        self._server = reach(fifty.INTERFACE, 67)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(reach(RELAY, 67))
        self._open: dict[int, tuple[float, DhcpRequest]] = {}
        self._numbers: Iterator[int] = iter(range(1, 1 << 31))
        self._ended = threading.Event()

    def run(self) -> None:
        chance, next_at = random.Random(1), time.perf_counter()
        while not self._ended.is_set():
            now = time.perf_counter()
            if now >= next_at:
                next_at += 1 / RATE
                self._ask(DhcpRequest(kind=DhcpKind.DISCOVER, xid=0, mac=fifty.mac(chance.randrange(CLIENTS)), vendor_class="udhcp 1.35"))
            ready, _, _ = select.select([self._socket], [], [], max(next_at - time.perf_counter(), 0.0))
            if ready:
                self._take(decode_reply(self._socket.recv(4096)), time.perf_counter())

    def _ask(self, request: DhcpRequest) -> None:
        request = replace(request, xid=next(self._numbers), giaddr=RELAY, hops=1)
        self._open[request.xid] = time.perf_counter(), request
        self._socket.sendto(encode_request(request), self._server)

    def _take(self, reply: DhcpReply, now: float) -> None:
        found = self._open.pop(reply.to.xid, None)
        if found is None:
            return
        self.answers.append((found[0], now - found[0]))
        if reply.kind is DhcpKind.OFFER:
            self._ask(replace(found[1], kind=DhcpKind.REQUEST, requested=reply.yiaddr, server_id=reply.server_id))

    def end(self) -> list[tuple[float, float | None]]:
        self._ended.set()
        self.join()
        return self.answers + [(asked, None) for asked, _ in self._open.values()]


def told(name: str, answers: list[tuple[float, float | None]], spans: list[tuple[float, float]]) -> None:
    here = [took for asked, took in answers if any(begun <= asked < end for begun, end in spans)]
    times = sorted(took * 1e3 for took in here if took is not None)
    p50, p99, worst = (times[min(len(times) * part // 100, len(times) - 1)] for part in (50, 99, 100))
    print(f"{name:<10} {len(here):8} {p50:8.1f} {p99:8.1f} {worst:8.1f} {len(here) - len(times):6}", flush=True)
    figure(f"DHCP p99, {name}", p99, "ms")
    figure(f"DHCP lost, {name}", len(here) - len(times), "answers")


def with_engine(nodes: int, directory: Path) -> None:
    Rack(nodes, directory / "engine").store.close()
    words = [sys.executable, __file__, "engine", str(directory / "engine")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(word: str = "") -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        if word:
            process.stdin.write(word + "\n")
        with waiting_for(f"the engine to answer {word or 'that it runs'}"):
            return float(json.loads(process.stdout.readline()))

    try:
        ask()
        clients = Clients()
        clients.start()
        before = (time.perf_counter(), time.perf_counter() + QUIET_S)
        time.sleep(QUIET_S)
        spans: list[tuple[float, float]] = []
        after: list[tuple[float, float]] = []
        for number, (name, _) in enumerate(plans(nodes)):
            begun = time.perf_counter()
            took = ask(f"commit {number}")
            spans.append((begun, time.perf_counter()))
            print(f"commit of {name}: {took:.2f} s wall, {ask('memory'):.0f} MB")
            figure(f"commit by the engine, {name}", took, "s")
            time.sleep(QUIET_S / 4)
            after.append((spans[-1][1], time.perf_counter()))
        time.sleep(QUIET_S / 4)
        answers = clients.end()
        print(f"\n{'DHCP':<10} {'packets':>8} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'lost':>6}")
        told("before", answers, [before])
        for (name, _), span in zip(plans(nodes), spans, strict=True):
            told(f"in {name}"[:10], answers, [span])
        told("in all", answers, spans)
        told("after", answers, after)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
        again = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert again.stdout is not None
        started = float(json.loads(again.stdout.readline()))
        print(f"start of an engine on this store: {started:.2f} s wall")
        figure("start", started, "s")
        again.wait(60)
    finally:
        process.kill()


def main(nodes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        alone(nodes, directory)
        small, large = role_us(100, directory), role_us(nodes, directory)
        print(f"finished role: {small:.0f} us at 100 nodes, {large:.0f} us at {nodes}: {large / small:.2f}\n", flush=True)
        figure("finished role, ratio", large / small, "")
        with_engine(nodes, directory)


if __name__ == "__main__":
    if sys.argv[1:2] == ["engine"]:
        engine(sys.argv[2])
    else:
        raise SystemExit(run("commit", lambda: main(int(sys.argv[1]) if sys.argv[1:] else 1000), LIMIT_S))
