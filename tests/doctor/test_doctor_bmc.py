"""Is a BMC good enough: every check with every answer, and the whole on a live rack's BMC in tests/rehearsal."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import USUAL

from engine import reasons
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.doctor.bmc import BmcSaid, bmc_checks, wanted_of
from engine.model import Bmc, Node, NodeRole, State, Value

GOOD = BmcSaid(protocol="redfish", state="on", device="none", clock_off_s=3.0, sensors=40, read_s=0.4, sensors_s=2.0)


def world(*values: Value, address: str = "10.0.1.21", role: str = "raid-configure") -> tuple[World, Node]:
    work = Work(World(base=USUAL, catalog=USUAL))
    node = Node(id="n1", name="m1.test", serial="S1", bmc=Bmc(address=address) if address else None)
    work.put_node(node)
    work.put_role(NodeRole(node="n1", role=role, deployment="system", state=State.WAITING))
    for value in values:
        work.put_value(value)
    return work.finish(), node


def grades(said: BmcSaid, wanted: tuple[str, ...] = (), **more: Any) -> dict[str, str]:
    made, node = world(**more)
    return {check.name: check.grade for check in bmc_checks(made, node, said, wanted)}


def test_without_an_address_nothing_else_is_asked() -> None:
    assert grades(BmcSaid(), address="") == {"address": "bad"}


def test_one_that_does_not_answer() -> None:
    failed = reasons.power_failed(node="m1", address="10.0.1.21", message="authentication by IPMI: wrong password")
    found = grades(BmcSaid(failure=failed))
    assert found["login"] == "bad"
    assert "power" not in found


@pytest.mark.parametrize(
    ("said", "name", "grade"),
    [
        ({}, "login", "ok"),
        ({"read_s": 11.0}, "login", "warn"),
        ({}, "power", "ok"),
        ({"state": ""}, "power", "bad"),
        ({}, "boot order", "ok"),
        ({"device": ""}, "boot order", "warn"),
        ({}, "clock", "ok"),
        ({"clock_off_s": 61.0}, "clock", "warn"),
        ({"clock_off_s": -4e8}, "clock", "warn"),
        ({"clock_off_s": None}, "clock", "warn"),
        ({}, "sensors", "ok"),
        ({"sensors": 0}, "sensors", "warn"),
        ({"failing": ("Fan 3: absent",)}, "sensors", "warn"),
        ({"unread": reasons.no_power(node="m1")}, "sensors", "warn"),
    ],
)
def test_each_check(said: dict[str, Any], name: str, grade: str) -> None:
    plain = {field: getattr(GOOD, field) for field in GOOD.__struct_fields__}
    assert grades(BmcSaid(**plain | said))[name] == grade


def test_ipmi_cannot_do_what_the_plan_wants_of_redfish() -> None:
    ipmi = BmcSaid(protocol="ipmi", state="on", device="none")
    assert grades(ipmi, ("raid-wanted",))["redfish"] == "warn"
    assert "redfish" not in grades(ipmi)
    assert "redfish" not in grades(GOOD, ("raid-wanted",))


@pytest.mark.parametrize(
    ("value", "role", "wanted"),
    [({"level": "raid1"}, "raid-configure", ("raid-wanted",)), ({"level": "none"}, "raid-configure", ()), ({"level": "raid1"}, "lldp", ())],
)
def test_what_the_plan_wants(value: Any, role: str, wanted: tuple[str, ...]) -> None:
    made, node = world(Value(layer="operator", scope="n1", name="raid-wanted", value=value, who="op"), role=role)
    assert wanted_of(made, node) == wanted


def test_nothing_is_shown_without_advice_where_it_is_not_ok() -> None:
    made, node = world()
    for said in (BmcSaid(protocol="ipmi"), BmcSaid(failure=reasons.no_power(node="m1"))):
        for check in bmc_checks(made, node, said, ("bios-wanted",)):
            assert check.grade == "ok" or check.advice, check
