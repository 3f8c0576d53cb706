"""An idle rack costs nothing: a week in virtual time, through the real loop, core, runner and store.

Machines in sledgehammer poll and renew their leases. Installed systems say nothing until the engine asks them. BMCs and a switch renew
their leases, and strangers ask in vain. None of this may add a row to the journal, and the files may not grow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from msgspec.structs import replace

from engine.core.world.load import load_world
from engine.requests import Asker, Request

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "core"))

from catalogs import USUAL, plan
from world_rig import WorldRig, mac, tables

from engine.core.step import step
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.effects import SendDhcp, SetPower
from engine.events import DhcpAsked, DhcpOverheard, Event, Happened, Hello, PowerSet, Started
from engine.jigs.logs import Logs
from engine.model import Lease, State
from engine.runtime.contact import silent_nodes
from engine.runtime.last_values import LastValues
from engine.runtime.loop import Clock, Loop
from engine.runtime.power_orders import PowerOrders
from engine.runtime.runner import Ports, Runner
from engine.runtime.watch import Chores
from engine.store.store import STAMP_S, Store
from engine.wire.dhcp import DhcpKind, DhcpRequest
from engine.wire.reach import Reach

DAY_S = 86_400
STEP_S = 30
POLL_S, RENEW_S, SILENCE_S = 60, 1800, 90.0
DISCOVERED, READY, LOST = ("n1", "n2", "n3"), ("n4", "n5", "n6"), "n7"


class AtOnce:
    """A pool of threads that has none."""

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        out: Future[Any] = Future()
        out.set_result(call(*arguments))
        return out

    def shutdown(self, **_: Any) -> None:
        pass


class NoPower:
    """BMCs that say that all is on."""

    def set_power(self, effect: SetPower, _node: Any) -> PowerSet:
        return PowerSet(node=effect.node, action=effect.action, who=effect.who, request=effect.request, state="on")


def start(folder: Path, lost: bool) -> None:
    """The store of a rack that is at rest."""
    d = WorldRig(USUAL, plan({}))
    for node in DISCOVERED:
        d.server(node, stage="discovery", allocated=False, hold=True)
    for node in (*READY, *([LOST] if lost else [])):
        d.server(node, stage="system", runs="debian-12", allocated=True, alive=node != LOST, missed=0 if node != LOST else 3)
        d.role("ready", node, state=State.ACTIVE, succeeded=True)
    with Store.open(folder) as store:
        rows = [(table, key, row) for table, records in tables(d.world).items() for key, row in records.items()]
        store.commit([(Happened(1e9, 100.0, Started(installation="i", admin="admin")), rows)])


class EngineRun:
    """One run of an engine on the store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seconds, self.sent = folder, 0.0, 0
        self.store = Store.open(folder)
        self.logs = Logs(folder / "logs")
        self.last_values = LastValues(self.wall, self.mono)
        self.runner = Runner(
            Ports(
                submit=self.submit,
                world=lambda: self.loop.world,
                send_dhcp=self.send,
                answer=lambda _: None,
                jigs={},
                power=cast(PowerOrders, NoPower()),
                proofs=cast(Any, None),
                is_there=lambda node, _target: node.id != LOST,
                open_handle=lambda *_: None,
                secrets=lambda: (),
                reach=Reach(None),
                last_values=self.last_values,
            )
        )
        self.runner._pool = cast(Any, AtOnce())
        self.loop: Loop[World] = Loop(
            store=self.store,
            world=load_world(USUAL, self.store.load()),
            apply=step,
            work=Work,
            run_effects=self.runner.run,
            clock=Clock(wall=self.wall, monotonic=self.mono),
        )
        self.chores = Chores(self.submit, self.logs, self.mono, self.wall)
        self.loop.begin(Started(installation="i", admin="admin"))

    def wall(self) -> float:
        return 1e9 + self.seconds

    def mono(self) -> float:
        return self.seconds

    def submit(self, event: Event) -> bool:
        return self.loop.submit(event)

    def send(self, replies: list[SendDhcp]) -> None:
        """A lease is durable before its answer leaves, though no row tells of it."""
        self.sent += len(replies)
        if self.sent % 500 == 1:
            with Store.read(self.folder) as reader:
                kept = reader.table("leases")
            for reply in (r.reply for r in replies if r.reply.yiaddr):
                assert cast(Lease, kept[reply.yiaddr]).expires >= self.loop.now() + reply.lease_s - 1

    def ask(self, number: int, vendor: str = "", kind: DhcpKind = DhcpKind.REQUEST, address: str = "") -> None:
        request = DhcpRequest(kind=kind, xid=1, mac=mac(number), vendor_class=vendor, ciaddr=address)
        self.submit(DhcpAsked(request=request, interface="eth1"))

    def rest(self, seconds: int) -> None:
        """Let so much time go by."""
        for _ in range(0, seconds, STEP_S):
            self.seconds += STEP_S
            now = int(self.seconds)
            if now % POLL_S == 0:
                for node in DISCOVERED:
                    self.last_values.contact(node)
            if now % RENEW_S == 0:
                for i in range(1, 4):
                    self.ask(i, address=f"10.0.0.{20 + i}")
                    self.ask(100 + i, "iDRAC", address=f"10.0.0.{30 + i}")
                self.ask(110, "cumulus-linux", address="10.0.0.40")
            if now % 300 == 0:
                self.ask(120, "dhcpcd", DhcpKind.DISCOVER)
                self.submit(DhcpOverheard(server="10.0.0.9", server_mac=mac(121), client=mac(120)))
                self.submit(Hello(request=Request(Asker.HTTP, 5), nonce="unknown", boot_id="x", environment="sledgehammer", macs=(mac(1),)))
            self.runner.ask(silent_nodes(self.loop.world, self.last_values.last_contact, self.seconds, SILENCE_S))
            self.chores()
            while self.loop.turn():
                pass
            assert not self.loop.failure
            assert not self.loop.refused

    def octets(self) -> int:
        pages, size = (self.store._conn.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
        return int(pages * size)

    def die(self) -> Store:
        """kill -9: nothing is written any more. The store as the next engine finds it."""
        self.store.close()
        return Store.open(self.folder)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where synced writes are cheap: what is counted here are octets, not what a disk does."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else str(tmp_path)) as name:
        yield Path(name)


def test_a_week_of_an_idle_rack_leaves_no_row_and_no_octet(folder: Path) -> None:
    start(folder, lost=False)
    run = EngineRun(folder)
    run.rest(3600)
    rows, octets, sent = run.store.seq, run.octets(), run.sent
    run.rest(7 * DAY_S)
    assert run.sent > sent + 7 * 48 * 6, "the leases were renewed"
    assert run.store.seq == rows
    assert run.octets() <= octets + 8192
    assert (folder / "store.db-wal").stat().st_size < 8 * 1024 * 1024
    assert all(lease.expires > run.loop.now() for lease in run.loop.world.leases.values())
    now, leases = run.loop.now(), dict(run.loop.world.leases)
    with run.die() as store:
        assert store.verify() == []
        assert now - 60 - STAMP_S <= store.now() <= now
        assert store.load()["leases"] == leases
        assert [row.seq for row in store.journal()] == list(range(1, rows + 1))


def test_a_lost_machine_that_is_asked_again_and_again_is_no_news(folder: Path) -> None:
    start(folder, lost=True)
    run = EngineRun(folder)
    run.rest(3600)
    rows, probes = run.store.seq, run.loop.world.nodes[LOST].probes
    run.rest(DAY_S // 4)
    node = run.loop.world.nodes[LOST]
    assert node.probes > probes + 300
    assert run.store.seq == rows
    with run.die() as store:
        assert store.verify() == []
        assert store.load()["nodes"][LOST] == node, "the number of the probe is durable: an older answer counts for nothing"


def test_engine_time_goes_on_where_nothing_happened(folder: Path) -> None:
    """Installed machines alone, which are asked and answer: no event, no commit."""
    start(folder, lost=False)
    run = EngineRun(folder)
    run.rest(RENEW_S - STEP_S)
    stopped = run.loop.now()
    run.die().close()
    again = EngineRun(folder)
    assert stopped - STAMP_S - STEP_S <= again.loop.now() <= stopped + STEP_S


def test_what_is_news_has_a_row_with_all_that_it_changed(folder: Path) -> None:
    start(folder, lost=False)
    run = EngineRun(folder)
    run.rest(3600)
    rows = run.store.seq
    run.ask(50, "iDRAC", DhcpKind.DISCOVER)
    while run.loop.turn():
        pass
    (row,) = run.store.journal(rows)
    assert [table for table, _, _ in row.rows] == ["leases", "sightings"]
    run.store.close()


def test_a_rolled_back_change_is_neither_news_nor_quiet() -> None:
    work = Work(World.new(USUAL))
    lease = Lease(address="10.0.0.21", mac=mac(1), network="admin", state="bound", expires=1.0)
    work.put(lease)
    assert [type(c).__name__ for c in work.take_changes()] == ["tuple"]
    before = work.checkpoint()
    work.put(replace(lease, expires=2.0))
    work.rollback(before)
    work.put(replace(lease, state="declined"))
    work.put(replace(lease, state="declined", expires=3.0))
    assert [type(c).__name__ for c in work.take_changes()] == ["tuple"]
    work.put(replace(lease, state="declined", expires=4.0))
    assert [type(c).__name__ for c in work.take_changes()] == ["Quiet"]
