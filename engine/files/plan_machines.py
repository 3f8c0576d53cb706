"""Reads `machines`: the machines that a site expects, with what stands on their labels. `plan_file` reads the rest.

    machines:
      - {serial: SN7, bmc: {mac: "52:54:00:aa:bb:cc", user: ADMIN, password: factory-sn7}}
      - {serial: SN8, outlets: [pdu1/8, pdu2/8]}

A password is the name of one of the plan's secrets. A serial, and a BMC's MAC and address, belong to one machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from ..core.boot.junk import clean_serial
from ..core.hardware.outlets import OUTLET
from ..plan import ExpectedMachine, FactoryBmc
from .element import Element, Fields
from .mistakes import shown

MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_USER = re.compile(r"[!-9;-~]{1,16}")


def read_machines(keys: Fields, secrets: Collection[str]) -> tuple[ExpectedMachine, ...]:
    out: list[ExpectedMachine] = []
    taken: dict[str, str] = {}
    for element in keys.each("machines"):
        own = element.fields(("serial", "bmc", "outlets"), ("serial",) if "outlets" in (element.json() or {}) else ("serial", "bmc"))
        serial = own["serial"].text("the machine's serial number", 64) if "serial" in own else ""
        if serial and not clean_serial(serial):
            own["serial"].fail(f"{shown(serial)} is on many machines, so it identifies none")
        _once(own.get("serial"), serial, taken)
        bmc = _bmc(own["bmc"], secrets, taken) if "bmc" in own else FactoryBmc()
        outlets = tuple(one.name("an outlet like pdu1/7", OUTLET, 127) for one in own.each("outlets", "a list of outlets like pdu1/7"))
        for one, outlet in zip(own.each("outlets"), outlets, strict=True):
            _once(one, outlet, taken)
        out.append(ExpectedMachine(serial=serial.strip(), bmc=bmc, outlets=outlets))
    return tuple(out)


def _bmc(element: Element, secrets: Collection[str], taken: dict[str, str]) -> FactoryBmc:
    own = element.fields(("mac", "address", "user", "password"))
    mac = own["mac"].name("a MAC like 52:54:00:aa:bb:cc", MAC, 17).replace("-", ":").lower() if "mac" in own else ""
    address = own["address"].address() if "address" in own else None
    _once(own.get("mac"), mac, taken)
    _once(own.get("address"), str(address) if address else "", taken)
    if "user" in own and "password" not in own:
        element.fail("expected the key 'password' too: the name of one of the plan's secrets")
    return FactoryBmc(
        mac=mac,
        address=str(address) if address else "",
        user=own["user"].name("a user of at most 16 characters, without a colon", _USER, 16) if "user" in own else "",
        password=own["password"].known("secret", secrets) if "password" in own else "",
    )


def _once(element: Element | None, value: str, taken: dict[str, str]) -> None:
    if element is None or not value:
        return
    if value in taken:
        element.fail(f"{shown(value)} is also that of {taken[value]}")
    taken.setdefault(value, element.path)
