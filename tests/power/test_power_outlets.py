"""Power by outlets: the contract of `Power` on simulated PDUs of each vendor, and once on net-snmp's own agent."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pdu_agent import PduAgent
from redfish_rig import Service
from thinned import thinned

from engine.power import Pace, PowerDone, PowerFailed, PowerResult, PowerState
from engine.power.certificates import Certificates
from engine.power.gate import Gates, Limits
from engine.power.outlet_tables import TABLES
from engine.power.outlets import OutletPower, OutletTarget
from engine.power.redfish import RedfishTarget
from engine.power.snmp import SnmpAgent, SnmpTarget

QUICK = Pace(total_s=20.0, greet_s=6.0, poll_s=0.02, rest_s=0.0)
IMPATIENT = Pace(total_s=0.6, greet_s=0.3, poll_s=0.02, rest_s=0.0)
COMMUNITY = "s3cr3t-Community"


def targets(table: str, port: int, *outlets: str, community: str = COMMUNITY) -> list[OutletTarget]:
    snmp = SnmpTarget(address="127.0.0.1", port=port, community=community)
    return [OutletTarget(pdu="pdu1", outlet=outlet, table=table, snmp=snmp) for outlet in outlets]


def power(to: list[OutletTarget], pace: Pace = QUICK) -> OutletPower:
    return OutletPower(to, gates=Gates(limits=Limits(burst=1000)), pace=pace)


@pytest.fixture
def agent() -> Iterator[Callable[..., PduAgent]]:
    made: list[PduAgent] = []

    def make(*words: object, **more: object) -> PduAgent:
        made.append(PduAgent(*words, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def state(result: PowerResult) -> PowerState | None:
    assert isinstance(result, PowerDone), result
    return result.state


def failure(result: object) -> PowerFailed:
    assert isinstance(result, PowerFailed), result
    assert COMMUNITY not in result.message
    return result


@pytest.mark.parametrize("table", sorted(TABLES))
def test_off_is_all_outlets_off(table: str, agent: Callable[..., PduAgent]) -> None:
    pdu = agent(table)
    one = power(targets(table, pdu.port, "3", "7"))
    assert state(one.read()) is PowerState.OFF
    assert state(one.set("on")) is PowerState.ON
    assert [index for index, on in pdu.on.items() if on] == [TABLES[table].index("3"), TABLES[table].index("7")]
    pdu.on[TABLES[table].index("3")] = False
    assert state(one.read()) is PowerState.ON, "the other supply still feeds it"
    assert state(one.set("off")) is PowerState.OFF
    assert not any(pdu.on.values())


@pytest.mark.parametrize("table", thinned(sorted(TABLES), each=5))
def test_a_machine_that_is_off_is_cycled_and_booted(table: str, agent: Callable[..., PduAgent]) -> None:
    """No more than the orders above, in a row."""
    one = power(targets(table, agent(table).port, "3", "7"))
    assert state(one.set("cycle")) is PowerState.ON
    assert state(one.boot("network", persistent=False, uefi=None)) is PowerState.ON


def test_a_cycle_is_off_and_on_of_both(agent: Callable[..., PduAgent]) -> None:
    pdu = agent("apc", on=True)
    assert state(power(targets("apc", pdu.port, "1", "2")).set("cycle")) is PowerState.ON
    column = TABLES["apc"].switch_on
    assert pdu.sets == [f"{column}.1=2", f"{column}.2=2", f"{column}.1=1", f"{column}.2=1"]


def test_outlets_of_two_pdus_are_one_machine(agent: Callable[..., PduAgent]) -> None:
    a, b = agent("apc", on=True), agent("raritan", on=True)
    other = [OutletTarget(pdu="pdu2", outlet="4", table="raritan", snmp=SnmpTarget(address="127.0.0.1", port=b.port, community=COMMUNITY))]
    one = power([*targets("apc", a.port, "4"), *other])
    assert state(one.set("off")) is PowerState.OFF
    assert (a.on["4"], b.on["1.4"], a.on["5"], b.on["1.5"]) == (False, False, True, True)


def test_a_pdu_that_only_says_yes_is_found_out(agent: Callable[..., PduAgent]) -> None:
    pdu = agent("apc")
    pdu.mood = "empty"
    one = power(targets("apc", pdu.port, "1"), IMPATIENT)
    assert failure(one.set("on")).kind == "not_obeyed"
    assert failure(one.set("cycle")).kind == "not_obeyed"
    assert state(one.set("off")) is PowerState.OFF


def test_a_silent_pdu_and_a_wrong_community_are_unreachable(agent: Callable[..., PduAgent]) -> None:
    pdu = agent("apc")
    assert failure(power(targets("apc", pdu.port, "1", community="wrong"), IMPATIENT).read()).kind == "unreachable"
    pdu.mood = "broken"
    one = power(targets("apc", pdu.port, "1"), IMPATIENT)
    for call in (one.read, lambda: one.set("on"), lambda: one.boot("disk", persistent=False, uefi=None)):
        assert failure(call()).kind == "unreachable"


def test_an_outlet_that_is_not_there_switches_nothing(agent: Callable[..., PduAgent]) -> None:
    pdu = agent("apc", on=True)
    one = power(targets("apc", pdu.port, "1", "99"))
    assert "99" in failure(one.set("off")).message
    assert all(pdu.on.values())
    assert not pdu.sets
    wrong_table = power(targets("eaton", pdu.port, "1"))
    assert failure(wrong_table.read()).kind == "unsupported"


def test_an_account_that_may_only_read(agent: Callable[..., PduAgent]) -> None:
    pdu = agent("apc")
    pdu.writable = False
    found = failure(power(targets("apc", pdu.port, "1")).set("on"))
    assert found.kind == "refused"
    assert "may write" in found.message


def test_what_an_outlet_cannot_do() -> None:
    one = power(targets("apc", 9, "1"))
    calls: tuple[Callable[[], object], ...] = (
        lambda: one.set("soft"),
        lambda: one.set_boot("network", persistent=False, uefi=None),
        lambda: one.identify(5),
        one.sensors,
        lambda: one.note(0, lambda _text: True),
    )
    assert {failure(call()).kind for call in calls} == {"unsupported"}


def test_no_secret_is_shown() -> None:
    target = SnmpTarget(address="10.0.0.1", version="3", user="crowbar", password="s3cr3t-Auth", privacy="s3cr3t-Priv", community=COMMUNITY)
    assert "s3cr3t" not in repr(target)


# -- by Redfish ----------------------------------------------------------------------------------------------------

PDU = "/redfish/v1/PowerEquipment/RackPDUs/1"


class RedfishPdu:
    """The replies of a PDU with outlets A1 to A4."""

    def __init__(self) -> None:
        self.on = dict.fromkeys(("A1", "A2", "A3", "A4"), "Off")
        self.obeys = True

    def replies(self) -> dict[str, object]:
        outlets = f"{PDU}/Outlets"
        out: dict[str, object] = {
            "GET /redfish/v1/": {"RedfishVersion": "1.15.0", "PowerEquipment": {"@odata.id": "/redfish/v1/PowerEquipment"}},
            "GET /redfish/v1/PowerEquipment": {"RackPDUs": {"@odata.id": "/redfish/v1/PowerEquipment/RackPDUs"}},
            "GET /redfish/v1/PowerEquipment/RackPDUs": {"Members": [{"@odata.id": PDU}]},
            f"GET {PDU}": {"Id": "1", "Outlets": {"@odata.id": outlets}},
            f"GET {outlets}": {"Members": [{"@odata.id": f"{outlets}/{name}"} for name in self.on]},
        }
        for name in self.on:
            out[f"GET {outlets}/{name}"] = lambda _service, name=name: self.body(name)
            out[f"POST {outlets}/{name}/Actions/Outlet.PowerControl"] = lambda service, name=name: self.switch(service, name)
        return out

    def body(self, name: str) -> dict[str, object]:
        target = f"{PDU}/Outlets/{name}/Actions/Outlet.PowerControl"
        return {"Id": name, "Name": f"Outlet {name}", "PowerState": self.on[name], "Actions": {"#Outlet.PowerControl": {"target": target}}}

    def switch(self, service: Service, name: str) -> dict[str, object]:
        if self.obeys:
            self.on[name] = service.seen[-1][2]["PowerState"]
        return {}


def by_web(service: Service, *outlets: str, folder: Path, pace: Pace = QUICK) -> OutletPower:
    to = RedfishTarget(address="127.0.0.1", port=service.port, user="root", password="calvin")
    some = [OutletTarget(pdu="pdu1", outlet=outlet, redfish=to) for outlet in outlets]
    return OutletPower(some, gates=Gates(limits=Limits(burst=1000)), certificates=Certificates(folder / "known"), pace=pace)


def test_outlets_by_redfish(tmp_path: Path) -> None:
    pdu = RedfishPdu()
    with Service(tmp_path, pdu.replies()) as service:
        one = by_web(service, "A1", "a3", folder=tmp_path)
        assert state(one.read()) is PowerState.OFF
        assert state(one.set("on")) is PowerState.ON
        assert pdu.on == {"A1": "On", "A2": "Off", "A3": "On", "A4": "Off"}
        assert state(one.set("cycle")) is PowerState.ON
        assert state(one.set("off")) is PowerState.OFF
        assert "A9" in failure(by_web(service, "A1", "A9", folder=tmp_path).set("on")).message
        assert set(pdu.on.values()) == {"Off"}
        pdu.obeys = False
        impatient = Pace(web_s=1.0, greet_s=5.0, poll_s=0.05, rest_s=0.0)
        assert failure(by_web(service, "A1", folder=tmp_path, pace=impatient).set("on")).kind == "not_obeyed"


def test_a_redfish_service_without_a_pdu(tmp_path: Path) -> None:
    with Service(tmp_path, {}) as service:
        assert "no rack PDU" in failure(by_web(service, "A1", folder=tmp_path).read()).message


# -- an independent agent --------------------------------------------------------------------------------------------

PASS = """#!{python}
import json, pathlib, sys
base = ".{base}"
file = pathlib.Path(__file__).with_name("state")
state = json.loads(file.read_text()) if file.exists() else {{f"{{base}}.{{n}}": 2 for n in range(1, 9)}}
read = lambda: sys.stdin.readline().strip()
while True:
    line = read()
    if not line:
        break
    if line == "PING":
        print("PONG", flush=True)
    elif line == "get":
        oid = read()
        print("\\n".join([oid, "integer", str(state[oid])]) if oid in state else "NONE", flush=True)
    elif line == "getnext":
        read()
        print("NONE", flush=True)
    elif line == "set":
        oid, value = read(), read()
        kind, _, number = value.partition(" ")
        if oid in state and kind == "integer":
            state[oid] = int(number)
            file.write_text(json.dumps(state))
            print("DONE", flush=True)
        else:
            print("not-writable", flush=True)
