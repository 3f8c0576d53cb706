"""A rack whose engine talks to simulated BMCs over real sockets, and whose machines report what they like."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from bmc_machine import Machine
from catalogs import ADMIN, USUAL, plan
from world_rig import WorldRig, uuid

from engine.effects import BootNode, Identify, SetPower
from engine.events import Outcome, PowerSet
from engine.model import Node, State, Way
from engine.plan import Network
from engine.power import Pace
from engine.racks.bmc.ipmi import BmcFarm
from engine.racks.bmc.label import About
from engine.racks.bmc.redfish import RedfishFarm, certificate
from engine.runtime.config import Config
from engine.runtime.power_orders import PowerOrders
from engine.wire.reach import Reach

REACH = Reach(os.getpid() % 200 + 20)
BMCS = f"10.9.{os.getpid() // 200 % 200}"
"""The first three octets of the plan's BMC network."""
PACE = Pace(total_s=5.0, web_s=5.0, soft_s=5.0, greet_s=0.4, rest_s=0.0, poll_s=0.05)
ACCOUNT = ("root", "calvin")


class Scene:
    """`rig` is the world; `orders` carries out what it orders, over sockets."""

    def __init__(self, folder: Path) -> None:
        networks = {"admin": ADMIN, "bmc": Network(name="bmc", subnet=f"{BMCS}.0/24", conduit="bmc")}
        self.rig = WorldRig(USUAL, plan({}, "confirmed", networks=networks, allocate="ask"))
        self.ipmi, self.redfish = BmcFarm(), RedfishFarm(certificate(folder))
        self.agent: list[str] = []
        """Nodes whose agent got an order."""
        config = Config(store=folder / "store", keys=folder, reach=REACH)
        self.orders = PowerOrders(config, lambda *_node: ACCOUNT, self._command, lambda: PACE, lambda: self.rig.world)

    def _command(self, node: str, *_order: Any) -> bool:
        self.agent.append(node)
        return False

    def server(self, number: int, **fields: Any) -> Node:
        return self.rig.server(f"n{number}", bmc=None, **fields)

    def bmc(self, address: str, protocol: str, number: int = 0, *, guid: str = "", serial: str = "") -> Machine:
        """A BMC at this address; it says that it is that of machine `number`, or what is given."""
        machine = Machine()
        machine.on = True
        about = About(guid=UUID(guid or uuid(number)), serial=serial or (f"SN{number}" if number else ""))
        farm, port = (self.ipmi, 623) if protocol == "ipmi" else (self.redfish, 443)
        farm.add(*REACH(address, port), machine, about=about)  # type: ignore[attr-defined]
        return machine

    def reports(self, node: str, address: str) -> Node:
        """The machine's bmc-discover ends with this address."""
        attempt = f"i5-{self.rig.world.meta.attempts + 1}"
        self.rig.role("bmc-discover", node, deployment="system", state=State.TRANSITION, attempt=attempt, leg=1)
        gives = {"bmc": {"address": address, "mac": "52:54:00:bb:00:01"}}
        self.rig.feed(Outcome(attempt=f"{attempt}.1", node=node, what="done", gives=gives))
        return self.rig.node(node)

    def allocate(self, node: str) -> Node:
        self.rig.change(node, allocated=True)
        return self.rig.node(node)

    def everything(self, node: str) -> list[PowerSet]:
        """Everything that the engine can order of a BMC."""
        node_record = self.rig.node(node)
        orders: list[Any] = [SetPower(node=node, action=action, who="op") for action in ("status", "off", "soft", "cycle", "on")]
        orders.append(Identify(node=node, seconds=5, who="op"))
        for way in (Way.NETWORK, Way.DISK):
            self.orders.carry_out(BootNode(node=node, generation=1, way=way, environment="sledgehammer"), node_record)
        return [self.orders.set_power(one, node_record) for one in orders]

    @property
    def packets(self) -> int:
        return self.ipmi.counters.packets + self.redfish.counters.packets

    @property
    def logins(self) -> int:
        return self.ipmi.counters.logins + self.redfish.counters.logins + self.ipmi.counters.refused + self.redfish.counters.refused


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    made.ipmi.start()
    made.redfish.start()
    yield made
    made.ipmi.close()
    made.redfish.close()
