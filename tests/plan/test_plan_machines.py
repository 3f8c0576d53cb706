"""`machines` in a plan: read, checked and written again."""

from __future__ import annotations

from typing import Any

import pytest

from engine.files.catalog import shipped
from engine.files.plan_file import PlanError, read, write
from engine.plan import ExpectedMachine, FactoryBmc

HEAD = """crowbar: 1
site: {name: r1, admin: {address: 10.0.0.1}}
networks:
  admin: {subnet: 10.0.0.0/24, ranges: {dhcp: 10.0.0.21-10.0.0.80, host: 10.0.0.101-10.0.0.250}}
  bmc: {subnet: 10.0.1.0/24, conduit: bmc}
secrets: {factory: {env: FACTORY}}
"""
WHOLE = '{serial: SN7, bmc: {mac: "52-54-00-AA-BB-CC", address: 10.0.1.7, user: ADMIN, password: factory}}'


def machines(*lines: str) -> Any:
    text = HEAD + "machines:\n" + "".join(f"  - {line}\n" for line in lines)
    return read(text, "plan.yml", shipped())


def test_what_stands_on_a_label() -> None:
    plan = machines(WHOLE, "{serial: SN8, bmc: {}}")
    seven = FactoryBmc(mac="52:54:00:aa:bb:cc", address="10.0.1.7", user="ADMIN", password="factory")
    assert plan.machines == (ExpectedMachine(serial="SN7", bmc=seven), ExpectedMachine(serial="SN8"))
    assert read(write(plan), "plan.yml", shipped()) == plan


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["{bmc: {}}"], "serial"),
        (["{serial: SN7}"], "bmc"),
        (["{serial: To be filled by O.E.M., bmc: {}}"], "identifies none"),
        (['{serial: "", bmc: {}}'], "serial number"),
        (["{serial: SN7, bmc: {}}", "{serial: SN7, bmc: {}}"], "is also that of machines.0.serial"),
        (['{serial: A7, bmc: {mac: "52:54:00:aa:bb:cc"}}', '{serial: B7, bmc: {mac: "52:54:00:AA:BB:CC"}}'], "is also that of"),
        (["{serial: A7, bmc: {address: 10.0.1.7}}", "{serial: B7, bmc: {address: 10.0.1.7}}"], "is also that of"),
        (["{serial: SN7, bmc: {mac: 52}}"], "MAC"),
        (["{serial: SN7, bmc: {address: bmc-7}}"], "address"),
        (["{serial: SN7, bmc: {password: other}}"], "secret"),
        (["{serial: SN7, bmc: {user: ADMIN}}"], "password"),
        (['{serial: SN7, bmc: {user: "a:b", password: factory}}'], "colon"),
        (["{serial: SN7, bmc: {user: ABCDEFGHIJKLMNOPQ, password: factory}}"], "16"),
        (["{serial: SN7, bmc: {pasword: factory}}"], "password"),
    ],
)
def test_mistakes_are_named(lines: list[str], says: str) -> None:
    with pytest.raises(PlanError) as refused:
        machines(*lines)
    assert says in str(refused.value)
    assert "plan.yml" in str(refused.value)
