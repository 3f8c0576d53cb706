"""The ports of the rack's switches: which frames they pass, and LACP. Real frames through real bridges, without QEMU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.lacp import LACP, SlowProtocol
from scapy.layers.l2 import Ether

from engine.racks import RackFileWrong, namespace
from engine.racks.qemu import lacp, network
from engine.racks.qemu.speaker import SYSTEM
from engine.racks.qemu.spec import Ports, QemuRackSpec, parse, render

HERE = Path(__file__).resolve().parent
SPEC = QemuRackSpec(nodes=2)
OTHERS = ["m2-1g0", "m2-1g1"]
PORT = st.builds(
    lacp.Port,
    system=st.binary(min_size=6, max_size=6),
    key=st.integers(0, 65535),
    port=st.integers(0, 65535),
    state=st.integers(0, 255),
    system_priority=st.integers(0, 65535),
    port_priority=st.integers(0, 65535),
)


@given(PORT, PORT)
def test_scapy_reads_a_lacpdu_as_it_was_meant(actor: lacp.Port, partner: lacp.Port) -> None:
    octets = lacp.encode(b"\x02" * 6, actor, partner)
    read = Ether(octets)
    assert (read.dst, read.type, read[SlowProtocol].subtype, len(octets)) == ("01:80:c2:00:00:02", 0x8809, 1, 124)
    for side, of in (("actor", actor), ("partner", partner)):
        found = [
            getattr(read[LACP], f"{side}_{field}")
            for field in ("system", "key", "port_number", "state", "system_priority", "port_priority")
        ]
        assert found == [of.system.hex(":"), of.key, of.port, of.state, of.system_priority, of.port_priority]
    assert lacp.decode(octets) == actor


@given(st.binary(max_size=200))
def test_no_other_frame_is_a_lacpdu(octets: bytes) -> None:
    assert lacp.decode(octets) is None
    whole = lacp.answer(b"\x02" * 6, 1, 2, None)
    assert lacp.decode(whole[: len(octets) % 124]) is None


def test_a_switch_that_heard_nothing_says_so() -> None:
    found = lacp.decode(lacp.answer(SYSTEM, 3, 7, None))
    assert found is not None
    assert found.state & lacp.DEFAULTED
    assert not found.state & lacp.IN_SYNC


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{m3: {channel: true}}", "no machine 'm3'"),
        ("{all: {vlans: [0]}}", "from 1 to 4094"),
        ("{m1: {mtu: 20000}}", "68 to 9216 octets"),
        ("{m1: {vlan: 3}}", "unknown field"),
    ],
)
def test_ports_that_no_switch_has(text: str, where: str) -> None:
    with pytest.raises(RackFileWrong, match=where):
        parse(f"kind: qemu\nnodes: 2\nports: {text}")


def test_ports_are_read_back_and_a_machine_s_own_entry_counts_whole() -> None:
    spec = QemuRackSpec(nodes=2, ports={"all": Ports(channel=True, mtu=1500), "m2": Ports(vlans=(200,))})
    assert parse(render(spec)) == spec
    assert network.ports_as_built(spec) == {"m1": Ports(channel=True, mtu=1500), "m2": Ports(vlans=(200,))}
    assert network.channels(spec, network.ports_as_built(spec)) == {"m1-1g0": (1, 2), "m1-1g1": (1, 3)}
    assert network.rules(SPEC, {}) == "", "a rack as delivered needs no filter"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    if why := namespace.why_not():
        pytest.skip(why)
    if shutil.which("nft") is None:
        pytest.skip("nft is missing: apt install nftables")
    words = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), sys.executable, str(HERE / "on_ports.py")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_ports_as_delivered_pass_all(seen: dict[str, Any]) -> None:
    every = ["m1-1g1", *OTHERS]
    assert [seen["as delivered"], seen["as delivered, tagged"], seen["as delivered, large"], seen["delivered again"]] == [every] * 4


def test_a_port_carries_its_vlans_and_what_has_no_tag(seen: dict[str, Any]) -> None:
    assert seen["vlan not carried"] == seen["no vlan"] == []
    assert seen["vlan carried"] == seen["untagged"] == ["m1-1g1", *OTHERS]


def test_a_port_passes_packets_up_to_its_size(seen: dict[str, Any]) -> None:
    assert set(OTHERS) <= set(seen["mtu"]) & set(seen["tagged mtu"])
    assert seen["too large"] == []
    assert seen["too large, from the other"] == ["m2-1g1"]


def test_a_machine_with_a_port_channel_gets_nothing_twice_and_nothing_back(seen: dict[str, Any]) -> None:
    assert seen["channel, first"] == seen["channel, second"] == OTHERS
    assert seen["channel, from the other"] == ["m1-1g0", "m2-1g1"]
    assert len(seen["channel, to the machine"]) == 1
    assert seen["rules"] == 3


def test_both_switches_are_one_system_to_a_bond(seen: dict[str, Any]) -> None:
    together = lacp.ACTIVE | lacp.SHORT | lacp.AGGREGATES | lacp.IN_SYNC | lacp.COLLECTS | lacp.DISTRIBUTES
    assert seen["lacp"] == {"m1-1g0": [SYSTEM.hex(":"), 1, 2, together], "m1-1g1": [SYSTEM.hex(":"), 1, 3, together]}
