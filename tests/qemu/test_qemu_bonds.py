"""network-NAME on a real kernel with bonds, VLANs and bridges: a node and, at the other end of its two cables, a switch that is a machine too."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import small_guest
from small_guest import Guest

from engine.files.paths import shipped_folder

WHY_NOT = small_guest.lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

MODES = ("active-backup", "balance-rr", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
LINKS = [
    {"link": f"10g{n}", "name": f"eno{n}", "mac": f"52:54:00:00:01:{n + 1:02x}", "switch": "tor1", "port": f"swp{n + 1}"} for n in (0, 1)
]
TARGETS = [
    {"node": "n2", "address": "10.1.0.82", "v6": "fd00:1::82", "mtu": 2000},
    {"node": "n3", "address": "10.1.0.83", "v6": "", "mtu": 0},
]


def storage(**more: Any) -> dict[str, Any]:
    bond = {"name": "bond0", "mode": "802.3ad", "hash": "layer2+3", "miimon": 100}
    v6 = {"address": "fd00:1::81", "prefix": 64, "router": ""}
    wanted = {
        "name": "storage",
        "address": "10.1.0.81",
        "mask": "255.255.240.0",
        "vlan": 200,
        "mtu": 2000,
        "bridge": "br-storage",
        "v6": v6,
    }
    return {**wanted, "router": "", "bond": bond, "links": LINKS, **more}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, Guest]]:
    folder = tmp_path_factory.mktemp("pair")
    kernel = small_guest.kernel_folder(folder)
    assert kernel is not None
    files = {
        "work/role": shipped_folder("barclamps") / "network/roles/network",
        "work/attribute": shipped_folder("images") / "node/attribute",
    }
    vmlinuz, initrd = small_guest.build(folder, kernel, files)
    cables = [(folder / f"n{i}", folder / f"s{i}") for i in (0, 1)]
    node = Guest("node", vmlinuz, initrd, cables, 1)
    switch = Guest("switch", vmlinuz, initrd, [(there, here) for here, there in cables], 2)
    try:
        for one in (node, switch):
            one.boot()
        node.must(
            "mkdir -p /etc/systemd/network /etc/systemd/system/multi-user.target.wants /var/lib; "
            "touch /etc/systemd/system/multi-user.target.wants/systemd-networkd.service; "
            "printf '[Match]\\nMACAddress=52:54:00:00:01:01\\n[Network]\\nAddress=192.168.124.81/24\\n' "
            ">/etc/systemd/network/50-crowbar-admin.network; ip link set eth0 up; ip addr add 192.168.124.81/24 dev eth0"
        )
        yield node, switch
    finally:
        node.close()
        switch.close()


def role(node: Guest, action: str, wanted: dict[str, Any], wait_s: int = 60) -> tuple[int, str]:
    text = base64.b64encode(json.dumps({"network": wanted, "network-targets": TARGETS}).encode()).decode()
    node.must(f"echo {text} | base64 -d >/tmp/attributes.json")
    names = f"CROWBAR_ATTRIBUTES=/tmp/attributes.json CROWBAR_GIVES=/tmp/gives.json CROWBAR_NETWORK_WAIT_S={wait_s} CROWBAR_REACH_S=12"
    return node.run(f"{names} sh /work/role/{action}")


def switch_side(switch: Guest, lacp: bool, vlan: bool) -> None:
    switch.run("for one in bond0.200 bond0; do ip link del $one; done 2>/dev/null; ip addr flush dev eth0; true")
    if lacp:
        switch.must(
            "ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast && for one in eth0 eth1; do ip link set $one down; "
            "ip link set $one master bond0; ip link set $one up; done && ip link set bond0 up"
        )
    port = "bond0" if lacp else "eth0"
    switch.must(f"ip link set {port} up mtu 2000 && ip addr add 192.168.124.10/24 dev {port}")
    if vlan:
        switch.must(
            f"ip link add link {port} name bond0.200 type vlan id 200 && ip link set bond0.200 up && ip addr add 10.1.0.82/20 dev bond0.200 "
            "&& ip -6 addr add fd00:1::82/64 dev bond0.200 nodad"
        )


def test_lacp_a_vlan_and_a_bridge(pair: tuple[Guest, Guest]) -> None:
    node, switch = pair
    switch_side(switch, lacp=True, vlan=True)
    code, said = role(node, "run", storage())
    assert code == 0, said
    code, said = role(node, "verify", storage())
    assert code == 0, said
    assert "10.1.0.81/20" in node.must("cat /tmp/gives.json")
    assert "192.168.124.81/24" in node.must("ip -o addr show dev bond0"), "the install's address moved to the bond"
    assert "VID: 200" in node.must("cat /proc/net/vlan/bond0.200")
    assert "mtu 2000" in node.must("ip link show br-storage")
    code, said = role(node, "run", storage())
    assert (code, said) == (0, ""), "nothing is left to do"
    switch_side(switch, lacp=True, vlan=False)
    node.must("n=0; until ping -c 1 -W 1 192.168.124.10; do n=$((n + 1)); [ $n -lt 60 ] || break; done >/dev/null 2>&1")
    code, said = role(node, "verify", storage())
    assert code == 1
    assert "port tor1:swp1 (cable 10g0) and port tor1:swp2 (cable 10g1) do not carry VLAN 200: none of the 2 nodes" in said
    assert "and untagged frames pass" in said
    switch_side(switch, lacp=False, vlan=True)
    node.must("ip link del bond0")  # the partner's last word counts for 90 s otherwise
    code, said = role(node, "run", storage())
    assert code == 0, said
    code, said = role(node, "verify", storage())
    assert code == 1
    assert "does not speak LACP, which bond0 needs" in said


def test_each_mode_and_back(pair: tuple[Guest, Guest]) -> None:
    node, _ = pair
    for mode in MODES:
        wanted = storage(bond={"name": "bond0", "mode": mode, "hash": "layer3+4", "miimon": 50})
        code, said = role(node, "run", wanted)
        assert code == 0, (mode, said)
        assert node.must("cat /sys/class/net/bond0/bonding/mode").split()[0] == mode
        assert sorted(node.must("cat /sys/class/net/bond0/bonding/slaves").split()) == ["eth0", "eth1"]
        assert "10.1.0.81/20" in node.must("ip -o addr show dev br-storage")


def test_without_a_call_the_mode_comes_back(pair: tuple[Guest, Guest]) -> None:
    node, _ = pair
    before = storage(bond={"name": "bond0", "mode": "active-backup", "hash": "", "miimon": 100})
    assert role(node, "run", before)[0] == 0
    wanted = storage(vlan=300, bridge="", bond={"name": "bond0", "mode": "balance-rr", "hash": "", "miimon": 100})
    code, said = role(node, "run", wanted, wait_s=25)
    assert code == 0, said
    node.must(
        "n=0; while [ -e /var/lib/crowbar/network/change ] || [ -e /var/lib/crowbar/network/rolling ]; do sleep 1; n=$((n+1)); [ $n -lt 120 ] || break; done"
    )
    code, said = role(node, "verify", wanted)
    assert code == 66
    assert "storage on bond0.300 (10.1.0.81/20, VLAN 300, bond balance-rr) was taken back" in said
    assert node.must("cat /sys/class/net/bond0/bonding/mode").split()[0] == "active-backup"
    assert sorted(node.must("cat /sys/class/net/bond0/bonding/slaves").split()) == ["eth0", "eth1"]
    assert "10.1.0.81/20" in node.must("ip -o addr show dev br-storage")
    assert "192.168.124.81/24" in node.must("ip -o addr show dev bond0")
    assert node.run("ip link show bond0.300")[0] != 0
    assert "bond0.200" in node.must("ls /sys/class/net/br-storage/brif")
