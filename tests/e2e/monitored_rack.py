"""Runs in the network of a simulated rack: real Nagios on the admin node, and an engine that reads what it says.

    python monitored_rack.py STORE

A machine loses its power, and comes back; then a process of a machine is killed, and its role starts it again. Prints what was seen as
JSON. Exit: 0, or 1 with a line that says what did not come.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.effects import Accept
from engine.events import Operate
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.rehearsal.session import Rehearsal
from engine.views.summary import settled

LIMIT_S = 240.0
NODES = 2
PLAN = """\
crowbar: 1
site: {name: monitored, domain: monitored.test, admin: {address: 192.168.124.10}}
expect: {nodes: 2}
approve: {wipe: blank}
networks:
  admin: {subnet: 192.168.124.0/24, ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}}
  bmc: {subnet: 192.168.125.0/24, conduit: bmc, ranges: {host: 192.168.125.21-192.168.125.160}}
rules: [{match: {}, name: "node-{serial}"}]
deployments:
  cloud:
    attributes: {target-os: debian-12}
    roles: {network-admin: all, ntp-client: all, monitor-client: all, ready: all}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""


class Seen:
    def __init__(self, here: Rehearsal) -> None:
        self.engine = here.engine
        self.took: dict[str, float] = {}

    def until(self, what: str, so: Callable[[], Any]) -> None:
        begun = time.monotonic()
        while not so():
            if time.monotonic() - begun > LIMIT_S:
                print(f"not seen: {what}: {json.dumps(self.rows)[:3000]}")
                for role in self.engine.world.node_roles.values():
                    print(role.node, role.role, role.state, role.failure, role.findings)
                sys.exit(1)
            time.sleep(0.2)
        self.took[what] = round(time.monotonic() - begun, 1)

    @property
    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.engine.monitoring.shown()["rows"]
        return found

    def all_good(self) -> bool:
        rows = self.rows
        return (
            len(rows) >= 3 and sum(1 for row in rows if not row["role"]) == NODES + 1 and {row["state"] for row in rows} == {"up", "good"}
        )

    def codes(self, node: str) -> set[str]:
        roles = (role for role in self.engine.world.node_roles.values() if role.node == node)
        return {finding.code for role in roles for finding in role.findings}


def main(store: Path) -> int:
    here = Rehearsal(store, read(PLAN, "plan.yml", shipped()), NODES, 1, "max", "test", network="namespace")
    if words := here.way_in([sys.executable, __file__, str(store)]):
        return subprocess.run(words, check=False).returncode
    with here:
        seen = Seen(here)
        seen.until("ready", lambda: settled(here.engine.world, NODES) == "ready")
        seen.until("all good", seen.all_good)
        words = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), "health", "--json"]
        printed = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
        assert json.loads(printed[-1])["state"] == "works", printed[-1]
        assert {json.loads(line)["state"] for line in printed[:-1]} == {"up", "good"}
        pid_file = here.engine.config.store / "services/nagios/.service/pid"
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        seen.until("nagios again", lambda: pid_file.exists() and int((pid_file.read_text().split() or ["0"])[0]) not in (0, pid))
        seen.until("good again", seen.all_good)
        node = next(one for one in here.engine.world.nodes.values() if one.serial)
        assert here.rack is not None
        machine = next(one["name"] for one in here.rack.machines() if one["serial"] == node.serial)
        here.rack.off(machine)
        seen.until("host red", lambda: "host_red" in seen.codes(node.id))
        here.rack.press(machine)
        seen.until("host good", lambda: not seen.codes(node.id) and seen.all_good())
        key = here.engine.config.keys / "engine_ed25519"
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        address = here.engine.world.nodes[node.id].address
        subprocess.run(["ssh", *options, "-i", str(key), f"root@{address}", "pkill", "chronyd"], check=True, timeout=60)
        seen.until("check red", lambda: "check_red" in seen.codes(node.id))
        attempt = here.engine.world.node_roles[(node.id, "ntp-client")].attempt
        answer = here.engine.ask(Operate(who="test", verb="retry", node=node.id, role="ntp-client"))
        assert isinstance(answer, Accept), answer
        seen.until("check good", lambda: not seen.codes(node.id) and seen.all_good())
        assert here.engine.world.node_roles[(node.id, "ntp-client")].attempt != attempt, "it ran only because the operator said so"
        print(json.dumps({"took": seen.took, "findings": sorted(seen.codes(node.id))}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
