"""Machines without a BMC on a simulated rack: the engine powers them by their outlets, over SNMP, from the first boot to a cycle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from faulty_rack import PLAN, FaultyRack, faulty

from engine.effects import Accept
from engine.events import Operate
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import Node

OUTLETS = (
    PLAN.replace('"mgmt:1"}}', '"mgmt:1"}, outlets: [pdu1/1, pdu2/1]}')
    .replace('"mgmt:2"}}', '"mgmt:2"}, outlets: [pdu1/2]}')
    .replace(
        "rules:\n",
        'attributes: {pdu-access: {"*": {table: apc}, pdu1: {address: 192.168.124.251}, '
        "pdu2: {address: 192.168.124.252, table: raritan}}}\nrules:\n",
    )
    .replace("secrets: {", "secrets: {pdu-community: {env: CROWBAR_TEST_PDU}, ")
)


def counted(rack: FaultyRack, name: str) -> int:
    return int(rack.rack.status()["counters"].get(name, 0))


def node(rack: FaultyRack, name: str) -> Node:
    found = rack.node(name)
    assert found is not None
    return found


def order(rack: FaultyRack, name: str, action: str) -> None:
    answer = rack.engine.ask(Operate(who="op", verb="power", node=node(rack, name).id, value=action), timeout_s=120.0)
    assert isinstance(answer, Accept), answer


def test_machines_without_a_bmc_are_powered_by_their_outlets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "CROWBAR_TEST_PDU", "s3cr3t-Community")
    with faulty(tmp_path, "faults: {}\n", nodes=3, wanted=plan_file.read(OUTLETS, "plan.yml", shipped())) as rack:
        rack.all_ready()
        assert node(rack, "m1").bmc is None
        assert node(rack, "m3").bmc is not None, "no outlet feeds it"
        before = counted(rack, "pdu-off")

        order(rack, "m1", "off")
        rack.until(lambda: rack.machine("m1")["power"] in ("off", False))
        assert counted(rack, "pdu-off") == before + 2, "both of its outlets"
        assert rack.machine("m2")["power"] not in ("off", False)
        rack.until(lambda: (off := node(rack, "m1").off) is not None and off.done)

        boots = node(rack, "m1").boots
        order(rack, "m1", "on")
        rack.until(lambda: rack.ready() == {"m1", "m2", "m3"} and node(rack, "m1").alive)
        rack.until(lambda: counted(rack, "pdu-on") >= 2)

        order(rack, "m2", "cycle")
        rack.until(lambda: counted(rack, "pdu-off") == before + 3)
        rack.until(lambda: rack.ready() == {"m1", "m2", "m3"} and node(rack, "m2").alive)
        assert node(rack, "m1").boots >= boots
