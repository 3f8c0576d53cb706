"""What Nagios looks at follows from the committed roles, and what it says becomes findings."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from catalogs import catalog, plan, role
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from world_rig import WorldRig

from engine.checks import CHECK_KINDS, Check
from engine.core.monitor.alarms import findings, rows
from engine.core.monitor.commands import node_commands
from engine.core.monitor.nagios import objects
from engine.core.monitor.names import object_name, service_name
from engine.core.roles.wishes import task_document
from engine.definitions import Collect
from engine.model import Allocation, PowerOff, State
from engine.wire.nagios_status import NagiosStatus, Verdict

GOLDEN = Path(__file__).parent / "golden" / "nagios-objects.cfg"
SERVER = role("monitor-server", "system", "local", collects=(Collect(attribute="monitored", into="monitor/objects"),))
SERVER = replace(SERVER, checks=(Check(name="disk", kind="disk"),))
CLIENT = replace(role("monitor-client", "system"), checks=(Check(name="exporter", kind="tcp", port=9100),))
NTP = replace(role("ntp-client", "system"), checks=(Check(name="process", kind="process", process="chronyd"),))
WEB = replace(
    role("web", "system"),
    checks=(
        Check(name="http", kind="http", port=80, path="/health", status=204),
        Check(name="dns", kind="dns"),
        Check(name="clock", kind="ntp"),
        Check(name="own", kind="script", program="/usr/local/lib/web/check-it"),
    ),
)
KINDS = catalog(SERVER, CLIENT, NTP, WEB)
DONE: dict[str, Any] = {"state": State.ACTIVE, "ran_hash": ""}


def rig() -> WorldRig:
    """n1 has all, n2 has no monitor-client, n3 has a role that is only proposed."""
    out = WorldRig(KINDS, plan())
    for number, node in enumerate(("n1", "n2", "n3"), 1):
        out.server(node, stage="system", runs="debian-12", allocated=True, name=f"node-{number}.r1.example.net")
        out.put(Allocation(address=f"10.0.0.{80 + number}", network="admin", range="host", node=node))
    out.role("monitor-server", "admin", **DONE, deployment="system")
    for name in ("monitor-client", "ntp-client", "web"):
        out.role(name, "n1", **DONE)
    out.role("ntp-client", "n2", **DONE)
    out.role("web", "n2", **DONE)
    out.role("web", "n3", state=State.PROPOSED)
    return out


def text(out: WorldRig) -> str:
    lines = task_document(out.world, out.at("monitor-server", "admin"), {})["monitor"]["objects"]
    assert not any(set(line) & set('"\\\t') or not line.isascii() for line in lines), "the script takes each line as it is"
    return "\n".join(lines) + "\n"


def test_the_configuration_as_a_whole() -> None:
    found = text(rig())
    if os.environ.get("CROWBAR_GOLDEN") == "write":
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_a_node_without_nrpe_has_no_checks_that_run_on_it() -> None:
    found = text(rig())
    assert "node-1.r1.example.net\n    service_description ntp-client/process\n    check_command nrpe!ntp-client.process" in found
    assert "node-2.r1.example.net\n    service_description ntp-client/process" not in found
    assert "node-2.r1.example.net\n    service_description web/http" in found
    assert "node-3" not in found


def test_a_role_that_comes_and_goes_makes_the_server_stale_and_a_state_does_not() -> None:
    out = rig()
    before = out.world.wishes["monitored"]
    out.change("n2", "web", state=State.ERROR)
    assert out.world.wishes["monitored"] == before
    out.role("monitor-client", "n2", state=State.WAITING)
    assert out.world.wishes["monitored"] != before


def test_commands_of_nodes_follow_from_the_barclamps() -> None:
    assert node_commands(KINDS) == [
        {"command": "monitor-server.disk", "plugin": "check_disk", "arguments": "-w 10% -c 5% -p /"},
        {"command": "ntp-client.process", "plugin": "check_procs", "arguments": "-c 1: -C chronyd"},
        {"command": "web.own", "plugin": "/usr/local/lib/web/check-it", "arguments": ""},
    ]


@given(st.text(max_size=40), st.text(max_size=40))
def test_object_names_are_plain_and_differ(one: str, other: str) -> None:
    assert set(object_name(one)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_")
    assert (object_name(one) == object_name(other)) == (one == other) or "_" in (one, other) or "" in (one, other)


NAMES = st.text(min_size=1, max_size=30)
CHECKS = st.sampled_from(
    [
        ["a", "tcp", "-p 22", "", ""],
        ["b", "http", "-p 80 -u / -S", "", ""],
        ["c", "process", "", "check_procs -c 1: -C chronyd", "r.c"],
        ["d", "script", "", "/usr/lib/x", "r.d"],
        ["e", "dns", "r1.example.net", "", ""],
    ]
)


@pytest.mark.skipif(shutil.which("nagios4") is None, reason="Nagios is not installed: apt install nagios4-core")
@settings(max_examples=15)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES, st.lists(CHECKS, max_size=3, unique_by=lambda c: c[0])), min_size=1, max_size=5))
def test_nagios_takes_any_names(tmp_path_factory: pytest.TempPathFactory, found: list[tuple[str, str, str, list[list[str]]]]) -> None:
    entries = [
        {"node": node, "role": name, "value": {"address": "10.0.0.81", "here": False, "deployment": deployment, "checks": checks}}
        for (node, name), (deployment, checks) in {(a, b): (c, d) for a, b, c, d in found}.items()
    ]
    own = {"address": "10.0.0.1", "here": True, "deployment": "system", "checks": [["disk", "disk", "", "check_disk -p /", "x.disk"]]}
    entries.append({"node": "admin of this test", "role": "monitor-server", "value": own})
    folder = tmp_path_factory.mktemp("nagios")
    (folder / "objects.cfg").write_text(objects(entries, 20))
    (folder / "resource.cfg").write_text("$USER1$=/usr/lib/nagios/plugins\n$USER2$=/tmp\n")
    (folder / "nagios.cfg").write_text(
        f"log_file={folder}/log\ncfg_file={folder}/objects.cfg\nresource_file={folder}/resource.cfg\ncheck_external_commands=0\n"
        f"illegal_object_name_chars=`~!$%^&*|'\"<>?,()=\ntemp_path={folder}\ncheck_result_path={folder}\nlock_file={folder}/pid\n"
        "use_syslog=0\ninterval_length=1\n"
        f"nagios_user={os.getuid()}\nnagios_group={os.getgid()}\n"
    )
    done = subprocess.run(["nagios4", "-v", f"{folder}/nagios.cfg"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


# -- what it says --------------------------------------------------------------------------------------------------

LATER = 2e9
"""Wall time after all changes of the rig."""


def said(*bad: str, host: str = "node-1.r1.example.net", down: bool = False, at: float = LATER, hard: bool = True) -> NagiosStatus:
    """Everything of node 1 is good, but for these services."""
    names = [service_name(one, check.name) for one in ("monitor-client", "ntp-client", "web") for check in KINDS.roles[one].checks]
    known = {"hard": hard, "checked": True, "last_check": at, "since": at}
    return NagiosStatus(
        created=at,
        verdicts=(
            Verdict(host=host, state=1 if down else 0, text="No route to host", **known),
            *(Verdict(host=host, service=name, state=2 if name in bad else 0, text=f"said {name}", **known) for name in names),
        ),
    )


def found(out: WorldRig, status: NagiosStatus) -> dict[str, str | None]:
    """Role -> code of its finding, on node 1."""
    told = findings(out.world, rows(out.world, status))
    return {key[1]: reason.code if reason is not None else None for key, reason in told.items() if key[0] == "n1"}


GOOD = {"monitor-client": None, "ntp-client": None, "web": None}


def test_all_is_good() -> None:
    assert found(rig(), said()) == GOOD


def test_a_red_check_is_a_finding_of_its_role() -> None:
    out = rig()
    status = said("web/own", "web/clock")
    assert found(out, status) == {**GOOD, "web": "check_red"}
    finding = findings(out.world, rows(out.world, status))[("n1", "web")]
    assert finding is not None
    assert finding.fields == {"node": "node-1.r1.example.net", "role": "web", "check": "clock", "message": "said web/clock"}


def test_what_nagios_does_not_believe_yet_is_none() -> None:
    assert found(rig(), said("web/own", hard=False)) == GOOD


def test_a_host_that_is_down_is_one_finding() -> None:
    assert found(rig(), said("web/own", "ntp-client/process", down=True)) == {"monitor-client": "host_red"}


def test_without_a_monitor_client_another_role_has_the_finding_of_the_host() -> None:
    out = rig()
    status = said(host="node-2.r1.example.net", down=True)
    told = findings(out.world, rows(out.world, status))
    assert {key: reason.code for key, reason in told.items() if reason is not None} == {("n2", "ntp-client"): "host_red"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hold": True}, "on_hold"),
        ({"off": PowerOff(who="ann")}, "powered_off"),
        ({"available": False}, "not_available"),
        ({"stage": "install"}, "stage"),
    ],
)
def test_a_node_that_is_not_to_be_up_is_no_alarm(change: dict[str, Any], code: str) -> None:
    out = rig()
    out.change("n1", **change)
    status = said("web/own", down=True)
    assert found(out, status) == GOOD
    first = rows(out.world, status)[0]
    assert first.state == "down"
    assert not first.red
    assert first.quiet is not None
    assert first.quiet.code == code


def test_a_role_that_is_not_done_has_no_finding() -> None:
    out = rig()
    out.change("n1", "web", state=State.WAITING)
    assert found(out, said("web/own"))["web"] is None


def test_an_old_result_changes_nothing() -> None:
    out = rig()
    out.change("n1", "web", since=LATER + 1)
    assert found(out, said("web/own")) == {"monitor-client": None, "ntp-client": None}


def test_what_the_world_does_not_know_is_no_row() -> None:
    assert rows(rig().world, said(host="somebody-else")) == []


def test_each_kind_of_check_has_a_command() -> None:
    from engine.core.monitor.commands import arguments, on_node

    for kind in CHECK_KINDS.values():
        check = Check(name="x", kind=kind.name, port=1, process="p", program="/p")
        assert on_node(check)[0] if kind.on_node else arguments(check, "r1.example.net") is not None
