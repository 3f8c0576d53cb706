"""A real switch: a Linux bridge that filters VLANs, in a network namespace, set up over SSH by netmiko's linux driver. Frames decide."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_server import CliServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "net"))

from net_lab import Lab, why_no_lab

from engine.core.hardware.port_table import OwnPath, PortWish, WantedPorts
from engine.switches.apply import Applied, SwitchByLine, apply, look
from engine.switches.dialects import DIALECTS
from engine.switches.session import NetmikoLine, SwitchTarget
from engine.switches.table import SwitchError

LINUX = DIALECTS["linux"]
PASSWORD = "s3cr3t-Pw"

LISTEN = """
import socket, sys
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
one.bind(("c0", 0))
one.settimeout(float(sys.argv[1]))
print("listening", flush=True)
try:
    while True:
        octets = one.recv(2000)
        if b"crowbar-vlan-" in octets:
            print(octets[octets.index(b"crowbar-vlan-") + 13:][:3].decode(), flush=True)
            break
except TimeoutError:
    pass
"""
SEND = """
import socket, struct, sys
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
one.bind(("c0", 0))
mac = one.getsockname()[4]
for vlan in map(int, sys.argv[1:]):
    one.send(b"\\xff" * 6 + mac + struct.pack("!HHH", 0x8100, vlan, 0x88B5) + b"crowbar-vlan-%d" % vlan + bytes(60))
"""
"""Tagged frames (IEEE 802.1Q) of a local experimental Ethertype, so that no interface for a VLAN is needed."""


def why_not(*commands: str) -> str:
    """Why this kernel cannot do that, in one sentence. Empty: it can."""
    if why := why_no_lab():
        return why
    with Lab() as lab:
        for command in commands:
            done = lab.run("server", *command.split(), check=False)
            if done.returncode:
                return f"this kernel refuses `{command}`: {done.stderr.strip()[:100]}"
    return ""


NO_LAB = why_no_lab()
NO_FILTER = why_not("ip link set br0 type bridge vlan_filtering 1")
NO_BOND = NO_FILTER or why_not("ip link add b0 type bond mode 802.3ad")
pytestmark = [pytest.mark.net, pytest.mark.skipif(bool(NO_LAB), reason=NO_LAB or "there is a lab")]
filters = pytest.mark.skipif(bool(NO_FILTER), reason=NO_FILTER or "it filters")


class Shell:
    """root's shell on the machine that has the bridge."""

    greeting = "Linux tor1 6.1.0\r\n"

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def begin(self) -> None: ...

    def prompt(self) -> str:
        return "root@tor1:~# "

    def line(self, text: str) -> str:
        done = self._lab.run("server", "sh", "-c", text, check=False)
        return str(done.stdout) + str(done.stderr)


class Bridge:
    def __init__(self, folder: Path, filtering: bool = True) -> None:
        self.lab = Lab("one", "two")
        if filtering:
            self.lab.run("server", "ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1")
        self.server = CliServer(Shell(self.lab), user="root", password=PASSWORD)  # type: ignore[arg-type]
        self.folder = folder

    def switch(self) -> SwitchByLine:
        target = SwitchTarget(name="tor1", address="127.0.0.1", port=self.server.port, user="root", password=PASSWORD)
        return SwitchByLine(NetmikoLine(target, LINUX, self.folder / "hosts"), LINUX)

    def passed(self, seconds: float, *vlans: int) -> str:
        """The VLAN of the first of these frames, sent in this order, that arrives within so many seconds. Empty: none."""
        listener = self.lab.popen("two", sys.executable, "-c", LISTEN, str(seconds), stdout=subprocess.PIPE, text=True)
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        self.lab.run("one", sys.executable, "-c", SEND, *map(str, vlans))
        told = str(listener.stdout.read())
        listener.stdout.close()
        return told.strip()

    def mac(self) -> str:
        return self.lab.mac("one")

    def close(self) -> None:
        self.server.close()
        self.lab.close()


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    found = Bridge(tmp_path)
    yield found
    found.close()


def wanted(own: OwnPath | None = None) -> WantedPorts:
    ports = (PortWish(port="s0", tagged=(200,), description="node-1 1g0"), PortWish(port="s1", tagged=(200,), description="node-2 1g0"))
    return WantedPorts(ports=ports, own=own or OwnPath())


def test_without_a_filter_every_frame_passes(tmp_path: Path) -> None:
    """The frames of this test do arrive where nothing stops them."""
    bridge = Bridge(tmp_path, filtering=False)
    try:
        assert bridge.passed(30.0, 300, 200) == "300"
        assert bridge.passed(30.0, 200, 300) == "200"
        switch = bridge.switch()
        with pytest.raises(SwitchError, match="expected one bridge with vlan_filtering 1, found none"):
            switch.read()
        mac = bridge.mac()
        assert [(one.port, one.mac) for one in switch.addresses() if one.mac == mac] == [("s0", mac)]
    finally:
        bridge.close()


@filters
def test_frames_of_the_vlan_pass_after_the_role_and_others_do_not(bridge: Bridge) -> None:
    assert bridge.passed(1.0, 200, 300) == "", "the bridge passes tagged frames without the role, so this test proves nothing"
    switch = bridge.switch()
    apply(switch, wanted(), lambda _: None)
    assert bridge.passed(30.0, 300, 200) == "200"
    assert not look(switch, wanted()).left
    narrower = WantedPorts(ports=(PortWish(port="s0", tagged=(300,)), PortWish(port="s1", tagged=(300,))))
    apply(switch, narrower, lambda _: None)
    assert bridge.passed(30.0, 200, 300) == "300"


@filters
def test_the_port_behind_which_the_engine_is_stays(bridge: Bridge) -> None:
    switch = bridge.switch()
    apply(switch, wanted(), lambda _: None)
    assert bridge.passed(30.0, 200) == "200"
    mac = bridge.mac()
    assert ("s0", 200) in [(one.port, one.vlan) for one in switch.addresses() if one.mac == mac]
    narrower = WantedPorts(ports=(PortWish(port="s0", tagged=(300,)), PortWish(port="s1", tagged=(300,))), own=OwnPath(macs=(mac,)))
    done: Applied = apply(switch, narrower, lambda _: None)
    assert [one for one in done.left.refused if mac in one]
    have = switch.read().ports
    assert (have["s0"].tagged, have["s1"].tagged) == ((200,), (300,))


@pytest.mark.skipif(bool(NO_BOND), reason=NO_BOND or "it bonds")
def test_two_links_become_a_group(bridge: Bridge) -> None:
    switch = bridge.switch()
    ports = tuple(PortWish(port=port, tagged=(200,), lag="node-1 bond", mode="lacp") for port in ("s0", "s1"))
    apply(switch, WantedPorts(ports=ports), lambda _: None)
    have = switch.read()
    assert {have.ports["s0"].lag, have.ports["s1"].lag} == {"bond1"}
    assert have.groups["bond1"].tagged == (200,)
    apart = tuple(PortWish(port=port, tagged=(300,)) for port in ("s0", "s1"))
    apply(switch, WantedPorts(ports=apart), lambda _: None)
    assert [switch.read().ports[port].lag for port in ("s0", "s1")] == ["", ""]
