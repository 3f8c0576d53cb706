"""Names for a large rack: `python tests/bench/bench_dns.py [NODES]`, 1,000 without a number.

The whole engine in a network namespace, with the real named. A plan is committed on a store with NODES allocated machines without addresses.
Seconds of wall time from the commit, which makes the first allocation, to the answer for the last PTR record; of CPU, the engine's and named's.
Then one node of all is renamed, and one is deleted: seconds from the order to the right answer of dig.

Then the role's script alone, as the engine runs it, from empty zones: its CPU with that of dig and nsupdate, which no process can see while the
engine runs it, since tasks outlive the engine.

Goals, on a quiet machine with two cores: 1,000 nodes within 10 s, a change within 1 s, and less than 1 ms of CPU of named a record.

Without BIND or namespaces it says so and ends well.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "core"), str(ROOT / "tests" / "dns"), str(ROOT / "tests" / "bench")]

import fifty
from dns_site import Site, missing, records
from limits import figure, run, waiting_for
from msgspec.structs import replace

from engine.core.plan.bind import bind_discovery
from engine.core.step import step
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.effects import Refuse
from engine.events import Happened, Operate, Started
from engine.files.catalog import shipped
from engine.plan import Plan, Rule
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.store.store import Store

LIMIT_S = 300.0
ADMIN, DOMAIN, INTERFACE = fifty.INTERFACE, "r1.example.net", "crowbar0"
KEY = ("admin", "dns-records")


def wanted(name: str = "node-{place}") -> Plan:
    """It places no role on the machines: they only get addresses and names."""
    base = fifty.wanted(roles=False)
    site = replace(base.site, domain=DOMAIN, admin=replace(base.site.admin, interface=INTERFACE))
    return replace(base, site=site, rules=(Rule(match={"place": 7}, name=name), Rule(name="node-{place}")), allocate="ask")


def machines(nodes: int, store: Path) -> None:
    """A store with allocated machines that have no address yet. Nothing is done to them."""
    work = Work(World.new(shipped()))
    happened = Happened(0.0, 0.0, Started(installation="bench", admin="admin"))
    rows = step(work, happened)
    for i in range(nodes):
        node = replace(fifty._node(i), allocated=True, available=False)
        work.put_node(node)
        assert bind_discovery(work, node) is None
    kept = Store.open(store)
    kept.commit([(happened, [*rows, *work.take_changes()])])
    kept.close()


def dig(*names: str) -> list[str]:
    words = [word for name in names for word in (["-x", name] if name[0].isdigit() else [name, "A"])]
    return subprocess.run(["dig", f"@{ADMIN}", "+short", "+time=1", "+tries=1", *words], capture_output=True, text=True).stdout.split()


def until(so: Callable[[], bool]) -> None:
    while not so():
        time.sleep(0.01)


def cpu_of(pid: int) -> float:
    """Seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def engine(folder: Path) -> None:
    """The engine, in the namespace. Prints one line of JSON."""
    store = folder / "store"
    config = Config(store=store, keys=folder / "keys", interface=INTERFACE, rack=folder, synthetic=True, silence_s=3600.0)
    it = Engine(config)
    it.start()
    seen: dict[str, float] = {}
    try:
        begun, cpu = time.monotonic(), time.process_time()
        answer = it.commit(wanted(), "bench")
        assert not isinstance(answer, Refuse), answer
        seen["commit"] = time.monotonic() - begun
        pairs = {node.name: it.world.address_of[(node.id, "admin")] for node in it.world.nodes.values() if node.id != "admin"}
        last = max(pairs.items(), key=lambda pair: tuple(map(int, pair[1].split("."))))
        until(lambda: dig(last[1]) == [f"{last[0]}."] and current(it))
        seen["all"] = time.monotonic() - begun
        seen["engine"] = time.process_time() - cpu
        seen["named"] = cpu_of(int((store / "services/dns/.service/pid").read_text().split()[0]))
        names = list(pairs)
        found = [one for i in range(0, len(names), 100) for one in dig(*(pairs[name] for name in names[i : i + 100]))]
        assert found == [f"{name}." for name in names], "a PTR record is wrong"

        begun = time.monotonic()
        it.commit(wanted("renamed"), "bench")
        address = pairs[f"node-7.{DOMAIN}"]
        until(lambda: dig(f"renamed.{DOMAIN}", address, f"node-7.{DOMAIN}") == [address, f"renamed.{DOMAIN}."])
        seen["renamed"] = time.monotonic() - begun
        until(lambda: current(it))
        begun = time.monotonic()
        gone = it.ask(Operate(who="bench", verb="delete", node=f"node-8.{DOMAIN}"))
        assert not isinstance(gone, Refuse), gone
        until(lambda: dig(f"node-8.{DOMAIN}", pairs[f"node-8.{DOMAIN}"]) == [])
        seen["deleted"] = time.monotonic() - begun
    finally:
        it.stop()
    print(json.dumps(seen))


