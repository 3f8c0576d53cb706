"""Which protocol a power order uses: the ordered one, the one that worked last, or the one that the BMC reports."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.core.world.load import load_world
from engine.effects import BootNode, Identify, SetPower
from engine.files.catalog import shipped
from engine.model import Bmc, Node, Value, Way
from engine.power import Pace
from engine.racks.bmc.ipmi import DEAD, LIES, LOCKED, OBEDIENT, BmcFarm, odd
from engine.racks.bmc.redfish import RedfishFarm
from engine.reasons import sentence
from engine.requests import Asker, Request
from engine.runtime.config import Config
from engine.runtime.power_orders import KNOWN, PowerOrders
from engine.wire.reach import Reach

REACH = Reach(os.getpid() % 200 + 20)  # a lane of its own for each worker of the tests
ADDRESS = f"10.0.{os.getpid() // 200 % 200}.23"
SERVER = Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, entered=True), firmware="efi")
Make = Callable[..., PowerOrders]


@pytest.fixture
def orders(tmp_path: Path) -> Make:
    def made(wanted: str = "", password: str = "calvin") -> PowerOrders:
        asked = Value(layer="operator", scope="n1", name="bmc-protocol", value=wanted)
        world = load_world(shipped(), {"attributes": {asked.key: asked} if wanted else {}})
        config = Config(store=tmp_path / "store", keys=tmp_path, reach=REACH)
        pace = Pace(total_s=2.0, web_s=2.0, soft_s=2.0, greet_s=0.4, rest_s=0.0, poll_s=0.05)
        return PowerOrders(config, lambda _node: ("root", password), lambda *_: False, lambda: pace, lambda: world)

    return made


@pytest.fixture
def speaks_ipmi(farm: BmcFarm, machine: Any) -> Any:
    return farm.add(*REACH(ADDRESS, 623), machine)


@pytest.fixture
def speaks_redfish(redfish_farm: RedfishFarm, machine: Any) -> Any:
    return redfish_farm.add(*REACH(ADDRESS, 443), machine)


def boot(orders: PowerOrders, node: Node = SERVER, way: Way = Way.NETWORK) -> tuple[str, str]:
    """What it was talked to by, and what went wrong."""
    done = orders.carry_out(BootNode(node="n1", generation=1, environment="sledgehammer", way=way), node)
    return done.bmc, sentence(done.failure) if done.failure is not None else ""


def known(protocol: Any) -> Node:
    return Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, protocol=protocol, entered=True), firmware="bios")


def test_ipmi_where_there_is_no_redfish(orders: Make, speaks_ipmi: Any, machine: Any) -> None:
    assert boot(orders()) == ("ipmi", "")
    assert machine.log == [("network", False, True), "on"]


def test_redfish_where_it_answers(orders: Make, speaks_ipmi: Any, speaks_redfish: Any, machine: Any, farm: BmcFarm, tmp_path: Path) -> None:
    assert boot(orders(), way=Way.DISK) == ("redfish", "")
    assert machine.log == [("disk", False, True), "on"]
    assert farm.counters.packets == 0
    assert len((tmp_path / KNOWN).read_text().splitlines()) == 1


def test_as_somebody_asked(orders: Make, speaks_ipmi: Any, speaks_redfish: Any, redfish_farm: RedfishFarm, farm: BmcFarm) -> None:
    assert boot(orders("ipmi"), known("redfish")) == ("ipmi", "")
    assert redfish_farm.counters.packets == 0
    spoken = farm.counters.packets
    assert boot(orders("redfish"), known("ipmi")) == ("redfish", "")
    assert farm.counters.packets == spoken


def test_as_last_time_without_asking(orders: Make, speaks_ipmi: Any, speaks_redfish: Any, redfish_farm: RedfishFarm) -> None:
    assert boot(orders(), known("ipmi")) == ("ipmi", "")
    assert redfish_farm.counters.packets == 0


def test_nobody_answers(orders: Make, speaks_ipmi: Any, speaks_redfish: Any) -> None:
    speaks_redfish.mood = speaks_ipmi.mood = DEAD
    spoken, why = boot(orders())
    assert spoken == "unknown"
    assert "unreachable by Redfish or IPMI" in why
    spoken, why = boot(orders(), known("redfish"))
    assert spoken == "unknown"
    assert "unreachable by Redfish:" in why


@pytest.mark.parametrize(("mood", "kind"), [(LIES, "not_obeyed"), (LOCKED, "authentication")])
def test_what_went_wrong_names_the_protocol(orders: Make, speaks_redfish: Any, mood: Any, kind: str) -> None:
    speaks_redfish.mood = mood
    spoken, why = boot(orders())
    assert spoken == "redfish"
    assert f"{kind} by Redfish" in why
    assert ("has it tried by IPMI" in why) == (kind == "not_obeyed")
    assert ADDRESS in why
    assert "calvin" not in why


def test_an_operator_s_orders(orders: Make, speaks_redfish: Any, machine: Any) -> None:
    every = orders()
    done = every.set_power(SetPower(node="n1", action="on", who="ada", request=Request(Asker.OPERATOR, 7)), SERVER)
    assert (done.bmc, done.state, done.failure) == ("redfish", "on", None)
    done = every.set_power(SetPower(node="n1", action="status", who="ada", request=Request(Asker.OPERATOR, 7)), known("redfish"))
    assert (done.bmc, done.state, done.failure) == ("redfish", "on", None)
    done = every.set_power(Identify(node="n1", seconds=30, who="ada", request=Request(Asker.OPERATOR, 7)), known("redfish"))
    assert (done.action, done.failure) == ("identify", None)
    assert machine.log == ["on", ("identify", -1)]
    nothing = every.set_power(SetPower(node="n1", action="off", who="ada", request=Request(Asker.OPERATOR, 7)), Node(id="n1", name="n1"))
    assert nothing.failure is not None
    assert (nothing.failure.code, nothing.bmc) == ("no_power", "")


def test_a_clock_that_is_wrong_is_told(orders: Make, speaks_redfish: Any) -> None:
    speaks_redfish.mood = odd("clock")
    done = orders().set_power(SetPower(node="n1", action="status", who="ada", request=Request(Asker.OPERATOR, 7)), known("redfish"))
    assert (done.state, done.failure) == ("off", None)
    assert done.clock_off_s is not None
    assert done.clock_off_s < -7 * 365 * 86_400
    speaks_redfish.mood = OBEDIENT  # shows none
    assert (
        orders()
        .set_power(SetPower(node="n1", action="status", who="ada", request=Request(Asker.OPERATOR, 7)), known("redfish"))
        .clock_off_s
        is None
    )


def test_a_firmware_that_is_not_known_is_left_as_it_is(orders: Make, speaks_redfish: Any, machine: Any) -> None:
    speaks_redfish.tree._mode = "UEFI"
    assert boot(orders(), Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, entered=True))) == ("redfish", "")
    assert machine.log[0] == ("network", False, True)


def test_without_a_bmc_nothing_is_told(orders: Make) -> None:
    spoken, why = boot(orders(), Node(id="n1", name="n1"))
    assert (spoken, "BMC" in why) == ("", True)
    assert boot(orders(), way=Way.OWN) == ("", "")
