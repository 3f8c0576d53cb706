"""Run in the outer namespace of a rack with four machines: the whole engine with the real named, and questions to it by dig.

Arguments: folder of the rack, store. Prints one JSON line: what was answered, and how many seconds after each change it was right.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from engine import racks as rehearsal
from engine.api.control import Config, keys_beside, plan_file, shipped
from engine.api.running import Engine, with_nodes
from engine.core.roles.stages import node_state
from engine.effects import Refuse
from engine.events import Operate
from engine.model import Kind, Node
from engine.plan import Plan, Range, Rule
from engine.racks import namespace

ADMIN, DOMAIN = "192.168.124.10", "rehearsal.test"
NODES = 4
LIMIT_S = 120.0


def dig(*names: str) -> list[str]:
    """The answers for these names and addresses, asked at once."""
    words = [word for name in names for word in (["-x", name] if name[0].isdigit() else [name, "A"])]
    done = subprocess.run(["dig", f"@{ADMIN}", "+short", "+time=1", "+tries=1", *words], capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else ["no answer"]


def until(so: Callable[[], bool], what: str) -> float:
    """Seconds until it is so."""
    begun = time.monotonic()
    while not so():
        assert time.monotonic() - begun < LIMIT_S, what
        time.sleep(0.01)
    return time.monotonic() - begun


def plan_of(name: str) -> Plan:
    text = (importlib.resources.files("crowbar_tui") / "plans" / "one-node.yml").read_text(encoding="utf-8")
    plan = with_nodes(plan_file.read(text, "one-node.yml", shipped()), NODES)
    cloud = plan.deployments["cloud"]
    cloud = replace(cloud, roles=cloud.roles | {"dns-client": ("all",)})
    ranges = {"dhcp": Range(first="192.168.124.21", last="192.168.124.80"), "host": Range(first="192.168.124.81", last="192.168.124.160")}
    networks = {
        "admin": replace(plan.networks["admin"], subnet="192.168.124.0/24", ranges=ranges),
        "bmc": replace(
            plan.networks["bmc"], subnet="192.168.125.0/24", ranges={"host": Range(first="192.168.125.21", last="192.168.125.160")}
        ),
    }
    return replace(plan, networks=networks, allocate="ask", rules=(Rule(name=name),), deployments=plan.deployments | {"cloud": cloud})


class Run:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def servers(self, allocated: bool = True) -> list[Node]:
        found = [node for node in self.engine.world.nodes.values() if node.kind is Kind.SERVER and node.allocated == allocated]
        return sorted(found, key=lambda node: node.id)

    def operate(self, verb: str, node: str, role: str = "", value: str | None = None) -> None:
        answer = self.engine.ask(Operate(who="tests", verb=verb, node=node, role=role, value=value))
        assert not isinstance(answer, Refuse), answer

    def right(self, gone: Iterable[str] = ()) -> bool:
        """Each node's name has its address, and the address has the name. Nothing else answers to these names."""
        pairs = [(node.name, self.engine.world.address_of[(node.id, "admin")]) for node in self.servers()]
        names = [one for pair in pairs for one in pair]
        return dig(*names, *gone) == [one for name, address in pairs for one in (address, f"{name}.")]

    def dns_is_done(self) -> bool:
        world = self.engine.world
        return all(("admin", role) not in world.stale and world.node_roles[("admin", role)].state.value == "active" for role in ROLES)


ROLES = ("dns-server", "dns-records")


def follow(run: Run, seen: dict[str, Any]) -> None:
    """A node is renamed, replaced and deleted."""
    # Other work on the machine is no fault of DNS, so the best of three counts.
    times = []
    for name in ("box-{number}", "crate-{number}", "chest-{number}"):
        old = [node.name for node in run.servers()]
        begun = time.monotonic()
        run.engine.commit(plan_of(name), "tests")
        until(partial(run.right, old), "the new names are not there")
        times.append(time.monotonic() - begun)
        until(run.dns_is_done, "the records are not active")
    seen["renamed"] = min(times)

    first, second, *_ = run.servers()
    spare = run.servers(False)[0]
    run.operate("hold", first.id)
    until(lambda: not run.engine.world.holders.get(first.id), "the node is busy")
    begun = time.monotonic()
    run.operate("replace", first.id, value=spare.id)
    until(run.right, "the other machine does not have the name")
    seen["replaced"] = time.monotonic() - begun
    seen["kept"] = run.engine.world.nodes[spare.id].name == first.name
    until(run.dns_is_done, "the records are not active")

    address = run.engine.world.address_of[(second.id, "admin")]
    begun = time.monotonic()
    run.operate("delete", second.id)
    until(lambda: run.right([second.name, address]), "the deleted node has a name")
    seen["deleted"] = time.monotonic() - begun
    until(run.dns_is_done, "the records are not active")


def repair(run: Run, seen: dict[str, Any], store: Path) -> None:
    """named is killed, and its file is changed by hand."""
    own = store / "services/dns"
    os.kill(int((own / ".service/pid").read_text().split()[0]), signal.SIGKILL)
    until(lambda: dig(f"admin.{DOMAIN}") == ["no answer"], "named lives")
    seen["repaired"] = until(run.right, "named does not come back")

    with (own / "named.conf").open("a") as file:
        file.write("// by hand\n")
    role = lambda: run.engine.world.node_roles[("admin", "dns-server")]  # noqa: E731
    seen["noticed"] = until(lambda: bool(role().findings), "nobody notices the file")
    seen["finding"] = role().findings[0].code
    run.operate("retry", "admin", "dns-server")
    until(lambda: not role().findings and run.dns_is_done(), "the retry does not put it right")
    seen["put right"] = "by hand" not in (own / "named.conf").read_text()


def main(folder: Path, store: Path) -> None:
    os.environ["CROWBAR_BMC_PASSWORD"] = "rehearsal"
    config = Config(store=store, keys=keys_beside(store), interface=namespace.OUTER, rack=folder, synthetic=True, bmc_rest_s=0.0)
    engine = Engine(config)
    rack = rehearsal.connect(folder)
    engine.start()
    run = Run(engine)
    seen: dict[str, Any] = {}
    try:
        engine.commit(plan_of("node-{number}"), "tests")
        rack.press()
        discovered = lambda: [n for n in run.servers(False) if node_state(engine.world, n) == "discovered"]  # noqa: E731
        until(lambda: len(discovered()) == NODES, "not all machines were discovered")
        for node in run.servers(False)[: NODES - 1]:
            run.operate("allocate", node.id)
        until(lambda: all(node_state(engine.world, node) == "ready" for node in run.servers()), "not all are ready")
        until(run.dns_is_done, "the records are not active")
        seen["answers"] = run.right()
        seen["admin"] = dig(f"{engine.world.nodes['admin'].name.split('.')[0]}.{DOMAIN}")
        seen["clients"] = sum(key[1] == "dns-client" and role.state.value == "active" for key, role in engine.world.node_roles.items())

        follow(run, seen)
        repair(run, seen, store)
        print(json.dumps(seen))
    finally:
        engine.stop()


main(Path(sys.argv[1]), Path(sys.argv[2]))