"""


@pytest.fixture
def snmpd(tmp_path: Path) -> Iterator[int]:
    program = shutil.which("snmpd") or shutil.which("snmpd", path="/usr/sbin")
    if program is None:
        pytest.skip("snmpd is not installed (Debian package snmpd)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    base = TABLES["apc"].state
    script = tmp_path / "outlets"
    script.write_text(PASS.format(python=sys.executable, base=base))
    script.chmod(0o755)
    lines = [f"rwcommunity {COMMUNITY} 127.0.0.1", f"pass_persist .{base} {script}", f"agentaddress udp:127.0.0.1:{port}"]
    lines += ['createUser crowbar SHA "s3cr3t-Auth-1" AES "s3cr3t-Priv-1"', "rwuser crowbar priv"]
    (tmp_path / "snmpd.conf").write_text("\n".join(lines) + "\n")
    environment = {"PATH": "/usr/bin:/bin", "SNMP_PERSISTENT_DIR": str(tmp_path), "SNMPCONFPATH": str(tmp_path), "MIBS": ""}

    environment |= {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    with (tmp_path / "out").open("w") as out:
        command = [program, "-f", "-Lo", "-C", "-c", str(tmp_path / "snmpd.conf"), "-p", str(tmp_path / "pid")]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while isinstance(power(targets("apc", port, "1"), IMPATIENT).read(), PowerFailed):
            assert time.monotonic() < deadline, (tmp_path / "out").read_text()
            assert process.poll() is None, (tmp_path / "out").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.client
def test_net_snmp(snmpd: int) -> None:
    one = power(targets("apc", snmpd, "1", "2"))
    for action, found in (("on", PowerState.ON), ("cycle", PowerState.ON), ("off", PowerState.OFF), ("cycle", PowerState.ON)):
        assert state(one.set(action)) is found  # type: ignore[arg-type]
        assert state(one.read()) is found
    assert failure(power(targets("apc", snmpd, "77")).read()).kind == "unsupported"


@pytest.mark.client
def test_net_snmp_by_version_3(snmpd: int) -> None:
    state_of = f"{TABLES['apc'].state}.1"
    good = SnmpTarget(address="127.0.0.1", port=snmpd, version="3", user="crowbar", password="s3cr3t-Auth-1", privacy="s3cr3t-Priv-1")
    assert SnmpAgent(good).get([state_of]) == {state_of: 2}
    SnmpAgent(good).set({state_of: 1})
    assert SnmpAgent(good).get([state_of]) == {state_of: 1}
    wrong = SnmpTarget(address="127.0.0.1", port=snmpd, version="3", user="crowbar", password="wrong-Auth-11", privacy="s3cr3t-Priv-1")
    one = OutletTarget(pdu="pdu1", outlet="1", table="apc", snmp=wrong)
    assert failure(power([one]).read()).kind == "authentication"
