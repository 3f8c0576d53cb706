"""The scripts of bmc-account and bmc-clock on a machine whose BMC is a simulated one: ipmitool's own octets, by the network instead of the
kernel's driver."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from bmc_machine import Machine as Chassis

from engine.racks.bmc.ipmi import LIES, BmcFarm, SimBmc
from engine.racks.bmc.lan import DHCP, Lan, LanValues

PASSWORD = "aB3-xxxx_yyyyZZ9"
WANTED = {"bmc-account": PASSWORD}
GIVES = {"bmc-account-set": {"user": 3, "name": "crowbar", "channel": 1}}


@pytest.fixture
def bmc() -> Iterator[SimBmc]:
    with BmcFarm() as farm:
        yield farm.add("127.0.0.1", 0, Chassis())


def plug(machine: Any, bmc: SimBmc) -> None:
    ipmitool = shutil.which("ipmitool")
    if ipmitool is None:
        pytest.skip("ipmitool is not installed")
    machine.write("dev/ipmi0")
    machine.tool("ipmitool", f'exec {ipmitool} -I lanplus -H 127.0.0.1 -p {bmc.port} -U root -P calvin "$@"')


def test_it_is_made_once(machine: Any, bmc: SimBmc) -> None:
    plug(machine, bmc)
    assert machine.run("bmc-account", WANTED, "verify").code == 1
    done = machine.run("bmc-account", WANTED)
    assert (done.code, done.err, done.gives) == (0, "", GIVES)
    assert bmc.commands.accounts.accepts("crowbar", PASSWORD)
    assert machine.run("bmc-account", WANTED, "verify").gives == GIVES
    before = len(machine.calls)
    again = machine.run("bmc-account", WANTED)
    assert (again.code, again.gives) == (0, GIVES)
    assert not any("set" in call.split() or "setaccess" in call for call in machine.calls[before:]), "nothing is written again"


@pytest.mark.parametrize("lost", [{"password": "other"}, {"on": False}, {"level": 2}, {"name": ""}])
def test_what_somebody_changed_is_set_again(machine: Any, bmc: SimBmc, lost: dict[str, Any]) -> None:
    plug(machine, bmc)
    assert machine.run("bmc-account", WANTED).code == 0
    bmc.commands.accounts.change(3, **lost)
    assert machine.run("bmc-account", WANTED, "verify").code == 1
    assert machine.run("bmc-account", WANTED).gives == GIVES
    assert bmc.commands.accounts.accepts("crowbar", PASSWORD)
    assert machine.run("bmc-account", WANTED, "verify").code == 0


def test_other_users_stay(machine: Any, bmc: SimBmc) -> None:
    plug(machine, bmc)
    bmc.commands.accounts.change(3, name="ada", password="hers", on=True, level=4)
    assert machine.run("bmc-account", WANTED).gives["bmc-account-set"]["user"] == 4
    assert bmc.commands.accounts.accepts("ada", "hers")
    assert bmc.commands.accounts.accepts("root", "calvin")


def test_no_free_user(machine: Any, bmc: SimBmc) -> None:
    plug(machine, bmc)
    for number in range(3, 11):
        bmc.commands.accounts.change(number, name=f"u{number}")
    done = machine.run("bmc-account", WANTED)
    assert done.code != 0
    assert "no free user" in done.err or "does not take the name" in done.err


def test_the_password_is_in_no_argument_list_and_no_log(machine: Any, bmc: SimBmc) -> None:
    plug(machine, bmc)
    for action in ("run", "verify"):
        done = machine.run("bmc-account", WANTED, action)
        assert PASSWORD not in done.out + done.err
    assert machine.calls
    assert not any(PASSWORD in call for call in machine.calls)


@pytest.mark.parametrize("password", ["", "short", "has spaces in it", 'quote"quote"quot', "aB3-xxxx_yyyyZZ9x"])
def test_a_password_that_is_none(machine: Any, bmc: SimBmc, password: str) -> None:
    plug(machine, bmc)
    done = machine.run("bmc-account", {"bmc-account": password})
    assert done.code == 2
    assert not machine.calls


def test_without_a_bmc(machine: Any) -> None:
    machine.tool("modprobe", "exit 1")
    done = machine.run("bmc-account", WANTED)
    assert done.code == 2
    assert "no driver" in done.err


def test_the_clock_is_set_where_it_is_wrong(machine: Any, bmc: SimBmc) -> None:
    plug(machine, bmc)
    machine.tool("date", f'exec {shutil.which("date")} "$@"')
    bmc.commands.vitals.clock_off_s = -86400.0 * 400
    assert machine.run("bmc-clock", {}, "verify").code == 1
    done = machine.run("bmc-clock", {})
    assert (done.code, done.err) == (0, "")
    assert abs(bmc.commands.vitals.clock_off_s) < 60
    assert machine.run("bmc-clock", {}, "verify").code == 0
    before = len(machine.calls)
    assert machine.run("bmc-clock", {}).code == 0
    assert not any("0x49" in call for call in machine.calls[before:]), "nothing is written again"


def test_a_clock_that_takes_no_time_is_told(machine: Any, bmc: SimBmc) -> None:
    plug(machine, bmc)
    machine.tool("date", f'exec {shutil.which("date")} "$@"')
    bmc.commands.vitals.clock_off_s = 7200.0
    bmc.mood = LIES
    done = machine.run("bmc-clock", {})
    assert done.code == 2
    assert "took the time, and is" in done.err


NETWORK = {"bmc-network": {"address": "192.168.125.21", "mask": "255.255.255.0", "router": "192.168.125.1"}}


@pytest.fixture
def with_dhcp(tmp_path: Path) -> Iterator[SimBmc]:
    """A BMC whose address comes by DHCP. It refuses another one as long as it does."""
    lan = Lan(LanValues(address="10.9.9.9", mask="255.0.0.0", source=DHCP), tmp_path / "lan.json")
    with BmcFarm() as farm:
        yield farm.add("127.0.0.1", 0, Chassis(), lan=lan)


def test_the_address_is_set_once(machine: Any, with_dhcp: SimBmc, tmp_path: Path) -> None:
    plug(machine, with_dhcp)
    machine.tool("sleep", "")
    assert machine.run("bmc-address", NETWORK, "verify").code == 1
    done = machine.run("bmc-address", NETWORK)
    assert (done.code, done.err) == (0, "")
    told = done.gives["bmc-address-set"]
    assert (told["address"], told["channel"]) == ("192.168.125.21", 1)
    assert with_dhcp.commands.lan.now == LanValues(address="192.168.125.21", mask="255.255.255.0", router="192.168.125.1")
    kept = Lan(LanValues(address="10.9.9.9"), tmp_path / "lan.json")
    assert kept.now == with_dhcp.commands.lan.now, "it outlives the rack"
    assert machine.run("bmc-address", NETWORK, "verify").gives == done.gives
    before = len(machine.calls)
    assert machine.run("bmc-address", NETWORK).gives == done.gives
    assert not any(" lan set" in call for call in machine.calls[before:]), "nothing is written again"


def test_a_bmc_that_takes_the_address_and_drops_it(machine: Any, with_dhcp: SimBmc) -> None:
    plug(machine, with_dhcp)
    machine.tool("sleep", "")
    with_dhcp.mood = LIES
    done = machine.run("bmc-address", NETWORK)
    assert done.code == 2
    assert "does not take ipsrc static" in done.err


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"refused": "the plan has no network bmc with a range host"}, "no network bmc"),
        ({}, "no address for the BMC"),
        ({"address": "10.0.0.1; reboot", "mask": "255.0.0.0", "router": ""}, "is no address"),
    ],
)
def test_an_address_that_is_none(machine: Any, network: dict[str, str], words: str) -> None:
    done = machine.run("bmc-address", {"bmc-network": network})
    assert done.code == 2
    assert words in done.err
    assert not machine.calls


SECOND = """
case "$*" in
"lan print 3") echo "MAC Address : 00:30:48:00:00:03"; echo "IP Address : 10.9.9.9"; echo "Subnet Mask : 255.0.0.0" ;;
"lan print 1") echo "MAC Address : 00:30:48:00:00:01"; echo "IP Address : 0.0.0.0" ;;
"lan set 3 "*) exit 0 ;;
*) exit 1 ;;
esac
"""


def test_the_channel_that_has_an_address_is_the_one(machine: Any) -> None:
    machine.write("dev/ipmi0")
    machine.tool("ipmitool", SECOND)
    machine.tool("sleep", "")
    assert machine.run("bmc-address", NETWORK).code == 2
    assert [call for call in machine.calls if " set " in call][0] == "ipmitool lan set 3 ipsrc static"
