"""The network, ntp and example scripts with stand-in tools on machines that are folders."""

from __future__ import annotations

from typing import Any

import daemons
import pytest

# An `ip` that keeps addresses in $CROWBAR_ROOT/ip: lines of INTERFACE ADDRESS/BITS.
IP = r"""
have=$CROWBAR_ROOT/ip; touch "$have"
case "$*" in
*"addr show to "*/32) want=${*##*to }
    awk -v a="${want%/*}" '{ split($2, p, "/"); if (p[1] == a) print "2: " $1 " inet " $2 " scope global" }' "$have" ;;
*"addr show to "*) awk -v net="${NEAR:-}" 'net != "" && index($2, net) == 1 { print "2: " $1 "    inet " $2 " scope global" }' "$have" ;;
*"addr show dev "*) want=${*##*dev }; awk -v d="$want" '$1 == d { print "2: " d "    inet " $2 " scope global" }' "$have" ;;
*"addr show scope"*) awk '{ print "2: " $1 " inet " $2 }' "$have" ;;
*"route show default"*) ;;
*"addr replace"*) grep -qx "$5 $3" "$have" || echo "$5 $3" >>"$have" ;;
*"link show dev"*up*) echo up ;;
*"link show dev"*) grep -q "^$4\$" "$CROWBAR_ROOT/links" 2>/dev/null ;;
*"link add"*) echo "$6" >>"$CROWBAR_ROOT/links" ;;
esac
"""


def ports(machine: Any) -> None:
    machine.tool("ip", IP)
    for name, carrier in (("eno1", "1"), ("eno2", "0"), ("eno3", "1")):
        machine.write(f"sys/class/net/{name}/address", f"f4:02:70:aa:bb:0{name[-1]}\n")
        machine.write(f"sys/class/net/{name}/carrier", carrier + "\n")
        machine.write(f"sys/class/net/{name}/device/x")


def network(**more: Any) -> dict[str, Any]:
    return {"network": {"name": "storage", "address": "10.1.0.81", "mask": "255.255.240.0", "router": "", "vlan": 0, **more}}


@pytest.fixture
def node(machine: Any) -> Any:
    ports(machine)
    return machine


def test_network_on_the_first_free_port(node: Any) -> None:
    node.write("ip", "eno1 192.168.124.81/24\n")
    assert node.run("network", network(), "verify").code == 1
    done = node.run("network", network())
    assert done.code == 0, done.err
    assert done.gives == {"addresses": ["10.1.0.81/20"]}
    assert node.read("etc/systemd/network/50-crowbar-storage.network") == (
        "[Match]\nMACAddress=f4:02:70:aa:bb:03\nType=ether\n[Network]\nAddress=10.1.0.81/20\n"
    )
    assert node.run("network", network(), "verify").gives == done.gives
    again = node.run("network", network())
    assert (again.code, again.out) == (0, ""), "nothing is written twice"
    assert node.read("ip").count("10.1.0.81") == 1


def test_network_takes_over_what_the_install_set(node: Any) -> None:
    node.write("ip", "eno1 10.1.0.81/20\n")
    done = node.run("network", network(router="10.1.0.1"))
    assert done.gives == {"addresses": ["10.1.0.81/20"]}
    assert "Gateway=10.1.0.1\n" in node.read("etc/systemd/network/50-crowbar-storage.network")
    assert any("route replace default via 10.1.0.1 dev eno1" in call for call in node.calls)


def test_network_with_ifupdown(node: Any) -> None:
    node.write("ip", "eno1 192.168.124.81/24\n")
    node.write("etc/network/interfaces", "source /etc/network/interfaces.d/*\n")
    assert node.run("network", network()).code == 0
    assert node.read("etc/network/interfaces.d/crowbar-storage") == ("auto eno3\niface eno3 inet static\n    address 10.1.0.81/20\n")


def test_network_on_a_vlan(node: Any) -> None:
    node.write("ip", "eno1 192.168.124.81/24\n")
    admin = node.write("etc/systemd/network/50-crowbar-admin.network", "[Match]\nMACAddress=f4:02:70:aa:bb:01\n")
    done = node.run("network", network(vlan=200))
    assert done.code == 0, done.err
    assert done.gives == {"addresses": ["10.1.0.81/20"]}
    assert node.read("etc/systemd/network/50-crowbar-storage.netdev") == "[NetDev]\nName=eno1.200\nKind=vlan\n[VLAN]\nId=200\n"
    assert (admin.parent / "50-crowbar-admin.network.d/crowbar-storage.conf").read_text() == "[Network]\nVLAN=eno1.200\n"
    assert any(call == "ip link add link eno1 name eno1.200 type vlan id 200" for call in node.calls)
    assert "Name=eno1.200" in node.read("etc/systemd/network/50-crowbar-storage.network")


