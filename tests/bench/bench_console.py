"""The console in a real pty at 80x24: first paint, idle, 200 changes a second, key to screen. `python tests/bench/bench_console.py [NODES ...]`

`attached`: a process of its own holds the store, commits the changes and serves the socket; the console is `crowbar --store DIR`. `embedded`: the same changes
come from a thread of the console's process, as an engine's would. First paint is from exec to the first row of a node on the terminal. A key is `?`, which opens
the help, until its title has come; in between it is closed again. One start before the measured one compiles the program, as an installation does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.core.world.load import load_world

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from limits import figure, run, waiting_for

RATE = 200
SIZES = (1000, 5000)
IDLE_S, STORM_S, KEYS = 5.0, 6.0, 40
LIMIT_S = 300.0
"""Of one size."""


ROLES = ("inventory", "lldp", "bmc-discover", "bios-configure", "raid-configure", "os-install", "ntp-client", "ready")


def make(store: Path, nodes: int) -> None:
    """A store with a plan, so many nodes and their roles, most of them at work."""
    from msgspec import to_builtins

    from engine.events import Happened, Outcome, Started
    from engine.files import plan_file
    from engine.files.catalog import shipped
    from engine.model import Meta, Revision
    from engine.store.store import Store

    catalog = shipped()
    names = [n for n in ROLES if n in catalog.roles]
    now = time.time()
    plan = to_builtins(plan_file.read_file(ROOT / "crowbar_tui" / "plans" / "one-node.yml", catalog), enc_hook=list)
    changes: list[Any] = [
        ("meta", (), Meta(installation="bench", nodes=nodes)),
        ("revisions", 1, Revision(number=1, who="bench", at=now, plan=plan)),  # without a plan the console opens its wizard
    ]
    batch: list[Any] = [(Happened(now, 1.0, Started(installation="bench", admin="admin")), changes)]
    for number in range(nodes):  # a row of the journal each, as an engine writes them
        mine: list[Any] = [("nodes", f"n{number}", _node(number, now))]
        mine += [("node_roles", (role.node, role.role), role) for role in _roles(number, names, now)]
        batch.append((Happened(now, 1.0, Outcome(attempt=f"b-{number}.0", node=f"n{number}", what="done")), mine))
    with Store.open(store) as opened:
        opened.commit(batch)


def _node(number: int, now: float) -> Any:
    from engine.model import Kind, Node, Place, Signal

    return Node(
        id=f"n{number}",
        name=f"node-{number}.r1.example.net",
        kind=Kind.SERVER,
        serial=f"S{number}",
        macs=(f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",),
        family="PowerEdge R640",
        stage="hardware",
        runs="sledgehammer",
        boot_id="b",
        alive=True,
        allocated=True,
        place=Place(rack=f"r{number // 40}", unit=number % 40 + 1),
        signal=Signal.HELLO,
        signal_at=now - 100,
        since=now - 50,
    )


def _roles(number: int, names: list[str], now: float) -> Iterator[Any]:
    """A chain: three are done, one is at work, the others wait."""
    from engine.model import NodeRole, State

    before: tuple[Any, ...] = ()
    for place, name in enumerate(names):
        yield NodeRole(
            node=f"n{number}",
            role=name,
            deployment="system",
            state=State.ACTIVE if place < 3 else State.TRANSITION if place == 3 else State.WAITING,
            parents=before,
            rank=100.0 - place,
            approved="op",
            started=now - 60,
            ended=now - 55,
            since=now - 60,
            attempt=f"b-{number}",
        )
        before = ((f"n{number}", name),)


class Storm:
    """Commits RATE changes a second while it is on: roles that go from active to transition and back."""

    def __init__(self, store: Path) -> None:
        from engine.files.catalog import shipped
        from engine.store.store import Store

        self.store = Store.open(store)
        self.world = load_world(shipped(), self.store.load())
        self.seq = self.store.seq
        self.on = threading.Event()
        self._said = threading.Condition()

    def run(self) -> None:
        from msgspec.structs import replace

        from engine.core.world.work import Work
        from engine.events import Happened, Outcome
        from engine.model import State

        chance = random.Random(1)
        nodes = sorted(n for n in self.world.nodes if n.startswith("n"))
        while True:
            self.on.wait()
            begun = time.monotonic()
            batch = []
            for _ in range(RATE // 10):
                node = chance.choice(nodes)
                role = self.world.node_roles[(node, "bios-configure")]
                at = time.time()
                new = replace(role, state=State.ACTIVE if role.state is State.TRANSITION else State.TRANSITION, since=at, started=at)
                record = replace(self.world.nodes[node], signal_at=at)
                work = Work(self.world)
                work.put(new)
                work.put(record)
                self.world = work.finish(keep_touched=False)
                event = Outcome(attempt=f"{role.attempt}.0", node=node, what="done")
                batch.append((Happened(at, 2.0, event), [("node_roles", new.key, new), ("nodes", node, record)]))
            self.store.commit(batch)
            with self._said:
                self.seq = self.store.seq
                self._said.notify_all()
            time.sleep(max(0.1 - (time.monotonic() - begun), 0.0))

    # -- what a console asks -----------------------------------------------------------------------------------------

    failure = ""

    def wait(self, seq: int, timeout_s: float) -> int:
        with self._said:
            self._said.wait_for(lambda: self.seq > seq, timeout_s)
            return self.seq

    def health(self) -> dict[str, Any]:
        return {"now": 2.0, "waiting": {}, "turned_away": {}, "failure": ""}

    def progress(self) -> dict[str, Any]:
        return {"nodes": {}, "seq": self.seq}

    def ask_to_stop(self, who: str) -> None:
        os._exit(0)


def switch(storm: Storm) -> None:
    threading.Thread(target=storm.run, daemon=True).start()
    signal.signal(signal.SIGUSR1, lambda *_: storm.on.set())
    signal.signal(signal.SIGUSR2, lambda *_: storm.on.clear())


def hold(store: Path) -> None:
    """The other process: holds the store and serves the socket."""
    from engine.attach.server import AttachService

    storm = Storm(store)
    switch(storm)
    AttachService(store, storm).start()  # type: ignore[arg-type]
    print("ready", flush=True)
    while True:
        time.sleep(60)


def inside(store: Path) -> None:
    """The console with the storm in its own process."""
    from crowbar_tui.console.app import Console
    from crowbar_tui.console.source import Embedded

    sys.setswitchinterval(0.0005)  # as the engine sets it
    storm = Storm(store)
    switch(storm)
    shape = type("Engine", (SimpleNamespace,), {"world": property(lambda _: storm.world), "seq": property(lambda _: storm.seq)})
    engine = shape(config=SimpleNamespace(store=store), wait=storm.wait, failure="")
    Console(Embedded(engine, storm, "bench")).run(mouse=False)  # type: ignore[arg-type]


class Screen:
    """A pty with a program in it."""

    def __init__(self, *words: str) -> None:
        self.begun = time.monotonic()
        first_in_line = _autogroup()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            with contextlib.suppress(OSError):
                Path("/proc/self/autogroup").write_text(first_in_line)  # a new session would have the usual priority
            os.environ.update(TERM="linux", LANG="C.UTF-8")
            for name in ("COLORTERM", "PYTHONDONTWRITEBYTECODE"):
                os.environ.pop(name, None)
            os.execv(words[0], list(words))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.octets = 0

    def read(self, seconds: float) -> bytes:
        ready, _, _ = select.select([self.fd], [], [], max(seconds, 0))
        if not ready:
            return b""
        with contextlib.suppress(OSError):
            data = os.read(self.fd, 65536)
            self.octets += len(data)
            return data
        return b""

    def wait(self, words: bytes, seconds: float = 60.0) -> float:
        """Seconds from now until these words have come."""
        begun = time.monotonic()
        seen = b""
        with waiting_for(f"{words!r} on the terminal"):
            while words not in seen:
                if time.monotonic() - begun > seconds:
                    raise SystemExit(f"{words!r} did not come in {seconds:g} s; the terminal says {seen[-300:]!r}")
                data = self.read(1.0)
                if not data and self.ended():
                    raise SystemExit(f"the program ended before {words!r} came; the terminal says {seen[-300:]!r}")
                seen = seen[-4096:] + data
        return time.monotonic() - begun

    def ended(self) -> bool:
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
        return not self.pid

    def drain(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(end - time.monotonic())

    def worker(self) -> int:
        """The process that draws: the supervisor's child, or the program itself."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rpartition(")")[2].split()[1]) == self.pid:
                    return int(stat.parent.name)
        return self.pid

    def close(self) -> None:
        """Ends the program and the process that draws."""
        pids = {self.worker(), self.pid} - {0}
        if self.pid:
            with contextlib.suppress(OSError):
                os.write(self.fd, b"q")
            self.drain(1.0)
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self.pid:
            with contextlib.suppress(OSError):
                os.waitpid(self.pid, 0)
        os.close(self.fd)


