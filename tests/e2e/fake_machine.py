"""A machine that sends any HTTP call that a test gives it to a running engine on a loopback lane."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.effects import Accept
from engine.events import DhcpAsked
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.plan import Plan
from engine.rehearsal.session import _free_lane as free_lane
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.wire.dhcp import DhcpKind, DhcpRequest
from engine.wire.reach import Reach

ROM = "PXEClient:Arch:00000:UNDI:002001"
PLAN = """\
crowbar: 1
site: {name: r07, domain: r07.example.net, admin: {address: 192.168.124.10}}
networks:
  admin:
    subnet: 192.168.124.0/24
    router: 192.168.124.1
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}
rules:
  - {match: {}, name: "web-{number}"}
deployments:
  cloud: {roles: {ready: all}}
"""


def plan() -> Plan:
    return plan_file.read(PLAN, "plan.yml", shipped())


@contextmanager
def running(store: Path, wanted: Plan | None = None, silence_s: float = 90.0) -> Iterator[Engine]:
    """An engine that serves the plan on a lane of its own. `silence_s`: after so much of it a node is dead."""
    wanted = wanted or plan()
    lane = free_lane(wanted.site.admin.address, str(store))
    engine = Engine(Config(store=store, keys=keys_beside(store), reach=Reach(lane), synthetic=True, silence_s=silence_s))
    engine.start()
    try:
        answer = engine.commit(wanted, "test")
        assert isinstance(answer, Accept), answer
        yield engine
    finally:
        engine.stop()


class Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.text = status, body.decode()

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def code(self) -> str:
        return str(self.json.get("code", ""))

    def __repr__(self) -> str:
        return f"{self.status} {self.text[:500]}"


class FakeMachine:
    def __init__(self, engine: Engine, number: int) -> None:
        self.engine = engine
        self.mac = f"52:54:00:0a:00:{number:02x}"
        self.uuid = f"4c4c4544-0000-1000-8000-00000000{number:04x}"
        self.serial = f"SN{number:05d}"
        reach = engine.config.reach
        self.address = f"192.168.124.{20 + number}"
        self.here = reach(self.address, 0)[0]
        self.there = reach("192.168.124.10", 80)
        self.nonce = ""
        self.token = ""
        self.node = ""

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> Answer:
        connection = http.client.HTTPConnection(*self.there, timeout=60, source_address=(self.here, 0))
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            data = None
            if body is not None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                headers["Content-Type"] = "application/json"
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        finally:
            connection.close()

    def raw(self, method: str, path: str) -> bytes:
        """The octets of an answer."""
        connection = http.client.HTTPConnection(*self.there, timeout=60, source_address=(self.here, 0))
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.status
            return answer.read()
        finally:
            connection.close()

    def lease(self) -> None:
        """Ask for the address from which it speaks, as a boot ROM that remembers it (RFC 2131 section 4.3.2, INIT-REBOOT)."""
        request = DhcpRequest(kind=DhcpKind.REQUEST, xid=1, mac=self.mac, vendor_class=ROM, arch=0, requested=self.address)
        assert self.engine.loop.offer(DhcpAsked(request=request, interface="lo"))
        end = time.monotonic() + 60.0
        while self.engine.world.lease_of.get(self.mac) != self.address:
            assert time.monotonic() < end, "the engine leases nothing"
            time.sleep(0.005)

    def script(self) -> str:
        """Ask for the boot script as a loader does; its nonce."""
        self.lease()
        answer = self.call("GET", f"/boot/script?mac={self.mac}&uuid={self.uuid}")
        assert answer.status == 200, answer
        found = re.search(r"crowbar\.nonce=([0-9a-f]+)", answer.text)
        self.nonce = found.group(1) if found else ""
        return self.nonce

    def up_again(self, boot_id: str, **other: Any) -> Answer:
        """It went away without a word, and boots again: its hello is put off until the engine has found that nobody answers."""
        self.script()
        end = time.monotonic() + 60.0
        while (answer := self.hello(boot_id, **other)).code == "live_claim":
            assert time.monotonic() < end, "the engine finds nobody dead"
            time.sleep(0.1)
        return answer

    def hello(self, boot_id: str, **other: Any) -> Answer:
        """What this machine says of itself, with something else in it; keeps the token."""
        body = {
            "nonce": self.nonce,
            "boot_id": boot_id,
            "environment": "sledgehammer",
            "uuid": self.uuid,
            "serial": self.serial,
            "macs": [self.mac],
            "arch": "x86_64",
            "address": "",
            **other,
        }
        answer = self.call("POST", "/agent/hello", body)
        if answer.status == 200:
            self.token, self.node = answer.json["token"], answer.json["node"]
        return answer

    def next(self) -> dict[str, Any]:
        """The next order; waits for it."""
        answer = self.call("GET", "/agent/next", token=self.token)
        assert answer.status == 200, answer
        return answer.json

    def result(self, attempt: str, **said: Any) -> Answer:
        return self.call("POST", "/agent/result", {"id": attempt, "state": "ended", "exit": 0, "gives": {}, **said}, token=self.token)
