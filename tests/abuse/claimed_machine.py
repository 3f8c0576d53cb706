"""A machine that is installed by real HTTP calls, in a site where a claim must be confirmed; and whoever calls in its name."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from fake_machine import PLAN, Answer, FakeMachine, running

from engine.core.roles.guards import blockers
from engine.effects import Accept, Refuse
from engine.events import Operate
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Node, NodeRole, Signal, State
from engine.racks.simulated.reports import packed
from engine.runtime.engine import Engine

WANTED = PLAN.replace("networks:", "approve: {wipe: all}\nnetworks:", 1)
PATIENCE_S = 60.0
GIVES: dict[str, dict[str, Any]] = {
    "inventory": {
        "product": "PC",
        "vendor": "V",
        "memory-mb": 1536,
        "cpus": 2,
        "firmware": "bios",
        "kexec": False,
        "nics": [],
        "media": [],
        "hardware": {"reports": packed({})},
        "disks": [{"name": "vda", "size": 6 << 30, "serial": "D1", "rotational": False, "signature": "", "transport": "virtio"}],
    },
    "lldp": {"neighbours": []},
    "bmc-discover": {"bmc": {}},
    "bios-configure": {"bios-settings": {}},
    "raid-discover": {"raid-report": []},
    "raid-configure": {"volumes": []},
}
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKeyHostKeyHostKeyHostKeyHostKeyHo"
INSTALLED = {"installed": {"os": "debian-12", "disk": "vda", "root": "r"}, "ssh-host-key": HOST_KEY}


@contextmanager
def site(store: Path) -> Iterator[Engine]:
    with running(store, plan_file.read(WANTED, "plan.yml", shipped())) as engine:
        yield engine


class Claimed(FakeMachine):
    """A machine without a BMC: only an operator can confirm what runs on it."""

    fingerprint = ""

    def wait(self, true: Callable[[], object], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < end, f"{what}: {self.record} {self.install}"
            time.sleep(0.02)

    @property
    def record(self) -> Node:
        return self.engine.world.nodes[self.node]

    @property
    def install(self) -> NodeRole:
        return self.engine.world.node_roles[(self.node, "os-install")]

    def hello(self, boot_id: str, **other: Any) -> Answer:
        answer = super().hello(boot_id, **other)
        self.fingerprint = str(answer.json.get("fingerprint", "")) if answer.status == 200 else self.fingerprint
        return answer

    def boot(self, boot_id: str) -> None:
        """Into sledgehammer."""
        if self.token:
            self.call("POST", "/agent/bye", {"reason": "reboot"}, token=self.token)
            self.wait(lambda: self.record.boot is not None, "a boot")
        self.script()
        assert self.hello(boot_id).status == 200

    def works(self) -> None:
        """Does what it is told, until only what waits for a confirmation is left."""
        while not self.waits_for_a_word():
            answer = self.call("GET", "/agent/next?wait=1", token=self.token)
            order = answer.json if answer.status == 200 else {"do": ""}
            if order["do"] == "run":
                role = self.role_of(order["id"])
                assert role not in ("os-install", "raid-configure"), "nobody confirmed anything"
                assert self.result(order["id"], gives=GIVES[role]).status == 200

    def waits_for_a_word(self) -> bool:
        """A role that destroys data or installs waits for a confirmation."""
        world = self.engine.world
        roles = [world.node_roles.get((self.node, name)) for name in ("raid-configure", "os-install")]
        return any(role is not None and [r.code for r in blockers(world, role, first=True)] == ["not_confirmed"] for role in roles)

    def comes_up(self, boot_id: str, credential: str) -> None:
        """From its disk, until nothing is left to do."""
        assert self.hello(boot_id, nonce="", credential=credential, environment="debian-12").status == 200
        self.wait(lambda: self.engine.world.node_roles[(self.node, "ready")].state is State.ACTIVE, "ready")

    def operate(self, verb: str, value: Any = None) -> Accept | Refuse:
        return self.engine.ask(Operate(who="op", verb=verb, node=self.node, value=value))

    def ordered(self) -> str:
        """The leg that the agent is told to run."""
        while (order := self.next())["do"] == "ack":
            pass
        assert order["do"] == "run", order
        return str(order["id"])

    def confirmed(self) -> str:
        """Confirms its claim, and does what it is told until the install is ordered. Returns the leg of the install."""
        assert isinstance(self.operate("confirm", self.fingerprint), Accept)
        while (role := self.role_of(leg := self.ordered())) != "os-install":
            assert self.result(leg, gives=GIVES[role]).status == 200
        return leg

    def role_of(self, leg: str) -> str:
        (role,) = [one.role for one in self.engine.world.node_roles.values() if one.attempt == leg.rpartition(".")[0]]
        return role

    def task(self, leg: str) -> tuple[int, dict[str, Any]]:
        """Status, and the attributes of the task."""
        import http.client

        connection = http.client.HTTPConnection(*self.there, timeout=60, source_address=(self.here, 0))
        try:
            connection.request("GET", f"/agent/task/{leg}", headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            return answer.status, {}
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            file = tar.extractfile(next(name for name in tar.getnames() if name.endswith("attributes.json")))
            assert file is not None
            return 200, json.load(file)

    def installs(self) -> str:
        """Confirms its claim and carries out what waited for that. Returns the credential that the system has."""
        leg = self.confirmed()
        status, attributes = self.task(leg)
        assert status == 200
        assert self.result(leg, gives=INSTALLED).status == 200
        self.wait(lambda: (boot := self.record.boot) is not None and boot.signal is Signal.POWERED, "the boot into the system")
        assert self.record.host_key == HOST_KEY
        return str(attributes["credential"])
