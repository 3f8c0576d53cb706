"""The scripts of network-NAME on machines that are folders: ports, bonds, VLANs, bridges, and the files of each tool.

`CROWBAR_GOLDEN=write` writes the golden files again. Where netplan, nmcli or ifup are installed, they read the files too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ports_folder import IP, bond, network, on, ports
from thinned import thinned

GOLDEN = Path(__file__).parent / "golden" / "network"
ADMIN = "[Match]\nMACAddress=f4:02:70:aa:bb:01\nType=ether\n[Network]\nAddress=192.168.124.81/24\nGateway=192.168.124.1\n"
TOOLS = ("networkd", "ifupdown", "manager", "netplan")
PLACES = {
    "networkd": "etc/systemd/network",
    "ifupdown": "etc/network/interfaces.d",
    "manager": "etc/NetworkManager/system-connections",
    "netplan": "etc/netplan",
}
V6 = {"address": "fd00:1:2:3::81", "prefix": 64, "router": "fd00:1:2:3::1"}
SHAPES: dict[str, list[dict[str, Any]]] = {
    "port": [{"links": on("eno3"), "router": "10.1.0.1", "preference": 20}],
    "port-v6": [{"links": on("eno3"), "router": "10.1.0.1", "preference": 20, "v6": V6}],
    "vlan": [{"links": on("eno3"), "vlan": 200, "mtu": 9000}],
    "bond": [{"links": on("eno2", "eno3"), "bond": bond(**{"lacp-rate": "fast"}), "mtu": 9000}],
    "bridge": [{"links": on("eno3"), "bridge": "br-storage"}],
    "all": [
        {"links": on("eno1", "eno3"), "bond": bond("active-backup"), "vlan": 200, "mtu": 9000, "bridge": "br-storage", "v6": V6},
        {
            "name": "public",
            "address": "10.2.0.81",
            "links": on("eno1", "eno3"),
            "bond": bond("active-backup"),
            "vlan": 300,
            "router": "10.2.0.1",
            "preference": 5,
        },
        {
            "name": "admin",
            "address": "192.168.124.81",
            "mask": "255.255.255.0",
            "router": "192.168.124.1",
            "preference": 10,
            "links": on("eno1", "eno3"),
            "bond": bond("active-backup"),
        },
    ],
}
"""Networks of one node. The last shape: three networks on one bond, of which one is untagged, and was there before as the install's."""


@pytest.fixture
def node(machine: Any) -> Any:
    ports(machine)
    return machine