def test_network_without_a_port(node: Any) -> None:
    node.write("ip", "eno1 1.2.3.4/24\neno3 1.2.4.4/24\n")
    done = node.run("network", network())
    assert done.code == 1
    assert "no port with a link is left for network storage" in done.err


def test_verify_sees_a_wrong_mask(node: Any) -> None:
    node.write("ip", "eno1 10.1.0.81/24\n")
    done = node.run("network", network(), "verify")
    assert done.code == 1
    assert "another mask than /20" in done.err


@pytest.mark.parametrize("bad", [{"name": "a b"}, {"address": "10.1.0.81; id"}, {"mask": ""}, {"vlan": "x"}, {"router": "a"}])
def test_network_that_is_not_fit(node: Any, bad: dict[str, Any]) -> None:
    assert node.run("network", network(**bad)).code == 2


# -- ntp ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upstream", "servers"), [([], ["192.168.124.10"]), (["0.debian.pool.ntp.org", "10.0.0.1"], ["0.debian.pool.ntp.org", "10.0.0.1"])]
)
def test_ntp_server_names_servers(machine: Any, upstream: list[str], servers: list[str]) -> None:
    wanted = {"ntp-upstream": upstream, "ntp-serve": False, "admin-address": "192.168.124.10", "admin-subnets": []}
    done = machine.run("ntp-server", wanted)
    assert (done.code, done.gives) == (0, {"ntp-servers": servers})
    assert not (machine.folder / "state").exists()


def test_ntp_server_runs_chronyd(machine: Any) -> None:
    wanted = {
        "ntp-upstream": ["10.0.0.1"],
        "ntp-serve": True,
        "admin-address": "192.168.124.10",
        "admin-subnets": ["192.168.124.0/24", "10.1.0.0/20"],
    }
    missing = machine.run("ntp-server", wanted)
    assert missing.code == 1
    assert "install chrony" in missing.err
    machine.tool("service", daemons.SERVICE)
    machine.tool("chronyc", "echo 0A000001,10.0.0.1,3,0,0,0,0")
    done = machine.run("ntp-server", wanted)
    assert (done.code, done.gives) == (0, {"ntp-servers": ["192.168.124.10"]})
    assert "chronyd follows 10.0.0.1, at stratum 3" in done.out
    conf = machine.folder / "state/ntp/chrony.conf"
    assert conf.read_text().splitlines()[:4] == [
        "server 10.0.0.1 iburst",
        "allow 192.168.124.0/24",
        "allow 10.1.0.0/20",
        "local stratum 10",
    ]
    assert [call for call in machine.calls if call.startswith("service up ntp -- chronyd -x")]
    machine.tool("chronyc", "echo 7F7F0101,,10,0,0,0,0")
    assert "follows its own clock, at stratum 10" in machine.run("ntp-server", wanted).out
    assert machine.run("ntp-server", wanted, "verify").code == 0
    machine.tool("chronyc", "exit 1")
    assert machine.run("ntp-server", wanted, "verify").code == 1


SYSTEMCTL = r"""
case "$*" in
*is-active*) [ -e "$CROWBAR_ROOT/active" ] ;;
restart*) : >"$CROWBAR_ROOT/active" ;;
esac
"""


@pytest.mark.parametrize(
    ("chrony", "file", "content"),
    [
        (True, "etc/chrony/sources.d/crowbar.sources", "server 10.0.0.1 iburst\nserver ntp.example iburst\n"),
        (False, "etc/systemd/timesyncd.conf.d/crowbar.conf", "[Time]\nNTP=10.0.0.1 ntp.example\n"),
    ],
)
def test_ntp_client(machine: Any, chrony: bool, file: str, content: str) -> None:
    machine.tool("systemctl", SYSTEMCTL)
    if chrony:
        (machine.root / "etc/chrony").mkdir(parents=True)
    wanted = {"ntp-servers": ["10.0.0.1", "ntp.example"]}
    assert machine.run("ntp-client", wanted, "verify").code == 1
    done = machine.run("ntp-client", wanted)
    assert (done.code, done.gives) == (0, {}), done.err
    assert machine.read(file) == content
    assert machine.run("ntp-client", wanted, "verify").code == 0
    before = len([call for call in machine.calls if "restart" in call])
    assert machine.run("ntp-client", wanted).code == 0
    assert len([call for call in machine.calls if "restart" in call]) == before == 1
    (machine.root / "active").unlink()
    assert "is not running" in machine.run("ntp-client", wanted, "verify").err
    (machine.root / "active").touch()
    machine.write(file, "by hand\n")
    looked = machine.run("ntp-client", wanted, "verify")
    assert (looked.code, looked.out) == (65, f"{machine.root}/{file} was changed by hand\n")
    assert machine.run("ntp-client", wanted).code == 0
    assert machine.run("ntp-client", wanted, "verify").code == 0
    machine.write(file, "by hand\n")
    assert machine.run("ntp-client", {"ntp-servers": ["10.0.0.2"]}, "verify").code == 1, "the servers changed too"