def _autogroup() -> str:
    """The priority of this session among the others (sched(7)): a nice value."""
    with contextlib.suppress(OSError):
        return Path("/proc/self/autogroup").read_text().split()[-1]
    return "0"


def used(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


def share(screen: Screen, pid: int, seconds: float) -> tuple[float, float]:
    """Part of a core, and octets a second."""
    cpu, octets, begun = used(pid), screen.octets, time.monotonic()
    screen.drain(seconds)
    took = time.monotonic() - begun
    return (used(pid) - cpu) / took, (screen.octets - octets) / took


def keys(screen: Screen) -> list[float]:
    """Seconds from key to screen, sorted."""
    out = []
    chance = random.Random(2)
    for _ in range(KEYS):
        screen.drain(0.05 + chance.random() * 0.1)
        os.write(screen.fd, b"?")
        out.append(screen.wait(b"what can I do", 20.0))
        screen.drain(0.05)
        os.write(screen.fd, b"u")  # any key closes it
        screen.drain(0.05)
    return sorted(out)


def measure(name: str, nodes: int, words: list[str], other: int | None) -> None:
    first = Screen(*words)
    try:
        first.wait(b"node-0", 120.0)
    finally:
        first.close()
    screen = Screen(*words)
    try:
        _measure(screen, name, nodes, other)
    finally:
        screen.close()


def _measure(screen: Screen, name: str, nodes: int, other: int | None) -> None:
    first = screen.wait(b"node-0", 120.0)
    screen.drain(2.0)
    pid = screen.worker()
    stormy = other or pid
    idle, quiet = share(screen, pid, IDLE_S)
    still = keys(screen)
    os.kill(stormy, signal.SIGUSR1)
    screen.drain(2.0)
    busy, loud = share(screen, pid, STORM_S)
    storm = keys(screen)
    os.kill(stormy, signal.SIGUSR2)
    rss = memory(pid)
    p95 = int(KEYS * 0.95) - 1
    print(
        f"{name:<9}{nodes:>6} nodes  first paint {first:5.2f} s  idle {idle * 100:4.1f} % {quiet:5.0f} B/s  "
        f"{RATE}/s {busy * 100:5.1f} % {loud / 1000:5.2f} kB/s  key p50 {still[KEYS // 2] * 1000:4.0f} p95 {still[p95] * 1000:4.0f} ms, "
        f"in the storm p50 {storm[KEYS // 2] * 1000:4.0f} p95 {storm[p95] * 1000:4.0f} ms  {rss} MB",
        flush=True,
    )
    for what, value, unit in (
        ("first paint", first, "s"),
        ("idle", idle * 100, "% of a core"),
        (f"{RATE} changes a second", busy * 100, "% of a core"),
        ("key to screen, p50", still[KEYS // 2] * 1000, "ms"),
        ("key to screen, p95", still[p95] * 1000, "ms"),
        ("key to screen in the storm, p50", storm[KEYS // 2] * 1000, "ms"),
        ("key to screen in the storm, p95", storm[p95] * 1000, "ms"),
        ("memory", rss, "MB"),
    ):
        figure(f"{what}, {name}, {nodes:,} nodes", value, unit)


def sizes() -> list[int]:
    return [int(a) for a in sys.argv[1:]] or list(SIZES)


def main() -> None:
    for nodes in sizes():
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store"
            make(store, nodes)
            with subprocess.Popen([sys.executable, __file__, "hold", str(store)], stdout=subprocess.PIPE) as holder:
                try:
                    assert holder.stdout is not None
                    with waiting_for("the process that holds the store"):
                        if not holder.stdout.readline():
                            raise SystemExit("the process that holds the store ended before it was ready")
                    measure("attached", nodes, [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store)], holder.pid)
                finally:
                    holder.kill()
            measure("embedded", nodes, [sys.executable, __file__, "inside", str(store)], None)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("hold", "inside"):
        {"hold": hold, "inside": inside}[sys.argv[1]](Path(sys.argv[2]))
    else:
        raise SystemExit(run("console", main, LIMIT_S * len(sizes())))
