"""A switch that is a machine of its own: a Linux bridge that filters VLANs. The delegate sets its ports over SSH, by netmiko, and only then does the
role of a node find its VLAN. This machine's kernel takes no part, so it need not know VLANs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_guest
from small_guest import Guest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "switches"))

from cli_server import CliServer

from engine.core.hardware.port_table import OwnPath, PortWish, WantedPorts
from engine.core.plan.network_roles import network_roles
from engine.definitions import On
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.files.paths import shipped_folder
from engine.switches.apply import SwitchByLine, apply, look
from engine.switches.dialects import DIALECTS
from engine.switches.session import NetmikoLine, SwitchTarget

WHY_NOT = small_guest.lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
LINUX = DIALECTS["linux"]
PASSWORD = "s3cr3t-Pw"
VLAN = 200


class Shell:
    """root's shell on the switch, by its serial line."""

    greeting = "Linux tor1 6.1.0\r\n"

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    def begin(self) -> None: ...

    def prompt(self) -> str:
        return "root@tor1:~# "

    def line(self, text: str) -> str:
        return self._guest.run(text)[1]


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, Guest, Guest]]:
    """Two nodes and the switch between them."""
    files = {
        "work/role": shipped_folder("barclamps") / "network/roles/network",
        "work/attribute": shipped_folder("images") / "node/attribute",
    }
    with small_guest.star(tmp_path_factory.mktemp("rack"), files) as (one, two, switch):
        switch.must(
            "ip link add br0 type bridge vlan_filtering 1 stp_state 0 forward_delay 0 && ip link set br0 up && "
            "for one in eth0 eth1; do ip link set $one master br0 && ip link set $one up; done && ip addr add 192.168.124.10/24 dev br0"
        )
        for i, node in enumerate((one, two)):
            node.must(
                "mkdir -p /etc/systemd/network /etc/systemd/system/multi-user.target.wants /var/lib; "
                "touch /etc/systemd/system/multi-user.target.wants/systemd-networkd.service; "
                f"printf '[Match]\\nMACAddress=52:54:00:00:0{i + 1}:01\\n[Network]\\nAddress=192.168.124.8{i + 1}/24\\n' "
                f">/etc/systemd/network/50-crowbar-admin.network; ip link set eth0 up; ip addr add 192.168.124.8{i + 1}/24 dev eth0"
            )
        yield one, two, switch


def role(node: Guest, number: int, action: str) -> tuple[int, str]:
    """The role network-storage of one of the two nodes; the other one is what it has to reach."""
    other = 3 - number
    links = [{"link": "10g0", "name": "eno0", "mac": f"52:54:00:00:0{number}:01", "switch": "tor1", "port": f"eth{number - 1}"}]
    network = {
        "name": "storage",
        "address": f"10.1.0.8{number}",
        "mask": "255.255.240.0",
        "vlan": VLAN,
        "mtu": 1500,
        "bridge": "",
        "v6": None,
        "router": "",
        "bond": None,
        "links": links,
    }
    targets = [{"node": f"n{other}", "address": f"10.1.0.8{other}", "v6": "", "mtu": 0}]
    node.write("/tmp/attributes.json", json.dumps({"network": network, "network-targets": targets}))
    names = "CROWBAR_ATTRIBUTES=/tmp/attributes.json CROWBAR_GIVES=/tmp/gives.json CROWBAR_NETWORK_WAIT_S=900 CROWBAR_REACH_S=12"
    return node.run(f"{names} sh /work/role/{action}", 300)


def vlans(switch: Guest) -> dict[str, list[int]]:
    rows: list[dict[str, Any]] = json.loads(switch.must("bridge -j vlan show"))
    return {row["ifname"]: sorted(one["vlan"] for one in row["vlans"]) for row in rows}


def test_the_switch_carries_the_vlan_before_the_role_of_a_node_needs_it(rack: tuple[Guest, Guest, Guest], tmp_path: Path) -> None:
    one, two, switch = rack
    for number, node in ((1, one), (2, two)):
        code, said = role(node, number, "run")
        assert code == 0, said
    assert vlans(switch) == {"br0": [1], "eth0": [1], "eth1": [1]}
    code, said = role(one, 1, "verify")
    assert code == 1, said
    assert "does not carry VLAN 200" in said

    server = CliServer(Shell(switch), user="root", password=PASSWORD)  # type: ignore[arg-type]
    try:
        target = SwitchTarget(name="tor1", address="127.0.0.1", port=server.port, user="root", password=PASSWORD)
        line = SwitchByLine(NetmikoLine(target, LINUX, tmp_path / "hosts"), LINUX)
        wishes = tuple(PortWish(port=f"eth{i}", tagged=(VLAN,), description=f"node-{i + 1} 10g0") for i in (0, 1))
        wanted = WantedPorts(ports=wishes, own=OwnPath())
        assert look(line, wanted).left
        apply(line, wanted, lambda _: None)
        assert not look(line, wanted).left
    finally:
        server.close()
    assert vlans(switch) == {"br0": [1], "eth0": [1, VLAN], "eth1": [1, VLAN]}
    for number, node in ((1, one), (2, two)):
        code, said = role(node, number, "verify")
        assert code == 0, said
    one.must("ping -c 1 -W 30 10.1.0.82")


def test_the_engine_runs_the_role_of_the_switch_first() -> None:
    """In a plan that gives the switches their role, the role of each network waits for it."""
    text = (shipped_folder("crowbar_tui") / "plans/qemu-rack.yml").read_text(encoding="utf-8")
    plan = plan_file.read(text.replace("deployments:\n", "deployments:\n  net: {roles: {switch-ports: all}}\n"), "plan.yml", shipped())
    requires = network_roles(shipped(), plan).roles["network-admin"].requires
    assert [one.kind for one in requires if (one.role, one.on) == ("switch-ports", On.LINKED)] == ["switch"]