def test_ntp_client_without_servers(machine: Any) -> None:
    assert machine.run("ntp-client", {"ntp-servers": []}).code == 2
    assert machine.run("ntp-client", {"ntp-servers": ["a b\nroot"]}).code == 2


def test_the_example(machine: Any) -> None:
    machine.write("etc/motd", "old\n")
    wanted = {"example-message": 'It\'s "so"', "hostname": "node-1"}
    assert machine.run("example-motd", wanted, "verify").code == 1
    done = machine.run("example-motd", wanted)
    assert done.gives == {"example-shown": 'It\'s "so"'}
    assert "for node-1" in done.out
    assert machine.run("example-motd", wanted).out == ""
    assert machine.run("example-motd", wanted, "verify").gives == done.gives


# -- what only real systems showed --------------------------------------------------------------------------------


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


def test_an_address_that_the_next_start_would_forget(node: Any) -> None:
    node.write("ip", "eno1 10.1.0.81/20\n")
    done = node.run("network", network(), "verify")
    assert done.code == 1
    assert "no file gives it that address at the next start" in done.err


def test_networkd_is_written_for_where_it_is_at_work(node: Any) -> None:
    """Images have a file of ifupdown as well, with nothing in it."""
    node.write("ip", "eno1 192.168.124.81/24\n")
    node.write("etc/network/interfaces", "auto lo\n")
    node.write("etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
    assert node.run("network", network()).code == 0
    assert (node.root / "etc/systemd/network/50-crowbar-storage.network").exists()
    assert not (node.root / "etc/network/interfaces.d").exists()


def test_network_with_network_manager(node: Any) -> None:
    node.write("ip", "eno1 192.168.124.81/24\n")
    (node.root / "etc/NetworkManager/system-connections").mkdir(parents=True)
    assert node.run("network", network(router="10.1.0.1")).code == 0
    file = node.root / "etc/NetworkManager/system-connections/crowbar-storage.nmconnection"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "mac-address=f4:02:70:aa:bb:03\n[ipv4]\nmethod=manual\naddress1=10.1.0.81/20,10.1.0.1\n" in file.read_text()
    assert node.run("network", network(router="10.1.0.1"), "verify").code == 0


def test_chrony_with_one_file(machine: Any) -> None:
    machine.tool("systemctl", SYSTEMCTL)
    machine.write("etc/chrony.conf", "driftfile /var/lib/chrony/drift\n")
    wanted = {"ntp-servers": ["10.0.0.1"]}
    assert machine.run("ntp-client", wanted, "verify").code == 1
    for _ in range(2):
        assert machine.run("ntp-client", wanted).code == 0
    assert machine.read("etc/chrony.conf").splitlines()[1:] == ["sourcedir /etc/chrony.sources.d"]
    assert machine.read("etc/chrony.sources.d/crowbar.sources") == "server 10.0.0.1 iburst\n"
    assert [call for call in machine.calls if "restart" in call] == ["systemctl restart chronyd"]
    for answer, code, says in (
        ("0A000001,10.0.0.1,3,1795980878.3,-0.000012,0,0", 0, ""),
        ("0A00000A,10.0.0.10,3,1795980878.3,-0.000012,0,0", 2, "chronyd follows 10.0.0.10, which is none of 10.0.0.1"),
        ("0A000001,10.0.0.1,3,1795980878.3,-3.5,0,0", 2, "the clock is 3.5 s off 10.0.0.1"),
        ("7F7F0101,,10,1795980878.3,0,0,0", 2, "chronyd follows no server: 10.0.0.1 did not answer"),
    ):
        machine.tool("chronyc", f'echo "{answer}"')
        machine.tool("sleep", "")
        looked = machine.run("ntp-client", wanted, "verify")
        assert looked.code == code, looked.err
        assert says in looked.err
