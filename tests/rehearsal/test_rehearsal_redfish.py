"""Simulated BMCs that speak Redfish: independent clients are the judges of what they answer, garbage of what they survive."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bmc_machine import Machine

from engine.racks.bmc.ipmi import LIES, LOCKED
from engine.racks.bmc.label import About
from engine.racks.bmc.redfish import BODY, HEAD, RedfishBmc, RedfishFarm, certificate
from engine.racks.bmc.redfish_moods import ODDITIES
from engine.racks.bmc.redfish_reply import Reply, Request
from engine.racks.bmc.redfish_tree import RESET, SESSIONS, SYSTEM, Tree
from engine.racks.orders import WrongOrder, mood

ABOUT = About(guid=uuid.UUID("a1234567-89ab-cdef-a123-456789abcdef"), vendor="QEMU", product="Q35", serial="S1")


# The tree


class Asking:
    """A tree and a clock, asked with the right account unless told otherwise."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.tree = Tree(self.machine, ABOUT)
        self.now = 0.0
        self.tokens = 0

    def __call__(self, method: str, path: str, body: Any = None, /, **headers: str) -> Reply:
        self.tokens += 1
        account = "Basic " + base64.b64encode(b"root:calvin").decode()
        given = {name.replace("_", "-"): value for name, value in ({"authorization": account} | headers).items()}
        octets = b"" if body is None else json.dumps(body).encode()
        return self.tree.answer(Request(method=method, path=path, headers=given, body=octets), self.now, f"token{self.tokens}")


@pytest.fixture
def ask() -> Asking:
    return Asking()


def test_the_root_is_open_to_everybody_and_the_rest_is_not(ask: Asking) -> None:
    for path in ("/redfish", "/redfish/v1", "/redfish/v1/", "/redfish/v1/$metadata", "/redfish/v1/odata"):
        assert ask("GET", path, authorization="").status == 200
    for path in (SYSTEM, SESSIONS, "/redfish/v1/Systems", "/redfish/v1/nothing"):
        refused = ask("GET", path, authorization="")
        assert (refused.status, "WWW-Authenticate" in refused.headers) == (401, True)
    for account in (
        "Basic",
        "Basic !",
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Bearer x",
        "Basic " + base64.b64encode(b"root:").decode(),
    ):
        assert ask("GET", SYSTEM, authorization=account).status == 401
    assert ask("GET", SYSTEM, x_auth_token="made up").status == 401


def test_every_link_leads_somewhere(ask: Asking) -> None:
    seen: set[str] = set()

    def follow(found: Any) -> None:
        if isinstance(found, list):
            for one in found:
                follow(one)
        elif isinstance(found, dict):
            for name, value in found.items():
                if name in ("@odata.id", "@Redfish.ActionInfo") and value not in seen:
                    seen.add(value)
                    reply = ask("GET", value)
                    assert reply.status == 200, value
                    assert reply.body["@odata.id"] == value
                    follow(reply.body)
                else:
                    follow(value)

    ask("POST", SESSIONS, {"UserName": "root", "Password": "calvin"})
    follow(ask("GET", "/redfish/v1/").body)
    assert {SYSTEM, f"{SESSIONS}/1", "/redfish/v1/Systems/1/ResetActionInfo", "/redfish/v1/Managers/1"} <= seen


def test_sessions_come_and_go(ask: Asking) -> None:
    opened = ask("POST", SESSIONS, {"UserName": "root", "Password": "calvin"}, authorization="")
    token = opened.headers["X-Auth-Token"]
    assert opened.status == 201
    assert ask("GET", SYSTEM, authorization="", x_auth_token=token).status == 200
    assert ask("DELETE", opened.headers["Location"], authorization="", x_auth_token=token).status == 204
    assert ask("GET", SYSTEM, authorization="", x_auth_token=token).status == 401
    assert ask("DELETE", opened.headers["Location"]).status == 404
    assert ask("POST", SESSIONS, {"UserName": "root", "Password": "wrong"}, authorization="").status == 401
    assert ask("POST", SESSIONS, authorization="").status == 400
    assert (ask.tree.logins, ask.tree.refused) == (2, 1)


