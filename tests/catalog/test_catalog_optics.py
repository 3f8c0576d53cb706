"""What the role inventory reads of `ethtool -m`: modules with one lane (SFF-8472) and several (SFF-8636), copper, and nonsense.

The texts are written from the field names of these standards as ethtool prints them. Recorded outputs are read too, where there are some.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.hardware.inventory import Inventory
from engine.core.hardware.optics import reading

SFP = """\
	Identifier                                : 0x03 (SFP)
	Connector                                 : 0x07 (LC)
	Transceiver type                          : 10G Ethernet: 10G Base-SR
	Vendor name                               : EXAMPLE
	Vendor PN                                 : EX-10G-SR
	Vendor SN                                 : A1B2C3
	Laser bias current                        : 6.000 mA
	Laser output power                        : 0.5888 mW / -2.30 dBm
	Receiver signal average optical power     : {mw} mW / {dbm} dBm
	Module temperature                        : 41.50 degrees C / 106.70 degrees F
	Module voltage                            : 3.3000 V
	Alarm/warning flags implemented           : Yes
	Laser output power high alarm             : Off
	Laser rx power low alarm                  : On
	Laser rx power low warning                : On
	Laser output power low alarm threshold    : 0.0741 mW / -11.30 dBm
	Module temperature high alarm threshold   : 75.00 degrees C / 167.00 degrees F
	Laser rx power high alarm threshold       : 1.9953 mW / 3.00 dBm
	Laser rx power low alarm threshold        : 0.0407 mW / -13.90 dBm
	Laser rx power low warning threshold      : 0.0646 mW / -11.90 dBm
"""
QSFP = """\
	Identifier                                : 0x11 (QSFP28)
	Vendor PN                                 : EX-100G-SR4
	Vendor SN                                 : Q9
	Module temperature                        : 33.00 degrees C / 91.40 degrees F
	Laser tx bias current (Channel 1)         : 7.500 mA
	Transmit avg optical power (Channel 1)    : 0.8000 mW / -0.97 dBm
	Transmit avg optical power (Channel 2)    : 0.7900 mW / -1.02 dBm
	Transmit avg optical power (Channel 3)    : 0.8100 mW / -0.92 dBm
	Transmit avg optical power (Channel 4)    : 0.8000 mW / -0.97 dBm
	Rcvr signal avg optical power(Channel 1)  : 0.7000 mW / -1.55 dBm
	Rcvr signal avg optical power(Channel 2)  : 0.7000 mW / -1.55 dBm
	Rcvr signal avg optical power(Channel 3)  : 0.0000 mW / -inf dBm
	Rcvr signal avg optical power(Channel 4)  : 0.6900 mW / -1.61 dBm
	Laser rx power low alarm   (Channel 3)    : On
	Laser rx power low alarm threshold        : 0.0501 mW / -13.00 dBm
"""
COPPER = """\
	Identifier                                : 0x03 (SFP)
	Connector                                 : 0x21 (Copper pigtail)
	Transceiver type                          : Passive Cable
	Vendor PN                                 : EX-DAC-1M
	Length (Copper)                           : 1m
