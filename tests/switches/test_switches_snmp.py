"""A switch's table of addresses by SNMP, on an agent with the bridge MIBs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "power"))

from pdu_agent import PduAgent

from engine.core.hardware.port_table import SeenAddress
from engine.power.snmp import SnmpTarget
from engine.switches.snmp_table import BY_VLAN, INTERFACE, NAME, PLAIN, addresses, entries
from engine.switches.table import SwitchError

MAC = (0x52, 0x54, 0, 0, 0, 1)


def oid(column: str, *index: int) -> tuple[int, ...]:
    return (*map(int, column.split(".")), *index)


@pytest.fixture
def agent() -> Iterator[PduAgent]:
    found = PduAgent(community="s3cr3t-Community")
    found.rows = {oid(INTERFACE, port): 500 + port for port in range(1, 60)} | {
        oid(NAME, 500 + port): f"Gi1/0/{port}" for port in range(1, 60)
    }
    yield found
    found.close()


def target(agent: PduAgent, community: str = "s3cr3t-Community") -> SnmpTarget:
    return SnmpTarget(address="127.0.0.1", port=agent.port, community=community)


def test_by_vlan(agent: PduAgent) -> None:
    agent.rows |= {oid(BY_VLAN, 10, *MAC): 4, oid(BY_VLAN, 20, 0x52, 0x54, 0, 0, 0, 2): 55, oid(BY_VLAN, 20, 1, 0, 0x5E, 0, 0, 1): 3}
    assert addresses(target(agent)) == [
        SeenAddress(mac="52:54:00:00:00:01", port="Gi1/0/4", vlan=10),
        SeenAddress(mac="52:54:00:00:00:02", port="Gi1/0/55", vlan=20),
    ]


def test_without_vlans(agent: PduAgent) -> None:
    agent.rows |= {oid(PLAIN, *MAC): 4}
    assert addresses(target(agent)) == [SeenAddress(mac="52:54:00:00:00:01", port="Gi1/0/4")]


def test_a_silent_agent_says_so_without_the_community(agent: PduAgent) -> None:
    with pytest.raises(SwitchError, match="no answer in time") as caught:
        addresses(target(agent, "wrong-Community"))
    assert "Community" not in str(caught.value)


def test_odd_rows_are_left_out() -> None:
    names, interfaces = {"504": "Gi1/0/4", "505": 7}, {"4": 504, "5": 505}
    odd = {"10.82.84.0.0.0.1": 9, "10.82.84.0.0.0.2": 5, "1.2": 4, "": 4, "10.999.0.0.0.0.1": 4, "10.82.84.0.0.0.3": "x"}
    assert entries(odd, {}, interfaces, names) == []