def test_sessions_are_bounded_and_time_out(ask: Asking) -> None:
    def log_in() -> Reply:
        return ask("POST", SESSIONS, {"UserName": "root", "Password": "calvin"})

    tokens = [log_in().headers["X-Auth-Token"] for _ in range(16)]
    ask.now = 500.0
    assert ask("GET", SYSTEM, x_auth_token=tokens[0]).status == 200
    assert log_in().status == 503
    ask.now = 700.0
    assert ask("GET", SYSTEM, x_auth_token=tokens[1]).status == 401
    assert ask("GET", SYSTEM, x_auth_token=tokens[0]).status == 200
    assert log_in().status == 201
    assert log_in().status == 201
    assert len(ask.tree.sessions) == 16


def test_power(ask: Asking) -> None:
    for kind, state in (
        ("On", "On"),
        ("ForceRestart", "On"),
        ("PowerCycle", "On"),
        ("Nmi", "On"),
        ("GracefulShutdown", "Off"),
        ("ForceOff", "Off"),
    ):
        assert ask("POST", RESET, {"ResetType": kind}).status == 204
        assert ask("GET", SYSTEM).body["PowerState"] == state
    assert ask.machine.log == ["on", "reset", "cycle", "diag", "soft", "off"]
    assert ask("POST", RESET, {"ResetType": "PowerCycle"}).status == 409
    for body in ({"ResetType": "Explode"}, {}, {"ResetType": ["On"]}, ["On"]):
        assert ask("POST", RESET, body).status == 400
    assert len(ask.machine.log) == 6


def test_boot_orders(ask: Asking) -> None:
    def boot(**asked: Any) -> tuple[Any, ...]:
        reply = ask("PATCH", SYSTEM, {"Boot": {f"BootSourceOverride{name}": value for name, value in asked.items()}})
        assert reply.status == 200, reply
        found = ask("GET", SYSTEM).body["Boot"]
        return tuple(found[f"BootSourceOverride{name}"] for name in ("Enabled", "Target", "Mode"))

    assert boot(Enabled="Once", Target="Pxe", Mode="UEFI") == ("Once", "Pxe", "UEFI")
    assert boot(Enabled="Continuous", Target="UefiHttp") == ("Continuous", "UefiHttp", "UEFI")
    assert boot(Target="Hdd", Mode="Legacy") == ("Continuous", "Hdd", "Legacy")
    ask.machine.device = "none"  # used up by a boot
    assert ask("GET", SYSTEM).body["Boot"]["BootSourceOverrideEnabled"] == "Disabled"
    assert boot(Enabled="Once", Target="BiosSetup") == ("Once", "BiosSetup", "Legacy")
    assert boot(Enabled="Disabled") == ("Disabled", "None", "Legacy")
    assert ask.machine.log == [
        ("network", False, True),
        ("network", True, True),
        ("disk", True, False),
        ("setup", False, False),
        ("none", False, False),
    ]


def test_nothing_is_changed_unless_all_of_it_can_be(ask: Asking) -> None:
    good = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}
    for body in (
        {"Boot": good | {"BootSourceOverrideTarget": "Floppy"}},
        {"Boot": good | {"Other": 1}},
        {"Boot": good, "Name": "x"},
        {"Boot": []},
        {"Boot": good | {"BootSourceOverrideMode": ["UEFI"]}},
        {"LocationIndicatorActive": "yes", "Boot": good},
        {},
        ["Boot"],
    ):
        assert ask("PATCH", SYSTEM, body).status == 400
    assert ask("PATCH", SYSTEM, {"Boot": good}, if_match='"old"').status == 412
    assert ask.machine.log == []
    tag = ask("GET", SYSTEM).headers["ETag"]
    assert ask("PATCH", SYSTEM, {"Boot": good, "LocationIndicatorActive": True}, if_match=tag).status == 200
    assert ask.machine.log == [("network", False, False), ("identify", -1)]
    assert ask("PATCH", SYSTEM, {"Boot": good}, if_match=tag).status == 412


