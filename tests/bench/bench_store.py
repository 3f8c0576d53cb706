"""Events per second that the store makes durable, by size of the commit: `python tests/bench/bench_store.py
[DIRECTORY]`.

Two events, each with one journal row: the outcome of an attempt, which changes a node role and its node (1.3 kB of
journal), and a DHCP offer, which changes a lease and a sighting (0.6 kB). Reported beside
it: the time of one fdatasync on the same disk, the bound of the first line, and what a commit takes of the processor at least.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

from limits import figure, run

from engine.events import DhcpAsked, Happened, Outcome
from engine.model import Intent, Lease, Node, NodeRole, Sighting, State
from engine.store.store import Change, Store
from engine.wire.dhcp import DhcpKind, DhcpRequest

NODES, ROLES = 1000, 20
LIMIT_S = 300.0
PARENTS = (("n0001", "raid-configure"), ("n0001", "network-admin"))


def outcome(i: int) -> tuple[Happened, list[Change]]:
    node, role = f"n{i % NODES:04}", f"role-{i // NODES % ROLES:02}"
    n = Node(
        id=node,
        name=f"{node}.example.net",
        uuid="4c4c4544-0042-3510-8052-b4c04f4e3432",
        serial="B5RN42",
        macs=("52:54:00:00:00:01", "52:54:00:00:00:02"),
        stage="system",
        runs="debian-12",
        boot_id="0b6a8f0e-1a1c-4a53-8c3e-1f8a43a7c001",
        address="192.168.124.81",
        intent=Intent(environment="debian-12", generation=3),
        alive=True,
        allocated=True,
        since=1.7e9 + i,
    )
    r = NodeRole(
        node=node,
        role=role,
        deployment="cloud",
        state=State.ACTIVE,
        parents=PARENTS,
        rank=120.0,
        attempt=f"3f2a-{i}",
        leg=1,
        try_hash="a" * 32,
        ran_hash="a" * 32,
        gave={"addresses": ["192.168.124.81"]},
        started=1.7e9,
        ended=1.7e9 + 5,
        since=1.7e9 + i,
    )
    event = Outcome(attempt=f"3f2a-{i}.1", node=node, what="done", gives={"addresses": ["192.168.124.81"]})
    return Happened(1.7e9 + i, float(i), event), [("node_roles", (node, role), r), ("nodes", node, n)]


def offer(i: int) -> tuple[Happened, list[Change]]:
    mac, address = f"52:54:00:00:{i // 200 % 25:02x}:{i % 200:02x}", f"192.168.{124 + i // 200 % 25}.{i % 200}"
    lease = Lease(address=address, mac=mac, network="admin", state="offered", expires=float(i + 60))
    sighting = Sighting(mac=mac, kind="boot-rom", arch=7, vendor="PXEClient", address=address, last=1.7e9 + i)
    event = DhcpAsked(request=DhcpRequest(kind=DhcpKind.DISCOVER, xid=i, mac=mac), interface="eth1")
    return Happened(1.7e9 + i, float(i), event), [("leases", address, lease), ("sightings", mac, sighting)]


def sync_ms(directory: str) -> float:
    fd = os.open(os.path.join(directory, "sync"), os.O_RDWR | os.O_CREAT, 0o600)
    times = []
    for _ in range(200):
        os.pwrite(fd, b"x" * 4096, 0)
        start = time.perf_counter()
        os.fdatasync(fd)
        times.append(time.perf_counter() - start)
    os.close(fd)
    return sorted(times)[100] * 1e3


def main() -> None:
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        print(f"one fdatasync: {sync_ms(directory):.2f} ms\n")
        print("| event | a commit | events/s | us an event | longest commit, ms | its processor, us an event |\n|---|---|---|---|---|---|")
        for make in (outcome, offer):
            for size, total in ((1, 1_000), (10, 10_000), (100, 30_000)):
                with Store.open(os.path.join(directory, make.__name__ + str(size))) as store:
                    batches = [[make(i) for i in range(k, k + size)] for k in range(0, total, size)]
                    longest, least = 0.0, 1.0
                    start = last = time.perf_counter()
                    for batch in batches:
                        begun = time.thread_time()
                        store.commit(batch)
                        least = min(least, time.thread_time() - begun)
                        last, before = time.perf_counter(), last
                        longest = max(longest, last - before)
                    took = last - start
                    figures = f"{total / took:,.0f} | {took / total * 1e6:.1f} | {longest * 1e3:.1f} | {least / size * 1e6:.1f}"
                    print(f"| {make.__name__} | {size} | {figures} |", flush=True)
                    figure(f"{make.__name__}, a commit of {size}", took / total * 1e6, "us")
                    figure(f"{make.__name__}, a commit of {size}, its processor", least / size * 1e6, "us")
        with Store.open(os.path.join(directory, "outcome100")) as store:
            start = time.perf_counter()
            rows = sum(map(len, store.load().values()))
            print(f"\nload: {rows:,} rows in {(took := time.perf_counter() - start):.2f} s")
            figure("load, a row", took / rows * 1e6, "us")
            start = time.perf_counter()
            folded = store.prune(1)
            print(f"prune: {folded} journal rows in {(time.perf_counter() - start) * 1e3:.1f} ms")


if __name__ == "__main__":
    raise SystemExit(run("store", main, LIMIT_S))
