"""A stranger on the admin network. It knows every MAC, UUID, serial number and address, and sends any packet or call of a boot in any machine's
name, at any time. It has no token, no key, and no way into a BMC.

`first`: it also says hello in a boot that the engine ordered, before the machine does. It does so for nodes whose BMC can tell who is who: of
the others only a person can.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from engine.effects import BootScript, Welcome
from engine.events import Bye, DhcpAsked, Fetched, Hello, Outcome, ScriptAsked
from engine.requests import Asker, Request
from engine.wire.dhcp import DhcpKind, DhcpRequest

if TYPE_CHECKING:
    from .machine import Machine
    from .simulation import Simulation

ROM = "PXEClient:Arch:00000:UNDI:002001"
OWN = "10.0.0.99"
"""The stranger's own address."""


class Stranger:
    """`every_s`: seconds between two of its packets, on average. `took`: the claims that it was welcome with."""

    def __init__(self, sim: Simulation, every_s: float, first: bool = False) -> None:
        self._sim, self._every_s, self._first = sim, every_s, first
        self._random: Random = sim.random("stranger")
        self._nonces: dict[str, list[str]] = {}
        self.took: list[str] = []
        self.sent = 0
        self._later()

    def _later(self) -> None:
        self._sim.clock.after(self._random.expovariate(1 / self._every_s), self._speak)

    def _speak(self) -> None:
        if self._sim.admin.up:
            self.sent += 1
            self._random.choice(
                (self._dhcp, self._dhcp, self._script, self._script, self._fetched, self._hello, self._credential, self._lies)
            )(self._random.choice(self._sim.machines))
        self._later()

    def _dhcp(self, victim: Machine) -> None:
        kind = self._random.choice((DhcpKind.DISCOVER, DhcpKind.REQUEST))
        request = DhcpRequest(
            kind=kind,
            xid=self._random.getrandbits(32),
            mac=victim.mac,
            vendor_class=self._random.choice((ROM, "HTTPClient:Arch:00016:UNDI:003016")),
            arch=self._random.choice((0, 7, 16)),
            user_class=self._random.choice(((), ("iPXE",))),
            requested=victim.lease if kind is DhcpKind.REQUEST else "",
        )
        self._sim.admin.submit(DhcpAsked(request=request, interface="eth1"))

    def _script(self, victim: Machine) -> None:
        def got(answer: Any) -> None:
            if isinstance(answer, BootScript) and answer.nonce:
                self._nonces.setdefault(victim.mac, []).append(answer.nonce)
                node = self._sim.admin.world.nodes.get(answer.node)
                if self._first and node is not None and node.boot is not None and node.allocated and node.bmc is not None:
                    self._says(victim, nonce=answer.nonce, environment=answer.environment)

        address = self._random.choice((victim.lease or OWN, victim.lease or OWN, OWN))
        nonce = f"{self._random.getrandbits(64):016x}"
        self._ask(lambda request: ScriptAsked(request=request, mac=victim.mac, address=address, nonce=nonce), got)

    def _fetched(self, victim: Machine) -> None:
        self._sim.admin.submit(Fetched(address=victim.lease or OWN, what=self._random.choice(("loader", "kernel", "answers"))))

    def _hello(self, victim: Machine) -> None:
        node = self._sim.admin.world.nodes.get(self._sim.admin.world.macs.get(victim.mac) or "")
        if node is None or node.boot is not None or not victim.token:
            return
        nonce = self._random.choice(self._nonces.get(victim.mac, [""]))
        self._says(victim, nonce=nonce, environment="sledgehammer")

    def _credential(self, victim: Machine) -> None:
        """One that the engine did not make never gets past the adapter: the event carries no node."""
        self._says(victim, environment="debian-12")

    def _lies(self, victim: Machine) -> None:
        """Calls of an agent, as of a boot that is not the node's."""
        node = victim.node or "n1"
        event: Bye | Outcome = Bye(node=node, boot_id="b-stranger")
        if self._random.random() < 0.5:
            event = Outcome(attempt=f"i5-{self._random.randint(1, 30)}.9", node=node, what="done")
        self._sim.admin.submit(event)

    def _says(self, victim: Machine, **fields: Any) -> None:
        def got(answer: Any) -> None:
            if isinstance(answer, Welcome):
                self.took.append(f"{answer.node} {answer.boot_id}")

        said = {
            "uuid": victim.uuid,
            "serial": victim.serial,
            "macs": (victim.mac,),
            "address": victim.lease or OWN,
            "arch": "x86_64",
            **fields,
        }
        self._ask(lambda request: Hello(request=request, boot_id=f"b-stranger-{self.sent}", **said), got)

    def _ask(self, make: Any, got: Any) -> None:
        self._sim.admin.asks(lambda number: make(Request(Asker.HTTP, number)), got)