"""


def nic(machine: Any, text: str, code: int = 0) -> dict[str, Any]:
    """The port as the role gives it, while `ethtool -m` prints this text."""
    (machine.root / "module").write_text(text)
    machine.tool("ethtool", f"[ \"$1\" = -m ] || exit 0\ncat '{machine.root / 'module'}'\nexit {code}")
    done = machine.run("inventory")
    assert done.code == 0, done.err
    [port] = done.gives["nics"]
    return port  # type: ignore[no-any-return]


@pytest.fixture
def port(machine: Any) -> Any:
    """A machine with one port and no disk."""
    w, link = machine.write, machine.link
    w("sys/class/dmi/id/sys_vendor", "EXAMPLE\n")
    w("sys/class/dmi/id/product_name", "X1\n")
    w("proc/meminfo", "MemTotal:       131922140 kB\n")
    w("proc/cpuinfo", "processor\t: 0\n")
    w("sys/block/loop0/size", "100\n")
    w("sys/class/net/eno1/address", "f4:02:70:aa:bb:01\n")
    w("sys/class/net/eno1/speed", "10000\n")
    w("sys/class/net/eno1/carrier", "1\n")
    (machine.root / "sys/devices/eno1").mkdir(parents=True)
    link("sys/class/net/eno1/device", "../../../devices/eno1")
    return machine


def words(port: dict[str, Any]) -> str:
    [found] = Inventory({"nics": [port]}).nics
    told = reading(found.optics)
    return told.words if told is not None else ""


def test_a_module_with_light(port: Any) -> None:
    found = nic(port, SFP.format(mw="0.6100", dbm="-2.15"))
    assert found["optics"] == {
        "kind": "SFP",
        "part": "EX-10G-SR",
        "serial": "A1B2C3",
        "temperature": 41.5,
        "lanes": [{"rx": -2.15, "tx": -2.3}],
        "limits": {"tx_low": -11.3, "hot": 75.0, "rx_high": 3.0, "rx_low": -13.9},
    }
    assert words(found) == "receives -2.15 dBm, sends -2.3 dBm, 41.5 °C"


@pytest.mark.parametrize(("mw", "dbm", "shown"), [("0.0016", "-28.00", "-28"), ("0.0000", "-inf", "-40"), ("0.0001", "-40.00", "-40")])
def test_a_module_without_light(port: Any, mw: str, dbm: str, shown: str) -> None:
    assert words(nic(port, SFP.format(mw=mw, dbm=dbm))) == f"receive power {shown} dBm: no light; clean or reseat"


def test_a_module_with_four_lanes(port: Any) -> None:
    found = nic(port, QSFP)
    assert [lane["rx"] for lane in found["optics"]["lanes"]] == [-1.55, -1.55, -40.0, -1.61]
    assert words(found) == "receive power -40 dBm on lane 3: no light; clean or reseat"


@pytest.mark.parametrize(("text", "code"), [(COPPER, 0), ("", 0), ("netlink error: Operation not supported", 1), (SFP, 1)])
def test_a_port_without_optics(port: Any, text: str, code: int) -> None:
    assert "optics" not in nic(port, text, code)


@pytest.mark.parametrize(
    "text",
    [
        'Identifier : 0x03 (SF"P\\\n)\nVendor PN : a"b\\c\u20ac' + "x" * 500 + "\nLaser output power : 1 mW / -1.00 dBm",
        "Receiver signal average optical power : mW / 1e9 dBm\nLaser output power : 7 mW / -99999.0 dBm",
        "Rcvr signal avg optical power(Channel 99) : 1 mW / -1.00 dBm\nRcvr signal avg optical power(Channel 8) : 1 mW / -1.00 dBm",
        ":::::\n" * 2000 + "Laser output power : 1 mW / -1.00 dBm",
    ],
)
def test_nonsense_costs_only_the_module(port: Any, text: str) -> None:
    found = nic(port, text)
    assert found["name"] == "eno1"
    assert len(str(found.get("optics", ""))) < 600


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from([*SFP.splitlines(), *QSFP.splitlines(), *COPPER.splitlines()]) | st.text(max_size=60), max_size=40))
def test_any_lines_in_any_order(port: Any, lines: list[str]) -> None:
    found = nic(port, "\n".join(lines).replace("\0", "").encode("utf-8", "replace").decode())
    assert found["name"] == "eno1"


def test_recorded_modules(port: Any, recorded: Path) -> None:
    files = sorted(recorded.rglob("ethtool*ddm*.txt"))
    if not files:
        pytest.skip(f"no recorded modules in {recorded}")
    told = {file.name: words(nic(port, file.read_text())) for file in files}
    assert any("no light" in one for one in told.values())
    assert any(one.startswith("receives") for one in told.values())
