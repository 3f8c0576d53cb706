"""A burn-in of a cable between machines with kernels of their own: netem drops frames on the switch, and the cable is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import small_guest
from small_guest import Guest

from engine.files.paths import shipped_folder

WHY_NOT = small_guest.lacking() or next((f"{one} is not installed" for one in ("iperf3", "tc") if shutil.which(one) is None), "")
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
LIMITS = {"least": 50, "lost": 10, "most": 4}
"""No emulated processor moves what a cable of 1 Gbit/s can."""


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, Guest, Guest]]:
    tools = shipped_folder("images") / "node"
    files = {f"work/{name}": tools / name for name in ("attribute", "results")}
    files |= {f"work/{role}": shipped_folder("barclamps") / "burn-in/roles" / role for role in ("burn-in-server", "burn-in-network")}
    with small_guest.star(tmp_path_factory.mktemp("rack"), files, ("iperf3", "tc"), ("sch_netem",)) as (one, two, switch):
        switch.must(
            "ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0 && ip link set br0 up && "
            "for one in eth0 eth1; do ip link set $one master br0 && ip link set $one up; done"
        )
        for node in (one, two):
            node.must("mkdir -p /run; ip link set eth0 up")
            node.must("n=0; while ip -6 addr show dev eth0 | grep -q tentative; do sleep 1; n=$((n + 1)); [ $n -lt 60 ] || exit 1; done")
        yield one, two, switch


def port(number: int) -> dict[str, Any]:
    about = {"node": f"n{number}", "name": "eth0", "mac": f"52:54:00:00:0{number}:01", "address": f"fe80::5054:ff:fe00:{number:x}01"}
    return {**about, "speed": 1000, "switch": "tor1", "port": f"eth{number - 1}"}


def role(node: Guest, number: int, name: str) -> tuple[int, str]:
    peers = {"node": f"n{number}", "ports": [{**port(number), "peers": [port(3 - number)]}]}
    attributes = {"burn-in-peers": peers, "burn-in-network-seconds": 3, "burn-in-network-limits": LIMITS}
    node.write("/tmp/attributes.json", json.dumps(attributes))
    return node.run(f"CROWBAR_ATTRIBUTES=/tmp/attributes.json CROWBAR_GIVES=/tmp/gives.json sh /work/{name}/run", 600)


def test_netem_drops_frames_and_the_cable_is_named(rack: tuple[Guest, Guest, Guest]) -> None:
    one, two, switch = rack
    code, said = role(two, 2, "burn-in-server")
    assert code == 0, said
    code, said = role(one, 1, "burn-in-network")
    assert code == 0, said
    switch.must("tc qdisc add dev eth1 root netem loss 10%")
    code, said = role(one, 1, "burn-in-network")
    assert code == 1, said
    report = json.loads(one.must("cat /tmp/gives.json"))["burn-in-network-report"]
    (line,) = [test["line"] for group in report["groups"] for test in group["tests"] if test["result"] == "failed"]
    assert line.startswith("the cable of n1 eth0 to tor1:eth0 or the cable of n2 eth0 to tor1:eth1 loses"), line
    switch.must("tc qdisc del dev eth1 root")
    code, said = role(one, 1, "burn-in-network")
    assert code == 0, said
