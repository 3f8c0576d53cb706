"""Power orders of a machine without a BMC: by the outlets of its place, all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import json, structs
from pdu_agent import PduAgent

from engine.core.hardware.outlets import by_outlet
from engine.core.world.load import load_world
from engine.core.world.world import World
from engine.effects import BootNode, SetPower
from engine.events import Powered, PowerSet
from engine.files import plan_file, plan_write
from engine.files.catalog import shipped
from engine.files.mistakes import PlanError
from engine.model import Bmc, Node, Place, Revision, Way
from engine.plan import Plan
from engine.power import Pace
from engine.reasons import sentence
from engine.requests import Asker, Request
from engine.runtime.config import Config
from engine.runtime.power_orders import PowerOrders

PLAN = """\
crowbar: 1
site: {name: r1, domain: r1.test, admin: {address: 192.168.124.10}}
networks: {admin: {subnet: 192.168.124.0/24, ranges: {host: 192.168.124.81-192.168.124.160}}}
attributes:
  pdu-access: {"*": {table: apc, address: 127.0.0.1}, pdu1: {port: %d}, pdu2: {port: %d, table: raritan}}
racks:
  - name: r1
    places: {7: {outlets: [pdu1/7, pdu2/7]}, 8: {outlets: [pdu1/8]}}
secrets: {pdu-community: {env: PDU}}
"""
NODE = Node(id="n1", name="n1.r1.test", allocated=True, place=Place(rack="r1", unit=7))
COMMUNITY = "s3cr3t-Community"


class Site:
    def __init__(self, folder: Path) -> None:
        self.one, self.two = PduAgent("apc"), PduAgent("raritan")
        text = PLAN % (self.one.port, self.two.port)
        self.plan: Plan = plan_file.read(text, "plan.yml", shipped())
        self.folder, self.agent_obeys = folder, False

    def world(self, *nodes: Node) -> World:
        from engine.core.plan.revisions import as_stored
        from engine.core.plan.values import put_plan_values
        from engine.core.world.work import Work

        revision = Revision(number=1, who="op", at=1.0, plan=as_stored(self.plan))
        work = Work(load_world(shipped(), {"revisions": {1: revision}, "nodes": {one.id: one for one in nodes}}))
        put_plan_values(work, self.plan)
        return work.finish()

    def orders(self, node: Node = NODE, community: str = COMMUNITY) -> PowerOrders:
        world = self.world(node)
        pace = Pace(total_s=5.0, greet_s=1.5, rest_s=0.0, poll_s=0.02)
        secret = {"pdu-community": community}.get
        config = Config(store=self.folder / "store", keys=self.folder)
        return PowerOrders(
            config,
            lambda _node: ("root", "calvin"),
            lambda *_: self.agent_obeys,
            lambda: pace,
            lambda: world,
            lambda name: secret(name, ""),
        )

    @property
    def fed(self) -> tuple[bool, bool]:
        return self.one.on["7"], self.two.on["1.7"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    yield found
    found.one.close()
    found.two.close()


def order(orders: PowerOrders, action: str, node: Node = NODE) -> PowerSet:
    return orders.set_power(SetPower(node="n1", action=action, who="ada", request=Request(Asker.OPERATOR, 7)), node)  # type: ignore[arg-type]


def boot(orders: PowerOrders) -> Powered:
    return orders.carry_out(BootNode(node="n1", generation=1, environment="sledgehammer", way=Way.NETWORK), NODE)


def test_off_is_all_its_outlets(site: Site) -> None:
    orders = site.orders()
    assert (order(orders, "on").state, site.fed) == ("on", (True, True))
    assert not site.one.on["8"], "another machine's outlet"
    assert order(orders, "status").state == "on"
    assert (order(orders, "off").state, site.fed) == ("off", (False, False))


def test_a_boot_switches_the_outlets_where_no_agent_listens(site: Site) -> None:
    assert boot(site.orders()) == Powered(node="n1", generation=1, failure=None, bmc="")
    assert site.fed == (True, True)
    site.agent_obeys = True
    sets = len(site.one.sets)
    assert boot(site.orders()).failure is None
    assert len(site.one.sets) == sets, "its agent rebooted it"
    again = BootNode(node="n1", generation=1, environment="sledgehammer", way=Way.NETWORK, tries=2)
    assert site.orders().carry_out(again, NODE).failure is None
    assert len(site.one.sets) == sets + 2, "it did not obey the first time"
    installed = structs.replace(NODE, stage="system")
    assert (
        site.orders(installed).carry_out(BootNode(node="n1", generation=2, environment="debian-12", way=Way.DISK), installed).failure
        is None
    )
    assert len(site.one.sets) == sets + 4, "an installed system has no agent"


def test_a_failure_names_the_outlets_and_no_secret(site: Site) -> None:
    failed = order(site.orders(community="wrong-Community"), "on").failure
    assert failed is not None
    assert failed.code == "power_failed"
    words = sentence(failed)
    assert "unreachable by outlet pdu1/7, pdu2/7" in words
    assert "Community" not in words


def test_a_machine_with_a_bmc_keeps_it(site: Site) -> None:
    world = site.world(NODE)
    assert [f"{one.pdu}/{one.number}" for one in by_outlet(world, NODE)] == ["pdu1/7", "pdu2/7"]
    assert not by_outlet(world, structs.replace(NODE, bmc=Bmc(address="10.0.0.1")))
    assert not by_outlet(world, structs.replace(NODE, allocated=False))
    assert not by_outlet(world, structs.replace(NODE, place=Place(rack="r1", unit=9)))


def test_a_pdu_that_is_not_known_leaves_no_half(site: Site) -> None:
    text = (
        (PLAN % (1, 2))
        .replace('"*": {table: apc, address: 127.0.0.1}, ', '"*": {table: apc}, ')
        .replace("pdu2: {port", "pdu2: {address: 127.0.0.1, port")
    )
    site.plan = plan_file.read(text, "plan.yml", shipped())
    assert not by_outlet(site.world(NODE), NODE), "pdu1 has no address, so off could not be all outlets"


def test_an_outlet_feeds_one_place() -> None:
    with pytest.raises(PlanError, match="already feeds a place"):
        plan_file.read((PLAN % (1, 2)).replace("[pdu1/8]", "[pdu1/7]"), "plan.yml", shipped())
    with pytest.raises(PlanError, match="an outlet like pdu1/7"):
        plan_file.read((PLAN % (1, 2)).replace("[pdu1/8]", "[pdu1:8]"), "plan.yml", shipped())


def test_outlets_stand_in_a_plan_that_is_written(site: Site) -> None:
    again = plan_file.read(plan_write.write(site.plan), "plan.yml", shipped())
    assert again.racks == site.plan.racks
    assert json.decode(json.encode(site.plan), type=Plan).racks[0].places[0].outlets == ("pdu1/7", "pdu2/7")
