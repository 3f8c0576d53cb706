"""The table of BMCs that do one protocol better: each row's evidence holds in the recorded trees, and orders follow the row."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_power_recorded import CASES, Case

from engine.core.world.load import load_world
from engine.effects import BootNode
from engine.files.catalog import shipped
from engine.model import Bmc, Node, NodeRole, Way
from engine.power import Pace
from engine.quirks import BMC_WAYS, bmc_way
from engine.racks.bmc.ipmi import DEAD, BmcFarm
from engine.racks.bmc.redfish import RedfishFarm
from engine.reasons import sentence
from engine.runtime.config import Config
from engine.runtime.power_orders import PowerOrders
from engine.wire.reach import Reach

REACH = Reach(os.getpid() % 200 + 20)
ADDRESS = f"10.0.{os.getpid() // 200 % 200}.24"
PLUS = ("HPE", "ProLiant DL385 Gen10 Plus v2")
OLD = ("Dell Inc.", "PowerEdge R430")


@pytest.mark.parametrize(
    ("vendor", "product", "use", "better"),
    [
        (*PLUS, "power", "redfish"),
        (*PLUS, "console", "redfish"),
        ("HPE", "ProLiant DL380 Gen9", "power", None),
        ("Lenovo", "ThinkSystem SR650", "power", "redfish"),
        ("lenovo", "THINKSYSTEM SR650", "health", "redfish"),
        ("GIGABYTE", "H262-Z63-00", "health", "ipmi"),
        ("GIGABYTE", "H262-Z63-00", "power", None),
        ("Intel Corporation", "S2600BPB", "health", "ipmi"),
        (*OLD, "power", "ipmi"),
        ("Dell Inc.", "PowerEdge R730xd", "power", "ipmi"),
        ("Dell Inc.", "PowerEdge FC630", "health", "ipmi"),
        ("Dell Inc.", "PowerEdge R750", "power", None),
        ("Dell Inc.", "PowerEdge R7525", "power", None),
        ("", "", "power", None),
        ("Nobody", "Known [x", "health", None),
    ],
)
def test_a_product_is_looked_up(vendor: str, product: str, use: Any, better: str | None) -> None:
    assert bmc_way(vendor, product, use) == better


def test_each_row_names_products_and_evidence() -> None:
    for row in BMC_WAYS:
        assert row.products, row
        assert row.better, row
        assert len(row.does) > 20, row
        assert len(row.seen) > 20, row


# -- the evidence --------------------------------------------------------------------------------------------------


def resources(case: Case, kind: str) -> list[dict[str, Any]]:
    return [one for one in case.tree.values() if str(one.get("@odata.type", "")).startswith(f"#{kind}.")]


def missing(case: Case, path: str) -> bool:
    """True if the service answers with an error where it links to."""
    return path not in case.tree


def lacks(case: Case) -> dict[str, str]:
    """Use -> why this service of Redfish does not serve it. What was not recorded says nothing."""
    out = {}
    if resources(case, "Thermal") and not any(one.get("Fans") for one in resources(case, "Thermal")):
        out["health"] = "no fans"
    return out


def without_ipmi(case: Case) -> bool:
    return any(
        isinstance(one.get("IPMI"), dict) and one["IPMI"].get("ProtocolEnabled") is False
        for one in resources(case, "ManagerNetworkProtocol")
    )


each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name) if CASES else pytest.mark.skip("no recorded hardware")


@each
def test_a_row_agrees_with_the_recorded_tree(case: Case) -> None:
    """A service that lacks something for a use has a row that says IPMI; one whose IPMI is off has a row that says Redfish."""
    maker, model = str(case.system.get("Manufacturer") or ""), str(case.system.get("Model") or "")
    if not maker:
        pytest.skip("the recording does not say whose it is")
    for use, why in lacks(case).items():
        assert bmc_way(maker, model, use) == "ipmi", f"{maker} {model}: {why}"  # type: ignore[arg-type]
    if without_ipmi(case):
        assert bmc_way(maker, model, "power") == "redfish", f"{maker} {model} has no IPMI"
    if bmc_way(maker, model, "power") == "redfish":
        reset = case.system.get("Actions", {}).get("#ComputerSystem.Reset", {})
        allowed = reset.get("ResetType@Redfish.AllowableValues") or ["On", "ForceOff"]
        assert {"On", "ForceOff"} <= set(allowed), f"{maker} {model}"


def test_the_trees_without_ipmi_or_fans_are_among_the_recorded() -> None:
    if not CASES:
        pytest.skip("no recorded hardware")
    assert sum(map(without_ipmi, CASES)) >= 2
    assert sum(bool(lacks(case)) for case in CASES) >= 1
    folder = {Path(case.name).name for case in CASES}
    assert any("Intel" in one for one in folder)
    intel = next(case for case in CASES if "Intel" in case.name)
    assert missing(intel, "/redfish/v1/Chassis/RackMount")
    assert "/redfish/v1/Chassis" in intel.tree


# -- orders follow it ----------------------------------------------------------------------------------------------

Make = Callable[..., tuple[PowerOrders, Node]]


@pytest.fixture
def orders(tmp_path: Path) -> Make:
    def made(about: tuple[str, str], protocol: Any = "") -> tuple[PowerOrders, Node]:
        node = Node(id="n1", name="n1", allocated=True, bmc=Bmc(address=ADDRESS, entered=True, protocol=protocol), firmware="efi")
        told = NodeRole(node="n1", role="inventory", deployment="system", gave={"vendor": about[0], "product": about[1]})
        world = load_world(shipped(), {"nodes": {node.id: node}, "node_roles": {(told.node, told.role): told}})
        config = Config(store=tmp_path / "store", keys=tmp_path, reach=REACH)
        pace = Pace(total_s=2.0, web_s=2.0, soft_s=2.0, greet_s=0.4, rest_s=0.0, poll_s=0.05)
        return PowerOrders(config, lambda _node: ("root", "calvin"), lambda *_: False, lambda: pace, lambda: world), node

    return made


@pytest.fixture
def by_ipmi(farm: BmcFarm, machine: Any) -> Any:
    return farm.add(*REACH(ADDRESS, 623), machine)


@pytest.fixture
def both(by_ipmi: Any, redfish_farm: RedfishFarm, machine: Any) -> tuple[Any, Any]:
    return by_ipmi, redfish_farm.add(*REACH(ADDRESS, 443), machine)


def boot(made: tuple[PowerOrders, Node]) -> tuple[str, str]:
    done = made[0].carry_out(BootNode(node="n1", generation=1, environment="sledgehammer", way=Way.NETWORK), made[1])
    return done.bmc, sentence(done.failure) if done.failure is not None else ""


def test_a_first_order_takes_what_the_product_does_better(orders: Make, both: Any, farm: BmcFarm, redfish_farm: RedfishFarm) -> None:
    assert boot(orders(OLD)) == ("ipmi", "")
    assert redfish_farm.counters.packets == 0
    spoken = farm.counters.packets
    assert boot(orders(PLUS)) == ("redfish", "")
    assert farm.counters.packets == spoken


def test_what_worked_last_counts_before_the_row_for_power_and_after_it_for_health(orders: Make, both: Any) -> None:
    assert boot(orders(OLD, "redfish")) == ("redfish", "")
    made = orders(("Intel Corporation", "S2600BPB"), "redfish")
    assert made[0].vitals(made[1], None)[2] == "ipmi"
    assert boot(made) == ("redfish", "")


@pytest.mark.parametrize(("about", "silent", "spoken"), [(OLD, 0, "redfish"), (PLUS, 1, "ipmi")])
def test_a_bmc_without_the_better_protocol_is_asked_by_the_other(
    orders: Make, both: Any, about: tuple[str, str], silent: int, spoken: str
) -> None:
    both[silent].mood = DEAD
    assert boot(orders(about)) == (spoken, "")


def test_nobody_answers(orders: Make, both: Any) -> None:
    both[0].mood = both[1].mood = DEAD
    spoken, why = boot(orders(OLD))
    assert spoken == "unknown"
    assert "unreachable by Redfish or IPMI" in why