def test_what_is_not_there_and_not_allowed(ask: Asking) -> None:
    assert ask("GET", "/redfish/v1/Systems/2").status == 404
    assert ask("GET", RESET).status == 405
    assert ask("PUT", SYSTEM, {}).headers["Allow"] == "GET, HEAD, PATCH"
    assert ask("PATCH", "/redfish/v1/Managers/1", {"Name": "x"}).status == 405
    assert ask("GET", f"{SYSTEM}?$expand=*").status == 501
    assert ask("GET", f"{SYSTEM}?other=1").status == 200
    for reply in (ask("GET", "/redfish/v1/x" * 50), ask("PATCH", SYSTEM, {"x" * 99: 1})):
        assert reply.body["error"]["@Message.ExtendedInfo"][0]["MessageId"].startswith("Base.1.8.")
        assert len(json.dumps(reply.body)) < 700


def test_moods(ask: Asking) -> None:
    ask.tree.lying = True
    assert ask("POST", RESET, {"ResetType": "On"}).status == 204
    assert ask("PATCH", SYSTEM, {"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe"}}).status == 200
    assert ask("GET", SYSTEM).body["PowerState"] == "Off"
    assert ask("GET", SYSTEM).body["Boot"]["BootSourceOverrideEnabled"] == "Disabled"
    assert ask.machine.log == []
    ask.tree.locked = True
    assert ask("GET", SYSTEM).status == 401
    assert ask("GET", "/redfish/v1/", authorization="").status == 200


# The server


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[RedfishFarm]:
    with RedfishFarm(certificate(tmp_path)) as made:
        yield made
        assert (made.broken, made.counters.failed) == (0, 0)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def bmc(farm: RedfishFarm, machine: Machine) -> RedfishBmc:
    return farm.add("127.0.0.1", 0, machine, about=ABOUT)


def exchange(bmc: RedfishBmc, octets: bytes) -> bytes:
    """All that it says until it closes the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    out = b""
    with socket.create_connection((bmc.host, bmc.port), timeout=60) as plain, context.wrap_socket(plain) as sock:
        try:
            sock.sendall(octets)
            while data := sock.recv(65536):
                out += data
        except (ssl.SSLError, ConnectionError):
            pass  # cut off
    return out


GOOD = b"GET /redfish/v1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / FTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY + 1),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD * 2 + b"\r\n\r\n",
        b"\xff\xfe / HTTP/1.1\r\n\r\n",
    ],
)
def test_garbage_is_counted_and_cut_off(farm: RedfishFarm, bmc: RedfishBmc, octets: bytes) -> None:
    assert exchange(bmc, octets) == b""
    assert farm.counters.malformed == 1
    assert exchange(bmc, GOOD).startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_is_no_tls_is_cut_off(bmc: RedfishBmc) -> None:
    with socket.create_connection((bmc.host, bmc.port), timeout=60) as plain:
        plain.sendall(GOOD)
        while plain.recv(4096):
            pass
    assert exchange(bmc, GOOD).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_machine_that_fails_is_an_answer(tmp_path: Path, machine: Machine) -> None:
    with RedfishFarm(certificate(tmp_path)) as farm:
        bmc = farm.add("127.0.0.1", 0, machine)
        machine.power_state = lambda: 1 // 0  # type: ignore[assignment, method-assign]
        account = base64.b64encode(b"root:calvin")
        assert exchange(
            bmc, b"GET %s HTTP/1.1\r\nAuthorization: Basic %s\r\nConnection: close\r\n\r\n" % (SYSTEM.encode(), account)
        ).startswith(b"HTTP/1.1 500 ")
        assert farm.broken == 1


def test_a_crowd_waits_its_turn(bmc: RedfishBmc) -> None:
    """More connections than it takes at a time, all idle: the next one is served as soon as one is gone."""
    idle = [socket.create_connection((bmc.host, bmc.port), timeout=60) for _ in range(20)]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(exchange, bmc, GOOD)
        for one in idle:
            one.close()
        assert answer.result(60).startswith(b"HTTP/1.1 200 OK\r\n")


def test_one_that_is_removed_is_gone(farm: RedfishFarm, bmc: RedfishBmc) -> None:
    farm.remove(bmc)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((bmc.host, bmc.port), timeout=60)


# Independent clients

_SUSHY = """
import sys
import sushy, urllib3
urllib3.disable_warnings()  # its certificate is its own
url, user, password = sys.argv[1:]
for auth in (sushy.auth.SessionAuth(user, password), sushy.auth.BasicAuth(user, password)):
    root = sushy.Sushy(url, auth=auth, verify=False)
    (system,) = root.get_system_collection().get_members()
    def shows():
        system.invalidate()
        system.refresh()
        return system.power_state.value, system.boot.target.value, system.boot.enabled.value, system.boot.mode.value
    system.set_system_boot_options(
        target=sushy.BOOT_SOURCE_TARGET_PXE, enabled=sushy.BOOT_SOURCE_ENABLED_ONCE, mode=sushy.BOOT_SOURCE_MODE_UEFI)
    system.reset_system(sushy.RESET_TYPE_ON)
    print(*shows())
    system.set_system_boot_options(
        target=sushy.BOOT_SOURCE_TARGET_HDD, enabled=sushy.BOOT_SOURCE_ENABLED_CONTINUOUS, mode=sushy.BOOT_SOURCE_MODE_BIOS)
    system.reset_system(sushy.RESET_TYPE_GRACEFUL_SHUTDOWN)
    print(*shows())
    print(system.uuid, system.manufacturer, system.serial_number, system.managers[0].manager_type.value, system.chassis[0].chassis_type.value)
    try:
        system.reset_system(sushy.RESET_TYPE_FORCE_RESTART)
    except sushy.exceptions.HTTPError as error:
        print(error.status_code)
