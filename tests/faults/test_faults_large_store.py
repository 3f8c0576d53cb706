"""An engine started on a store of 3,000 nodes serves it. How soon: `tests/bench/bench_start.py`."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from typing import Any

import pytest
from faulty_rack import PLAN, faulty
from msgspec.structs import replace

from engine.core.roles.attributes import inputs_hash
from engine.core.world.load import load_world
from engine.events import Continue, Happened
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.model import Allocation, Bmc, Lease, Node, NodeRole, Row, Sighting, Value
from engine.rehearsal.session import _free_lane as free_lane
from engine.rehearsal.session import with_nodes
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.store.store import Store
from engine.views.summary import servers
from engine.wire.reach import Reach

pytestmark = pytest.mark.slow

NODES = 3000
WIDE = (
    PLAN.replace("192.168.124.10", "10.16.127.1")
    .replace("192.168.112.0/20", "10.16.0.0/17")
    .replace("192.168.124.1\n", "10.16.127.2\n")
    .replace("192.168.112.21-192.168.117.254", "10.16.0.21-10.16.31.254")
    .replace("192.168.118.1-192.168.123.254", "10.16.32.1-10.16.63.254")
    .replace("192.168.128.0/20", "10.16.128.0/17")
    .replace("192.168.128.21-192.168.135.254", "10.16.128.21-10.16.191.254")
)


def another(row: Row, old: str, number: int) -> tuple[Any, Row] | None:
    """The same record of another node; None: it is of no node."""
    new = f"x{number}"
    mac, address = f"52:54:77:{number >> 8:02x}:{number & 255:02x}:", f"10.16.{{}}.{number % 250 + 1}"
    match row:
        case Node() if row.id == old:
            return new, replace(
                row,
                id=new,
                name=f"x{number}.rehearsal.test",
                uuid=f"{number:08x}{row.uuid[8:]}",
                serial=f"{row.serial}-{number}",
                macs=(f"{mac}00", f"{mac}01"),
                boot_mac=f"{mac}00",
                place=None,
                bmc=Bmc(address=f"10.16.{130 + number // 250}.{number % 250 + 1}"),
                address=address.format(34 + number // 250),
            )
        case NodeRole() if row.node == old:
            parents = tuple((new, role) if node == old else (node, role) for node, role in row.parents)
            return (new, row.role), replace(row, node=new, parents=parents)
        case Sighting() if row.node == old:
            return f"{mac}00", replace(row, mac=f"{mac}00", node=new)
        case Lease():
            there = address.format(number // 250 + 1)
            return there, replace(row, address=there, mac=f"{mac}00")
        case Allocation() if row.node == old:
            there = address.format(34 + number // 250) if row.network == "admin" else f"10.16.{130 + number // 250}.{number % 250 + 1}"
            return there, replace(row, address=there, node=new)
        case Value() if row.scope == old:
            return (row.layer, new, row.name), replace(row, scope=new)
    return None


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the rows of one node that became ready, 3,000 times."""
    folder = tmp_path_factory.mktemp("large")
    wanted = plan_file.read(WIDE, "plan.yml", shipped())
    with faulty(folder, "", nodes=1, patience=1.0, wanted=wanted) as rack:
        rack.all_ready()
        first = rack.node("m1")
        assert first is not None
    store = Store.open(folder / "store")
    tables = store.load()
    changes: list[tuple[str, Any, Row | None]] = []
    for table, rows in tables.items():
        for row in rows.values():
            for number in range(1, NODES):
                made = another(row, first.id, number)
                if made is not None:
                    changes.append((table, *made))
    store.commit([(Happened(time.time(), store.now(), Continue()), changes)])
    world = load_world(shipped(), store.load())
    hashes: list[tuple[str, Any, Row | None]] = []
    for key in world.stale:
        role = world.node_roles[key]  # its address differs from that of the first
        hashes.append(("node_roles", key, replace(role, ran_hash=inputs_hash(world, role), try_hash=inputs_hash(world, role))))
    store.commit([(Happened(time.time(), store.now(), Continue()), hashes)])
    store.close()
    return folder / "store"


def asks(lane: int, address: str, mac: str) -> tuple[int, bytes]:
    """Status and body of the boot script of this MAC, asked for from this address."""
    reach = Reach(lane)
    connection = http.client.HTTPConnection(*reach("10.16.127.1", 80), timeout=60, source_address=(reach(address, 0)[0], 0))
    try:
        connection.request("GET", f"/boot/script?mac={mac}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_is_served(large: Path) -> None:
    lane = free_lane("10.16.127.1", str(large))
    engine = Engine(Config(store=large, keys=keys_beside(large), reach=Reach(lane), synthetic=True, admin="admin", bmc_rest_s=0.0))
    engine.start()
    try:
        lease = engine.world.leases["10.16.1.8"]
        assert engine.world.macs[lease.mac] == "x7"
        assert asks(lane, lease.address, lease.mac)[0] == 200
        assert asks(lane, lease.address, lease.mac)[1].startswith(b"#!ipxe")
        assert asks(lane, "10.16.1.9", lease.mac)[0] == 403, "only the address that the MAC leased gets its script"
        assert len(servers(engine.world)) == NODES
        assert len(engine.world.node_roles) > 8 * NODES
    finally:
        engine.stop()


def test_a_plan_of_the_large_store_is_unchanged_by_its_own_commit(large: Path) -> None:
    """The cloned rows are such as the engine itself would have made: committing the plan again finds nothing to do."""
    lane = free_lane("10.16.127.1", str(large))
    engine = Engine(Config(store=large, keys=keys_beside(large), reach=Reach(lane), synthetic=True, admin="admin", bmc_rest_s=0.0))
    engine.start()
    try:
        assert engine.world.plan is not None
        before = len(engine.world.revisions)
        engine.commit(with_nodes(engine.world.plan, 1), "test")
        assert len(engine.world.revisions) == before
        assert not engine.world.stale
    finally:
        engine.stop()