def kept_by(node: Any, tool: str) -> None:
    node.write("etc/network/interfaces", "source /etc/network/interfaces.d/*\n")
    match tool:
        case "networkd":
            node.write("etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
            node.write(f"{PLACES[tool]}/50-crowbar-admin.network", ADMIN)
        case "ifupdown":
            node.write("etc/systemd/network/10-crowbar-admin.link", "[Match]\nMACAddress=f4:02:70:aa:bb:01\n[Link]\nName=admin0\n")
            text = "auto eno1\niface eno1 inet static\n    address 192.168.124.81/24\n    gateway 192.168.124.1\n"
            node.write(f"{PLACES[tool]}/crowbar-admin", text)
        case "manager":
            (node.root / "etc/network/interfaces").unlink()
            text = "[ethernet]\nmac-address=f4:02:70:aa:bb:01\n[ipv4]\nmethod=manual\naddress1=192.168.124.81/24,192.168.124.1\n"
            node.write(f"{PLACES[tool]}/crowbar-admin.nmconnection", text)
        case "netplan":
            text = 'match: {macaddress: "f4:02:70:aa:bb:01"}\naddresses: ["192.168.124.81/24"]\nroutes: [{to: default, via: "192.168.124.1"}]\n'
            node.write(f"{PLACES[tool]}/50-crowbar-admin.yaml", text)
    node.write("ip", "eno1 192.168.124.81/24\n")
    node.write("routes", "-4 default via 192.168.124.1 dev eno1\n")


def written(node: Any, tool: str) -> str:
    return "".join(
        f"# {one.name} {one.stat().st_mode & 0o777:o}\n{one.read_text()}" for one in sorted((node.root / PLACES[tool]).iterdir())
    )


def applied(node: Any, wanted: dict[str, Any]) -> None:
    done = node.run("network", network(**wanted))
    assert done.code == 0, done.err
    looked = node.run("network", network(**wanted), "verify")
    assert (looked.code, looked.gives) == (0, done.gives), looked.err


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tool", TOOLS)
def test_the_files_of_each_tool(node: Any, tool: str, shape: str) -> None:
    kept_by(node, tool)
    for wanted in SHAPES[shape]:
        applied(node, wanted)
    golden = GOLDEN / f"{tool}-{shape}.txt"
    if os.environ.get("CROWBAR_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(written(node, tool))
    assert written(node, tool) == golden.read_text()
    before = len(node.calls)
    for wanted in SHAPES[shape]:
        again = node.run("network", network(**wanted))
        assert (again.code, again.out) == (0, ""), "nothing is written twice"
    assert not [call for call in node.calls[before:] if call.startswith("ip link") or " replace " in call or " append " in call]


@pytest.mark.parametrize("tool", thinned(TOOLS, each=3))
def test_the_order_of_networks_does_not_matter(tmp_path: Path, tool: str) -> None:
    from node_folder import Machine

    ends = set()
    for number, order in enumerate((SHAPES["all"], SHAPES["all"][::-1], SHAPES["all"][1:] + SHAPES["all"][:1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        node = Machine(folder)
        ports(node)
        kept_by(node, tool)
        for wanted in order:
            done = node.run("network", network(**wanted))
            assert done.code == 0, done.err
        ends.add((written(node, tool), "".join(sorted(node.read("ip").splitlines(True)))))
    assert len(ends) == 1, ends


@pytest.mark.parametrize("shape", SHAPES)
def test_netplan_reads_its_file(node: Any, shape: str) -> None:
    if shutil.which("netplan") is None:
        pytest.skip("netplan is not installed")
    text = (GOLDEN / f"netplan-{shape}.txt").read_text().split("\n", 1)[1]
    file = node.write("etc/netplan/50-crowbar.yaml", text)
    file.chmod(0o600)
    done = subprocess.run(["netplan", "generate", "--root-dir", str(node.root)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert list((node.root / "run/systemd/network").iterdir())


@pytest.mark.parametrize("shape", SHAPES)
def test_network_manager_reads_its_files(shape: str) -> None:
    if shutil.which("nmcli") is None:
        pytest.skip("nmcli is not installed")
    for part in (GOLDEN / f"manager-{shape}.txt").read_text().split("# crowbar-")[1:]:
        words = ["nmcli", "--offline", "connection", "modify", "connection.autoconnect-retries", "3"]
        done = subprocess.run(words, input=part.split("\n", 1)[1], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{part}"


@pytest.mark.parametrize("shape", SHAPES)
def test_ifupdown_reads_its_file(tmp_path: Path, shape: str) -> None:
    if shutil.which("ifup") is None:
        pytest.skip("ifup is not installed")
    file = tmp_path / "interfaces"
    file.write_text((GOLDEN / f"ifupdown-{shape}.txt").read_text())
    words = ["ifup", "--no-act", "--force", "--all", "--interfaces", str(file), "--state-dir", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    named = [line.split()[1] for line in file.read_text().splitlines() if line.startswith("auto")]
    order = [line for line in done.stderr.splitlines() if "ip link" in line or "ip addr" in line or "ip -" in line]
    assert named
    assert order


# -- which port ---------------------------------------------------------------------------------------------------


def test_the_first_free_port(node: Any) -> None:
    node.write("ip", "eno1 192.168.124.81/24\n")
    assert node.run("network", network(), "verify").code == 1
    done = node.run("network", network())
    assert done.code == 0, done.err
    assert done.gives == {"addresses": ["10.1.0.81/20"]}
    assert node.read("etc/systemd/network/50-crowbar-eno3.network") == (
        "[Match]\nMACAddress=f4:02:70:aa:bb:03\nType=ether\n[Network]\nAddress=10.1.0.81/20\n"
    )
    assert node.run("network", network(), "verify").gives == done.gives
    assert node.read("ip").count("10.1.0.81") == 1


def test_what_the_install_set_is_taken_over(node: Any) -> None:
    node.write("ip", "eno1 10.1.0.81/20\n")
    done = node.run("network", network(router="10.1.0.1"))
    assert done.gives == {"addresses": ["10.1.0.81/20"]}
    assert "Gateway=10.1.0.1\n" in node.read("etc/systemd/network/50-crowbar-eno1.network")
    assert any("route append default via 10.1.0.1 dev eno1" in call for call in node.calls)


def test_a_vlan_without_links_is_on_the_port_of_the_default_route(node: Any) -> None:
    kept_by(node, "networkd")
    applied(node, {"vlan": 200})
    assert "VLAN=eno1.200\nAddress=192.168.124.81/24\n" in node.read("etc/systemd/network/50-crowbar-eno1.network")
    assert any(call == "ip link add link eno1 name eno1.200 type vlan id 200" for call in node.calls)


def test_a_port_has_another_name_than_in_sledgehammer(node: Any) -> None:
    link = {**on("eno3")[0], "name": "eth7"}
    applied(node, {"links": [link]})
    assert "eno3 10.1.0.81/20" in node.read("ip")


def test_a_port_that_is_not_in_the_machine(node: Any) -> None:
    link = {**on("eno3")[0], "mac": "f4:02:70:aa:bb:99"}
    done = node.run("network", network(links=[link]))
    assert done.code == 1
    assert "port 10g0 (f4:02:70:aa:bb:99) of network storage is not in this machine: take its inventory again" in done.err


def test_members_of_a_bond_are_found_by_their_own_mac(node: Any) -> None:
    kept_by(node, "networkd")
    wanted = {"links": on("eno2", "eno3"), "bond": bond()}
    applied(node, wanted)
    (node.root / "sys/class/net/eno3/address").write_text("f4:02:70:aa:bb:02\n")  # as the kernel shows it
    text = "Bonding Mode: 802.3ad\n"
    for n in (2, 3):
        text += f"\nSlave Interface: eno{n}\nMII Status: up\nPermanent HW addr: f4:02:70:aa:bb:0{n}\n"
    node.write("proc/net/bonding/bond0", text)
    again = node.run("network", network(**wanted))
    assert (again.code, again.out) == (0, ""), again.err


def test_a_machine_without_a_free_port(node: Any) -> None:
    node.write("ip", "eno1 1.2.3.4/24\neno3 1.2.4.4/24\n")
    node.environment = {"CROWBAR_LINK_WAIT_S": "0"}
    done = node.run("network", network())
    assert done.code == 1
    assert "no port with a link is left for network storage" in done.err


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "a b"},
        {"address": "10.1.0.81; id"},
        {"mask": ""},
        {"vlan": "x"},
        {"vlan": 5000},
        {"router": "a"},
        {"mtu": -1},
        {"bridge": "br 0"},
        {"bond": {"name": "bond0", "mode": "fast"}, "links": on("eno3")},
        {"bond": bond(hash="layer9"), "links": on("eno3")},
        {"bond": bond()},
        {"links": [{"mac": "eno3"}]},
        {"v6": {"address": "x", "prefix": 64}},
    ],
)
def test_a_network_that_is_not_fit(node: Any, bad: dict[str, Any]) -> None:
    done = node.run("network", network(**bad))
    assert done.code == 2, done.err
    assert not [call for call in node.calls if call.startswith("ip link")]


def test_networks_that_contradict_each_other(node: Any) -> None:
    kept_by(node, "networkd")
    applied(node, {"links": on("eno2", "eno3"), "bond": bond()})
    done = node.run("network", network(name="public", address="10.2.0.81", links=on("eno2", "eno3"), bond=bond("balance-rr"), vlan=7))
    assert done.code == 1
    assert "networks public and storage want bond0 in different ways" in done.err


# -- changes ------------------------------------------------------------------------------------------------------


def test_another_vlan_takes_the_place_of_the_old_one(node: Any) -> None:
    kept_by(node, "networkd")
    applied(node, {"links": on("eno3"), "vlan": 200})
    applied(node, {"links": on("eno3"), "vlan": 300})
    assert not (node.root / "sys/class/net/eno3.200").exists()
    assert node.read("ip").splitlines() == ["eno1 192.168.124.81/24", "eno3.300 10.1.0.81/20"]
    assert "eno3.200" not in written(node, "networkd")


def test_another_mode_of_a_bond(node: Any) -> None:
    kept_by(node, "networkd")
    wanted = {"links": on("eno2", "eno3"), "bond": bond("active-backup")}
    applied(node, wanted)
    applied(node, {**wanted, "bond": bond()})
    calls = [call for call in node.calls if call.startswith("ip link set")]
    at = calls.index("ip link set dev bond0 type bond mode 802.3ad miimon 100 xmit_hash_policy layer2+3 lacp_rate slow")
    assert calls[at - 1] == "ip link set dev bond0 down"
    assert "ip link set dev eno3 nomaster" in calls[:at]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_file_that_was_changed_by_hand_is_named_and_a_retry_puts_it_right(node: Any, tool: str) -> None:
    kept_by(node, tool)
    wanted = {"links": on("eno3"), "vlan": 200}
    applied(node, wanted)
    right = written(node, tool)
    places = node.root / PLACES[tool]
    file = next(one for one in sorted(places.iterdir()) if "10.1.0.81" in one.read_text())
    for change, says in ((lambda: file.write_text(file.read_text() + "# secret\n"), "changed"), (file.unlink, "removed")):
        change()
        looked = node.run("network", network(**wanted), "verify")
        assert (looked.code, looked.out) == (65, f"/{PLACES[tool]}/{file.name} was {says} by hand\n")
        applied(node, wanted)
        assert written(node, tool) == right


def test_lacp_is_slow_again_when_the_plan_no_longer_says_fast(node: Any) -> None:
    kept_by(node, "networkd")
    rate = node.root / "sys/class/net/bond0/bonding/lacp_rate"
    wanted = {"links": on("eno2", "eno3"), "bond": bond(**{"lacp-rate": "fast"})}
    applied(node, wanted)
    assert rate.read_text().startswith("fast")
    assert "LACPTransmitRate=fast" in written(node, "networkd")
    applied(node, {**wanted, "bond": bond()})
    assert rate.read_text().startswith("slow")
    assert "LACPTransmitRate" not in written(node, "networkd")


def test_a_smaller_mtu_begins_above(node: Any) -> None:
    kept_by(node, "networkd")
    wanted = {"links": on("eno2", "eno3"), "bond": bond(), "vlan": 200, "bridge": "br-storage"}
    applied(node, {**wanted, "mtu": 9000})
    grown = [call.split()[4] for call in node.calls if " mtu " in call]
    assert grown == ["eno2", "eno3", "bond0", "bond0.200", "br-storage"]
    before = len(node.calls)
    applied(node, {**wanted, "mtu": 1500})
    assert [call.split()[4] for call in node.calls[before:] if " mtu " in call] == grown[::-1]


def test_an_mtu_that_the_port_does_not_take(node: Any) -> None:
    kept_by(node, "networkd")
    files = written(node, "networkd")
    node.environment = {"MOST_MTU": "1500"}
    done = node.run("network", network(links=on("eno3"), mtu=9000))
    assert done.code == 1
    assert "eno3 does not take the MTU 9000: Error: mtu greater than device maximum." in done.err
    assert written(node, "networkd") == files, "a change that fails is taken back at once"
    assert node.read("ip") == "eno1 192.168.124.81/24\n"


def test_an_install_whose_address_cannot_be_read(node: Any) -> None:
    kept_by(node, "networkd")
    node.write("etc/systemd/network/50-crowbar-admin.network", "[Match]\nMACAddress=f4:02:70:aa:bb:01\n[Network]\nDHCP=yes\n")
    done = node.run("network", network(links=on("eno1", "eno3"), bond=bond()))
    assert done.code == 1
    assert "/etc/systemd/network/50-crowbar-admin.network has no address and MAC that can be read" in done.err


# -- verify -------------------------------------------------------------------------------------------------------


def test_verify_sees_a_wrong_mask(node: Any) -> None:
    node.write("ip", "eno1 10.1.0.81/24\n")
    done = node.run("network", network(), "verify")
    assert done.code == 1
    assert "another mask than /20" in done.err


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (("sys/class/net/bond0/bonding/mode", "balance-rr 0\n"), "bond0 has the mode balance-rr instead of 802.3ad"),
        (("sys/class/net/bond0/mtu", "1500\n"), "bond0 has the MTU 1500 instead of 9000"),
        (("sys/class/net/eno3/flags", "0x1002\n"), "eno3 is not up"),
        (("routes", ""), "bond0 has no default route by 10.1.0.1 with metric 20"),
    ],
)
def test_verify_sees_what_differs(node: Any, spoil: tuple[str, str], says: str) -> None:
    wanted = {"links": on("eno2", "eno3"), "bond": bond(), "mtu": 9000, "router": "10.1.0.1", "preference": 20}
    applied(node, wanted)
    node.write(*spoil)
    done = node.run("network", network(**wanted), "verify")
    assert (done.code, done.err) == (1, f"network: {says}\n")
    applied(node, wanted)


def test_an_address_that_the_next_start_would_forget(node: Any) -> None:
    node.write("ip", "eno1 10.1.0.81/20\n")
    done = node.run("network", network(), "verify")
    assert done.code == 1
    assert "no file gives it that address at the next start" in done.err


def test_a_port_that_is_off_is_switched_on_before_its_link_is_read(node: Any) -> None:
    node.write("ip", "eno1 192.168.124.81/24\n")
    node.write("sys/class/net/eno3/carrier", "")
    node.tool("sleep", 'echo 1 >"$CROWBAR_ROOT/sys/class/net/eno3/carrier"')
    done = node.run("network", network())
    assert done.code == 0, done.err
    assert done.gives == {"addresses": ["10.1.0.81/20"]}
    assert [call for call in node.calls if call.endswith(" up")][:2] == ["ip link set dev eno2 up", "ip link set dev eno3 up"]


def test_ports_without_a_link_are_named(node: Any) -> None:
    node.write("ip", "eno1 192.168.124.81/24\n")
    node.write("sys/class/net/eno3/carrier", "0\n")
    node.environment = {"CROWBAR_LINK_WAIT_S": "0"}
    done = node.run("network", network())
    assert done.code == 1
    assert done.err == ("network: no port with a link is left for network storage: eno2, eno3 without a link (is the cable missing?)\n")


def test_networkd_is_written_for_where_it_is_at_work(node: Any) -> None:
    """Images have a file of ifupdown as well, with nothing in it."""
    node.write("ip", "eno1 192.168.124.81/24\n")
    node.write("etc/network/interfaces", "auto lo\n")
    node.write("etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
    assert node.run("network", network()).code == 0
    assert (node.root / "etc/systemd/network/50-crowbar-eno3.network").exists()
    assert not (node.root / "etc/network/interfaces.d").exists()


# -- faults that a real frame finds --------------------------------------------------------------------------------

PING = r"""
[ "${*##* }" != "$DEAF" ] || exit 1
case "$*" in *"-M do -s "*) s=${*##*-s }; [ "${s%% *}" -le "${MOST:-65535}" ] || exit 1 ;; esac
case " $ANSWER " in *" ${*##* } "*) ;; *) exit 1 ;; esac
"""
TARGETS = [
    {"node": "n2", "address": "10.1.0.82", "v6": "fd00:1:2:3::82", "mtu": 9000, "switch": "tor1", "port": "swp4", "link": "10g0"},
    {"node": "n3", "address": "10.1.0.83", "v6": "", "mtu": 0, "switch": "tor1", "port": "swp5", "link": "10g0"},
]


def reach(node: Any, wanted: dict[str, Any], answer: str, **environment: str) -> Any:
    node.tool("ping", PING)
    node.environment = {"CROWBAR_REACH_S": "0", "ANSWER": answer, **environment}
    assert node.run("network", network(**wanted)).code == 0
    return node.run("network", {**network(**wanted), "network-targets": TARGETS}, "verify")


def test_the_other_nodes_answer(node: Any) -> None:
    kept_by(node, "networkd")
    wanted = {"links": on("eno3"), "vlan": 200, "mtu": 9000, "v6": V6}
    done = reach(node, wanted, "10.1.0.82 fd00:1:2:3::82")
    assert done.code == 0, done.err
    pings = [call for call in node.calls if call.startswith("ping") and " -n " in call]
    assert pings == [
        "ping -4 -n -c 1 -W 1 -I 10.1.0.81 10.1.0.82",
        "ping -4 -n -c 1 -W 1 -M do -s 8972 -I 10.1.0.81 10.1.0.82",
        "ping -6 -n -c 1 -W 1 -I fd00:1:2:3::81 fd00:1:2:3::82",
    ]


def test_one_that_answers_is_enough(node: Any) -> None:
    kept_by(node, "networkd")
    assert reach(node, {"links": on("eno3")}, "10.1.0.83").code == 0


def test_a_vlan_that_the_port_does_not_carry(node: Any) -> None:
    kept_by(node, "networkd")
    done = reach(node, {"links": on("eno1"), "vlan": 200}, "")
    says = "port tor1:swp1 (cable 10g0) does not carry VLAN 200: none of the 2 nodes on network storage answers"
    assert (done.code, done.err) == (1, f"network: {says}. Add the VLAN to the port, or correct the plan\n")
    node.tool("ip", IP + '\ncase "$*" in "neigh show dev eno1") echo "192.168.124.10 lladdr 02:00:00:00:00:0a REACHABLE" ;; esac\n')
    assert (
        f"{says}, and untagged frames pass."
        in node.run("network", {**network(links=on("eno1"), vlan=200), "network-targets": TARGETS}, "verify").err
    )


def test_a_cable_that_leads_elsewhere(node: Any) -> None:
    kept_by(node, "networkd")
    done = reach(node, {"links": on("eno2", "eno3"), "bond": bond("active-backup")}, "")
    assert done.code == 1
    assert "port tor1:swp2 (cable 10g0) and port tor1:swp3 (cable 10g1) do not lead to network storage" in done.err


def test_a_large_frame_that_does_not_pass(node: Any) -> None:
    kept_by(node, "networkd")
    done = reach(node, {"links": on("eno3"), "mtu": 9000}, "10.1.0.82", MOST="1472")
    says = "port tor1:swp3 (cable 10g0) does not pass frames of 9000 octets: n2 answers only small ones."
    assert (done.code, done.err) == (1, f"network: {says} Raise the MTU of the switch's ports, or lower that of storage\n")


def test_a_bond_whose_switch_does_not_speak_lacp(node: Any) -> None:
    kept_by(node, "networkd")
    wanted = {"links": on("eno2", "eno3"), "bond": bond()}
    for partner, code in (("00:00:00:00:00:00", 1), ("44:38:39:00:00:01", 0)):
        text = "Bonding Mode: IEEE 802.3ad Dynamic link aggregation\n"
        for n in (2, 3):
            text += f"\nSlave Interface: eno{n}\nPermanent HW addr: f4:02:70:aa:bb:0{n}\n"
            text += "details actor lacp pdu:\n    system mac address: f4:02:70:aa:bb:02\n"
            text += f"details partner lacp pdu:\n    system priority: 65535\n    system mac address: {partner if n == 3 else '44:38:39:00:00:01'}\n"
        node.write("proc/net/bonding/bond0", text)
        done = reach(node, wanted, "10.1.0.82")
        assert done.code == code
        if code:
            assert done.err.startswith("network: port tor1:swp3 (cable 10g1) does not speak LACP, which bond0 needs: put the port into ")


def test_ipv6_that_does_not_pass(node: Any) -> None:
    kept_by(node, "networkd")
    done = reach(node, {"links": on("eno3"), "v6": V6}, "10.1.0.82")
    assert done.code == 1
    assert "by IPv6 on eno3, and by IPv4 it does" in done.err