"""


@pytest.mark.client
def test_sushy(bmc: RedfishBmc, machine: Machine) -> None:
    """The client library of OpenStack's bare metal service, with a session and with the account in each request."""
    pytest.importorskip("sushy", reason="sushy is not installed (pip install sushy)")
    done = subprocess.run(
        [sys.executable, "-c", _SUSHY, f"https://{bmc.host}:{bmc.port}", "root", "calvin"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    each = ["On Pxe Once UEFI", "Off Hdd Continuous Legacy", f"{ABOUT.guid} QEMU S1 BMC RackMount", "409"]
    assert done.stdout.splitlines() == each * 2, done.stderr[-2000:]
    assert machine.log == [("network", False, True), "on", ("disk", True, False), "soft"] * 2


@pytest.mark.client
@pytest.mark.parametrize(("mood", "words"), [(LIES, "Off None Disabled Legacy"), (LOCKED, "")])
def test_sushy_is_deceived(bmc: RedfishBmc, machine: Machine, mood: Any, words: str) -> None:
    pytest.importorskip("sushy", reason="sushy is not installed (pip install sushy)")
    bmc.mood = mood
    done = subprocess.run(
        [sys.executable, "-c", _SUSHY, f"https://{bmc.host}:{bmc.port}", "root", "calvin"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split("\n")[0] == words
    assert machine.log == []


@pytest.mark.client
def test_service_validator(bmc: RedfishBmc, tmp_path: Path) -> None:
    """DMTF's own judge, for which its schemas must be had: they are in no package, and it would fetch them from the network."""
    program = shutil.which("rf_service_validator", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    schemas = os.environ.get("CROWBAR_REDFISH_SCHEMAS", "")
    if program is None:
        pytest.skip("rf_service_validator is not installed (pip install redfish_service_validator)")
    if not schemas:
        pytest.skip("CROWBAR_REDFISH_SCHEMAS is not set: the folder with the *_v1.xml of DMTF's DSP8010")
    where = f"https://{bmc.host}:{bmc.port}"
    words = [
        "--rhost",
        where,
        "--user",
        "root",
        "--password",
        "calvin",
        "--schema_directory",
        schemas,
        "--skipschema",
        "--logdir",
        str(tmp_path),
    ]
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
    assert done.stdout.count("Warn: 0, Fail: 0") == done.stdout.count("  - Pass: ") == 11


def test_the_documentation_has_each_oddity() -> None:
    text = (Path(__file__).parents[2] / "docs" / "scenario-keys.md").read_text()
    for name, oddity in ODDITIES.items():
        assert f"| `{name}` | {oddity.does} | {oddity.seen} |" in text
        assert mood(name).odd == name
    with pytest.raises(WrongOrder):
        mood("future:1")
