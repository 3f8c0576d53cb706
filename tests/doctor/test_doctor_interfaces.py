"""Interfaces as this machine shows them, from a folder like sysfs, and neighbours from LLDP frames."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.doctor.interfaces import InterfaceWatch
from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind, encode_frame

ADDRESSES = [
    {"ifname": "eth1", "addr_info": [{"family": "inet", "local": "192.168.124.10", "prefixlen": 24}]},
    {"ifname": "eth2", "addr_info": []},
    {"ifname": "broken"},
]
ROUTES = [{"dst": "default", "gateway": "192.168.124.1", "dev": "eth1"}, {"dst": "default"}]


def asked(*words: str) -> object:
    return ADDRESSES if "address" in words else ROUTES


@pytest.fixture
def net(tmp_path: Path) -> Path:
    for name, files in {
        "lo": {"type": "772", "flags": "0x9"},
        "eth1": {"type": "1", "flags": "0x1003", "carrier": "1", "speed": "10000", "address": "52:54:00:00:00:01", "device": ""},
        "eth2": {"type": "1", "flags": "0x1002", "speed": "-1", "address": "52:54:00:00:00:02", "device": ""},
        "br0": {"type": "1", "flags": "0x1003", "carrier": "1", "address": "52:54:00:00:00:03"},
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text + "\n")
    return tmp_path


def frame(ttl: int = 120, name: str = "tor1.example.net") -> bytes:
    neighbour = LldpNeighbour(
        chassis_kind=ChassisKind.MAC,
        chassis_id="00:25:90:aa:01:02",
        port_kind=PortKind.INTERFACE_NAME,
        port_id="swp47",
        ttl_s=ttl,
        system_name=name,
    )
    return encode_frame(neighbour, from_mac=bytes.fromhex("00259000aa01"))


def test_ports_are_told_with_the_best_first(net: Path) -> None:
    ports = InterfaceWatch(net, asked).ports()
    assert [p.name for p in ports] == ["eth1", "br0", "eth2"]
    assert (ports[0].up, ports[0].carrier, ports[0].speed) == (True, True, 10000)
    assert ports[0].addresses == ("192.168.124.10/24",)
    assert ports[0].router == "192.168.124.1"
    assert not ports[0].virtual
    assert ports[1].virtual
    assert (ports[2].up, ports[2].carrier, ports[2].speed, ports[2].addresses) == (False, False, 0, ())


def test_where_the_program_is_missing_ports_are_told_without_addresses(net: Path) -> None:
    assert [p.addresses for p in InterfaceWatch(net, lambda *_: None).ports()] == [(), (), ()]


def test_a_neighbour_is_heard_and_says_goodbye(net: Path) -> None:
    survey = InterfaceWatch(net, asked)
    survey.take("eth1", 2, frame())
    heard = survey.ports()[0].neighbour
    assert heard is not None
    assert (heard.switch, heard.port) == ("tor1", "swp47")
    survey.take("eth1", 2, frame(ttl=0))
    assert survey.ports()[0].neighbour is None


def test_what_is_no_neighbour_is_not_told(net: Path) -> None:
    survey = InterfaceWatch(net, asked)
    survey.take("eth1", 4, frame())  # our own lldpd
    survey.take("eth1", 2, frame()[:20])
    assert survey.ports()[0].neighbour is None


@pytest.mark.client
def test_frames_are_heard_on_a_real_interface() -> None:
    """On a veth pair, in a namespace of this test's own."""
    import subprocess
    import sys

    for program in ("unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing")
    script = f"""
import socket, subprocess, time
from engine.doctor.interfaces import InterfaceWatch
for words in ("link add near type veth peer name far", "link set near up", "link set far up", "address add 10.9.8.7/24 dev near"):
    subprocess.run(["ip", *words.split()], check=True)
survey = InterfaceWatch(); survey.start(); survey.ports()
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); wire.bind(("far", 0))
end = time.monotonic() + 60
while time.monotonic() < end:
    wire.send({frame()!r})
    port = next(p for p in survey.ports() if p.name == "near")
    if port.neighbour:
        print(port.neighbour.switch, port.neighbour.port, port.addresses[0]); break
survey.stop()
"""
    # A namespace shows the interfaces of its own only under a /sys that was mounted in it.
    words = ["unshare", "--net", "--mount", "--map-root-user", "--user", "sh", "-c", 'mount -t sysfs none /sys && exec "$0" -c "$1"']
    done = subprocess.run([*words, sys.executable, script], capture_output=True, text=True, timeout=150, check=False)
    if "peration not permitted" in done.stderr or "not permitted" in done.stderr:
        pytest.skip("this system does not let us make a namespace")
    assert done.stdout.split() == ["tor1", "swp47", "10.9.8.7/24"], done.stderr