def current(it: Engine) -> bool:
    role = it.world.node_roles.get(KEY)
    return role is not None and role.state.value == "active" and KEY not in it.world.stale


def alone(nodes: int, folder: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one run of the role from empty zones."""
    site = Site(folder)
    try:
        zones = [DOMAIN, *(f"{i}.168.192.in-addr.arpa" for i in range(1 + nodes // 250))]
        site.good(
            "dns-server", domain=DOMAIN, dns_zones=zones, dns_admin=records(f"admin.{DOMAIN}", "10.0.0.10"), dns_name=f"admin.{DOMAIN}"
        )
        hosts: list[dict[str, Any]] = []
        for i in range(nodes):
            name = f"node-{i}.{DOMAIN}"
            hosts.append({"node": name, "value": records(name, f"192.168.{i // 250}.{i % 250 + 1}")})
        begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        site.good("dns-records", dns={"hosts": hosts})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    finally:
        site.close()


def main(nodes: int) -> None:
    why = missing()
    if why:
        print(f"nothing to measure: {why}")
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "site").mkdir()
        machines(nodes, folder / "store")
        site = Site(folder / "site")
        try:
            (folder / "owner.pid").write_text(str(site.holder))
            setup = f"ip link add {INTERFACE} type veth peer name rack0 && ip addr add {ADMIN}/16 dev {INTERFACE} && ip link set {INTERFACE} up && ip link set rack0 up"
            assert site.inside(["sh", "-c", setup]).returncode == 0
            words = [sys.executable, __file__, "engine", str(folder)]
            with waiting_for("the engine and named"):
                done = subprocess.run(site.command(words), stdout=subprocess.PIPE, text=True, check=True)
            seen = json.loads(done.stdout.splitlines()[-1])
        finally:
            site.close()
        (folder / "alone").mkdir()
        with waiting_for("the role alone"):
            wall, cpu = alone(nodes, folder / "alone")
    rows = [
        (f"{nodes:,} nodes, from the commit to the last PTR", seen["all"], "s"),
        ("  of these, the commit", seen["commit"], "s"),
        ("  CPU of the engine", seen["engine"], "s"),
        ("  CPU of named", seen["named"], "s"),
        ("one node renamed", seen["renamed"], "s"),
        ("one node deleted", seen["deleted"], "s"),
        ("the role alone", wall, "s"),
        ("  its CPU, with dig and nsupdate", cpu, "s"),
    ]
    for name, value, unit in rows:
        print(f"{name:<50} {value:8.2f} {unit}")
        figure(name.strip(), value, unit)


if __name__ == "__main__":
    if sys.argv[1:2] == ["engine"]:
        engine(Path(sys.argv[2]))
        raise SystemExit
    raise SystemExit(run("dns", lambda: main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000), LIMIT_S))
