"""The agent writes a challenge into its machine's BMC. The `ipmitool` of these tests reaches a simulated BMC over the network instead of the
kernel's driver, so that the BMC itself judges the octets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_rig import Node
from bmc_machine import Machine
from fake_engine import Engine
from node_shell import Shell, found

from engine.power import NoteRead, Pace
from engine.power.gate import Gates
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.racks.bmc.commands import Commands
from engine.racks.bmc.ipmi import BmcFarm, SimBmc
from engine.racks.bmc.label import About

TEXT = "abcdefghij234"
WAYS = "system-name sel-entry"


class Older(Commands):
    """A BMC without the optional commands for system information."""

    _TABLE = {key: entry for key, entry in Commands._TABLE.items() if key not in ((0x06, 0x58), (0x06, 0x59))}


@pytest.fixture
def bmc() -> Iterator[SimBmc]:
    with BmcFarm() as farm:
        yield farm.add("127.0.0.1", 0, Machine())


@pytest.fixture
def with_bmc(node: Node, bmc: SimBmc) -> Node:
    node.write("dev/ipmi0", "")
    tool = node.said.parent / "tools" / "ipmitool"
    tool.unlink(missing_ok=True)
    tool.write_text(f'#!/bin/sh\nexec {found("ipmitool")} -I lanplus -H 127.0.0.1 -p {bmc.port} -U root -P calvin "$@"\n')
    tool.chmod(0o755)
    return node


def shown(bmc: SimBmc, record: int = 0) -> str:
    target = IpmiTarget(address="127.0.0.1", port=bmc.port, user="root", password="calvin")
    read = IpmiPower(target, gates=Gates(), pace=Pace(total_s=5.0)).note(record, lambda text: text == TEXT)
    assert isinstance(read, NoteRead), read
    return read.text


def answered(node: Node, engine: Engine) -> dict[str, Any]:
    node.agent()
    return node.until(lambda: engine.results and engine.results[0], "the answer to the challenge")  # type: ignore[no-any-return]


def test_as_the_system_s_name(with_bmc: Node, engine: Engine, bmc: SimBmc) -> None:
    engine.order(do="prove", id="prove-3", text=TEXT, ways=WAYS)
    said = answered(with_bmc, engine)
    assert said == {"id": "prove-3", "state": "ended", "exit": 0, "gives": {"way": "system-name", "record": 0}, "message": ""}
    assert shown(bmc) == TEXT
    with_bmc.until(lambda: engine.polls >= 2, "the next order is asked for")


def test_as_an_entry_of_the_event_log_where_the_bmc_keeps_no_name(with_bmc: Node, engine: Engine, bmc: SimBmc) -> None:
    bmc.commands = Older(bmc.chassis, About(guid=uuid.uuid4()), bmc.host, b"\x02\0\0\0\0\1")
    bmc.commands.events.append(bytes(14))
    engine.order(do="prove", id="prove-4", text=TEXT, ways=WAYS)
    assert answered(with_bmc, engine)["gives"] == {"way": "sel-entry", "record": 2}
    assert shown(bmc, 2) == TEXT


def test_a_bmc_that_refuses_is_named(with_bmc: Node, engine: Engine, bmc: SimBmc) -> None:
    bmc.commands = Older(bmc.chassis, About(guid=uuid.uuid4()), bmc.host, b"\x02\0\0\0\0\1")
    engine.order(do="prove", id="prove-5", text=TEXT, ways="system-name")
    said = answered(with_bmc, engine)
    assert (said["exit"], said["gives"]) == (1, {})
    assert "system-name" in said["message"]
    assert "0xc1" in said["message"].lower()


@pytest.mark.parametrize("lacks", ["driver", "ipmitool"])
def test_what_is_missing_is_named(engine: Engine, lacks: str, tmp_path: Path) -> None:
    node = Node(Shell("dash", tmp_path, without=("wget", "ipmitool")), tmp_path, engine)
    node.stub("modprobe")
    if lacks == "ipmitool":
        node.write("dev/ipmi0", "")
    engine.order(do="prove", id="prove-6", text=TEXT, ways=WAYS)
    said = answered(node, engine)
    node.kill()
    assert said["exit"] == 1
    assert ("no driver" if lacks == "driver" else "ipmitool is missing") in said["message"]


@pytest.mark.parametrize("text", ["", "abcdefghij23", "abcdefghij234;reboot", "$(reboot)", "ABCDEFGHIJ234"])
def test_a_text_that_is_none_is_not_written(curl_node: Node, engine: Engine, text: str) -> None:
    curl_node.write("dev/ipmi0", "")
    called = curl_node.stub("ipmitool")
    engine.order(do="prove", id="prove-7", text=text, ways=WAYS)
    curl_node.agent()
    curl_node.until(lambda: "without a usable text" in curl_node.said.read_text(), "the refusal is said")
    assert not called.exists()
    assert not engine.results
