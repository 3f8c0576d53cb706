"""The Redfish adapter against simulated BMCs, and against services that are odd in the ways that real ones are."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redfish_rig import EAGER, IMPATIENT, QUICK, USUAL, Raw, Service, redfish, system

from engine.power import Pace, PowerDone, PowerFailed, PowerState, Sensor, SensorsRead
from engine.power.certificates import Certificates
from engine.power.gate import Gates
from engine.power.redfish import RedfishPower, RedfishTarget, speaks_redfish
from engine.power.redfish_session import LARGEST
from engine.rehearsal.bmc import DEAD, LOCKED, OBEDIENT, slow
from engine.rehearsal.redfish import RedfishFarm, certificate

SYSTEM, RESET = "/redfish/v1/Systems/1", "POST /redfish/v1/Systems/1/Actions/Reset"
OFF = PowerDone(state=PowerState.OFF, boot_device="none")


def failed(result: object, kind: str, *words: str) -> PowerFailed:
    assert isinstance(result, PowerFailed), result
    assert result.kind == kind, result
    assert all(word in result.message for word in words), result
    assert "calvin" not in result.message
    return result


def test_passwords_do_not_show() -> None:
    target = RedfishTarget(address="10.0.0.1", user="root", password="calvin")
    assert not any("calvin" in text for text in (repr(target), str(target), f"{target}", repr([target])))


@pytest.mark.parametrize(
    ("change", "kind"), [({"address": "bmc.example.net"}, "unreachable"), ({"port": 0}, "unreachable"), ({"user": "a:b"}, "unsupported")]
)
def test_what_cannot_be_said_is_refused_before_any_connection(change: dict[str, Any], kind: str) -> None:
    assert failed(redfish(**{"port": 443} | change).read(), kind)


# Logins


def test_logging_in_again_and_again_leaves_nothing(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)
    power = redfish(bmc.port)
    for n in range(20):
        wanted = PowerState.ON if n % 2 else PowerState.OFF
        assert power.set(wanted.value) == PowerDone(state=wanted)
        assert not bmc.tree.sessions
    assert (redfish_farm.counters.logins, redfish_farm.counters.malformed) == (20, 0)


def test_fifty_bmcs_from_sixteen_threads(redfish_farm: RedfishFarm, machines: Any) -> None:
    every = [machines() for _ in range(50)]
    gates, certificates = Gates(), Certificates()
    powers = [
        RedfishPower(
            RedfishTarget(address="127.0.0.1", port=redfish_farm.add("127.0.0.1", 0, m).port, user="root", password="calvin"),
            gates=gates, certificates=certificates, pace=QUICK,
        )
        for m in every
    ]  # fmt: skip
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda power: power.boot("network", persistent=False, uefi=True), powers))
    assert results == [PowerDone(state=PowerState.ON, boot_device="network", uefi=True)] * 50
    assert all(m.log == [("network", False, True), "on"] for m in every)


def test_calls_to_one_bmc_are_serial(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)
    crowd = []
    machine.power_state = lambda: crowd.append(len(bmc.tree.sessions)) or machine.on
    power = redfish(bmc.port)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: power.read(), range(24)))
    assert results == [OFF] * 24
    assert max(crowd) == 1


def test_a_wrong_password_is_not_tried_again_at_once(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=LOCKED)
    power = redfish(bmc.port)
    first = failed(power.read(), "authentication", "login refused")
    assert first.retry_in_s == 60.0
    asked = redfish_farm.counters.packets
    again = failed(power.read(), "authentication", "lest the account is locked")
    assert 50 < again.retry_in_s <= 60
    assert redfish_farm.counters.packets == asked
    bmc.mood = OBEDIENT
    assert redfish(bmc.port).read() == OFF


def test_a_service_without_sessions_gets_the_account_with_each_request(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        assert redfish(service.port).read() == OFF
        asked = [(line, headers.get("authorization")) for line, headers, _ in service.seen]
    assert asked[0] == ("GET /redfish/v1/", None)
    assert {account for _, account in asked[1:]} == {"Basic cm9vdDpjYWx2aW4="}
    assert service.connections == 1


SESSIONS = {
    "GET /redfish/v1/": {
        "RedfishVersion": "1.6.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}, "Links": {"Sessions": {"@odata.id": "/redfish/v1/S"}},
    },
    "POST /redfish/v1/S": (201, {"X-Auth-Token": "t0k", "Location": "https://bmc.example.net/redfish/v1/S/7"}, {}),
    "DELETE /redfish/v1/S/7": {},
}  # fmt: skip


def test_a_session_is_ended_wherever_its_location_points(tmp_path: Path) -> None:
    with Service(tmp_path, SESSIONS) as service:
        assert redfish(service.port).read() == OFF
    assert service.seen[1][2] == {"UserName": "root", "Password": "calvin"}
    assert {headers.get("x-auth-token") for _, headers, _ in service.seen[2:]} == {"t0k"}
    assert service.seen[-1][0] == "DELETE /redfish/v1/S/7"
    assert not any("authorization" in headers for _, headers, _ in service.seen)


@pytest.mark.parametrize("location", ["https://[broken", "nowhere", ""])
def test_a_session_that_nobody_can_find_ends_by_itself(tmp_path: Path, location: str) -> None:
    with Service(tmp_path, SESSIONS | {"POST /redfish/v1/S": (201, {"X-Auth-Token": "t0k", "Location": location}, {})}) as service:
        assert redfish(service.port).read() == OFF
    assert not any(line.startswith("DELETE") for line, _, _ in service.seen)


def test_sessions_that_are_not_really_there(tmp_path: Path) -> None:
    with Service(tmp_path, SESSIONS | {"POST /redfish/v1/S": (405, {}, {})}) as service:
        assert redfish(service.port).read() == OFF
    assert "authorization" in service.seen[-1][1]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((401, {}, {}), "authentication", "login refused"),
        ((400, {}, {"error": {"@Message.ExtendedInfo": [{"MessageId": "iLO.2.14.UnauthorizedLoginAttempt"}]}}), "authentication", "Unauth"),
        ((403, {}, {}), "refused", "HTTP 403"),
        ((500, {}, {}), "refused", "HTTP 500"),
        ((201, {}, {}), "unsupported", "no token"),
        ((201, {"X-Auth-Token": "a b"}, {}), "unsupported", "no token"),
        ((307, {"Location": "https://elsewhere.example/redfish/v1/S"}, {}), "refused", "redirect"),
    ],
)
def test_a_login_that_is_no_good(tmp_path: Path, answer: Any, kind: str, words: str) -> None:
    with Service(tmp_path, SESSIONS | {"POST /redfish/v1/S": answer}) as service:
        failed(redfish(service.port).read(), kind, words)


# What answers, and how


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((401, {}, {}), "refused", "HTTP 401"),
        ((403, {}, {}), "refused", "HTTP 403"),
        ((404, {}, {}), "unsupported", "HTTP 404"),
        ((301, {"Location": "https://elsewhere.example/redfish/v1/Systems/1"}, {}), "refused", "redirect"),
        ((500, {}, {}), "refused", "HTTP 500"),
        ((503, {"Retry-After": "3600"}, {}), "refused", "3600 s"),
        ({"PowerState": "Unknown"}, "refused", "does not say"),
        ({}, "refused", "does not say"),
        ((200, {}, ["a list"]), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot {json"), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 200_000), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (LARGEST + 1)), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), "unsupported", "not HTTP with JSON"),
        (Raw(b"SSH-2.0-dropbear\r\n"), "unsupported", "not HTTP with JSON"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"), "timeout", "broke off"),
        (Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}"), "timeout", "broke off"),
        (Raw(b""), "timeout", "broke off"),
    ],
    ids=lambda value: str(value)[:24] if not isinstance(value, str) else "",
)
def test_each_answer_has_its_reason(tmp_path: Path, answer: Any, kind: str, words: str) -> None:
    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        failed(redfish(service.port).read(), kind, words)


def test_an_answer_in_pieces(tmp_path: Path) -> None:
    answer = Raw(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"PowerS\r\nC\r\ntate": "On"}\r\n0\r\n\r\n')
    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.ON)


def test_an_answer_that_never_ends_is_given_up_in_time(tmp_path: Path) -> None:
    """An octet now and then is no reason to wait for ever."""
    over = threading.Event()

    def drip(_: Service) -> Any:
        over.wait(0.1)
        return Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")

    class Slowly(Service):
        def _turn(self, sock: Any, lines: Any) -> bool:
            going_on = super()._turn(sock, lines)
            while not going_on and not over.is_set():
                sock.sendall(b" ")
                over.wait(0.05)
            return going_on

    with Slowly(tmp_path, {f"GET {SYSTEM}": drip}) as service:
        begun = time.monotonic()
        failed(redfish(service.port, IMPATIENT).read(), "timeout", "no answer in time")
        assert time.monotonic() - begun < 8
        over.set()


def test_its_words_are_told_but_not_all_of_them(tmp_path: Path) -> None:
    said = {"error": {"@Message.ExtendedInfo": [{"Message": "calvin\x1b[31m may not" + "!" * 500}]}}
    with Service(tmp_path, {RESET: (400, {}, said)}) as service:
        result = failed(redfish(service.port).set("on"), "refused", "it would not (HTTP 400): ***", "may not")
    assert "\x1b" not in result.message
    assert len(result.message) < 250


@pytest.mark.parametrize("path", ["https://elsewhere.example/x", "//elsewhere.example/x", "/a b", "/a\r\nHost: x", "x", 7, None, "/" + "x" * 999])
def test_a_resource_elsewhere_is_not_asked_for(tmp_path: Path, path: Any) -> None:
    with Service(tmp_path, {"GET /redfish/v1/Systems": {"Members": [{"@odata.id": path}]}}) as service:
        failed(redfish(service.port).read(), "unsupported", "no path")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    failed(redfish(port).read(), "unreachable", f"port {port}", "refused")


def test_silence(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=DEAD)
    begun = time.monotonic()
    failed(redfish(bmc.port, IMPATIENT).read(), "unreachable", "no answer in time")
    assert time.monotonic() - begun < 8
    bmc.mood = OBEDIENT
    assert redfish(bmc.port).read() == OFF


def test_falls_silent_in_a_call(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)

    def dies() -> bool:
        bmc.mood = DEAD
        return False

    machine.power_state = dies
    failed(redfish(bmc.port, IMPATIENT).set("on"), "timeout")


def test_something_else_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]

        def plain_http() -> None:
            for _ in range(2):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(4096)
                    sock.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=plain_http)
        thread.start()
        failed(redfish(port).read(), "unsupported", "TLS")
        assert not speaks_redfish("127.0.0.1", port, 5.0)
        thread.join()


def test_a_slow_one_is_waited_for(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=slow(0.05))
    assert redfish(bmc.port).boot("disk", persistent=False, uefi=None) == PowerDone(state=PowerState.ON, boot_device="disk")


def test_one_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    busy = [1, 1]

    def answer(_: Service) -> Any:
        return (503, {"Retry-After": "0"}, {}) if busy and busy.pop() else system()

    with Service(tmp_path, {f"GET {SYSTEM}": answer}) as service:
        assert redfish(service.port).read() == OFF
        assert len(service.asked(f"GET {SYSTEM}")) == 3


def test_a_connection_that_was_closed_meanwhile(tmp_path: Path) -> None:
    """Without a word: what was asked on it is asked again, on a new one."""
    dropped: list[int] = []

    def drops_once(_: Service) -> Any:
        if not dropped:
            dropped.append(1)
            return Raw(b"")
        return system()

    with Service(tmp_path, {f"GET {SYSTEM}": drops_once}) as service:
        assert redfish(service.port).read() == OFF
        assert service.connections == 2


def test_every_answer_may_end_its_connection(tmp_path: Path) -> None:
    closing = {"Connection": "close"}
    replies = {line: (200, closing, body) for line, body in USUAL.items()}
    with Service(tmp_path, replies) as service:
        assert redfish(service.port).read() == OFF
        assert service.connections == len(service.seen)


_NAMES = """
    @odata.id PowerState Boot Actions #ComputerSystem.Reset target @Redfish.ActionInfo Parameters Links Chassis BootSourceOverrideEnabled
    BootSourceOverrideTarget BootSourceOverrideMode Thermal Power Sensors Temperatures Fans Members Reading ReadingCelsius Status Health State
    Name AllowableValues UUID error ResetType@Redfish.AllowableValues BootSourceOverrideTarget@Redfish.AllowableValues LocationIndicatorActive
""".split()
_LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | st.sampled_from(["/redfish/v1/X", "On", "Off"])
_JSON = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=6), max_leaves=12
)


def test_nonsense_is_no_defect_of_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever JSON a service sends, it is a result or a reason, and nothing is logged as a mistake."""
    said: dict[str, Any] = {}
    pace = Pace(web_s=0.5, soft_s=0.5, sensors_s=0.5, greet_s=0.5, rest_s=0.0, poll_s=0.05)

    def some(name: str) -> Any:
        return lambda _: (200, {}, said[name])

    replies = {f"GET {SYSTEM}": some("system"), "GET /redfish/v1/X": some("other"), "PATCH /redfish/v1/X": {}, "POST /redfish/v1/X": some("other")}
    with Service(tmp_path, replies | {"GET /redfish/v1/Systems": some("systems")}) as service:

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
        @given(_JSON, _JSON, st.just({"Members": [{"@odata.id": SYSTEM}]}) | _JSON, st.sampled_from(["read", "on", "boot", "sensors", "identify"]))
        def nonsense(system: Any, other: Any, systems: Any, call: str) -> None:
            said.update(system=system, other=other, systems=systems)
            power = redfish(service.port, pace)
            calls: dict[str, Callable[[], object]] = {
                "read": power.read, "on": lambda: power.set("on"), "sensors": power.sensors, "identify": lambda: power.identify(1),
                "boot": lambda: power.boot("network", persistent=False, uefi=True),
            }  # fmt: skip
            assert isinstance(calls[call](), PowerDone | PowerFailed | SensorsRead)

        nonsense()
    assert not caplog.records


# Certificates


def test_another_certificate_gets_no_password(tmp_path: Path) -> None:
    (one := tmp_path / "one").mkdir()
    (two := tmp_path / "two").mkdir()
    file = tmp_path / "known"
    with Service(one) as first:
        assert redfish(first.port, certificates=Certificates(file)).read() == OFF
        assert redfish(first.port, certificates=Certificates(file)).read() == OFF
    line = file.read_text()
    assert line.count("\n") == 1
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    with Service(two) as second:
        file.write_text(line.replace(str(first.port), str(second.port)))
        failed(redfish(second.port, certificates=Certificates(file)).read(), "refused", "another certificate", f"127.0.0.1:{second.port}", str(file))
        assert not second.seen
        file.write_text("")
        assert redfish(second.port, certificates=Certificates(file)).read() == OFF


def test_a_certificate_that_cannot_be_kept_ends_it(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        failed(redfish(service.port, certificates=Certificates(tmp_path)).read(), "refused", "cannot be kept")
        assert not service.seen


def test_a_certificate_is_made_once(tmp_path: Path) -> None:
    first = certificate(tmp_path).read_bytes()
    assert certificate(tmp_path).read_bytes() == first
    assert oct(certificate(tmp_path).stat().st_mode & 0o777) == "0o600"


# What services take


class Obeys:
    """Replies of a service whose system does what it is told."""

    def __init__(self, **more: Any) -> None:
        self.now = system(**more)
        self.refuses: Callable[[dict[str, Any]], Any] = lambda _: None

    def replies(self) -> dict[str, Any]:
        return {f"GET {SYSTEM}": lambda _: self.now, f"PATCH {SYSTEM}": self.patch, RESET: self.reset}

    def patch(self, service: Service) -> Any:
        body = service.seen[-1][2]
        refused = self.refuses(body)
        if refused is None:
            self.now["Boot"] = self.now["Boot"] | body.get("Boot", {})
        return refused or {}

    def reset(self, service: Service) -> Any:
        self.now["PowerState"] = {"On": "On", "ForceOn": "On"}.get(service.seen[-1][2]["ResetType"], "Off")
        return {}


def orders(service: Service) -> list[Any]:
    return [body for line, _, body in service.seen if line.startswith(("PATCH", "POST"))]


def test_reset_types_as_the_service_offers_them(tmp_path: Path) -> None:
    about = {"target": f"{SYSTEM}/Actions/Reset", "ResetType@Redfish.AllowableValues": ["ForceOn", "ForceOff"]}
    obeys = Obeys(Actions={"#ComputerSystem.Reset": about})
    with Service(tmp_path, obeys.replies()) as service:
        assert redfish(service.port).set("cycle") == PowerDone(state=PowerState.ON)
        assert redfish(service.port).set("cycle") == PowerDone(state=PowerState.ON)
        assert orders(service) == [{"ResetType": "ForceOn"}, {"ResetType": "ForceOff"}, {"ResetType": "ForceOn"}]
        failed(redfish(service.port).set("soft"), "unsupported", "cannot be switched soft", "ForceOff, ForceOn")


def test_reset_types_by_action_info(tmp_path: Path) -> None:
    info = {"Parameters": [{"Name": "Other"}, {"Name": "ResetType", "AllowableValues": ["On", "PowerCycle"]}]}
    about = {"target": f"{SYSTEM}/Actions/Reset", "@Redfish.ActionInfo": "/redfish/v1/Info"}
    obeys = Obeys(Actions={"#ComputerSystem.Reset": about})
    with Service(tmp_path, obeys.replies() | {"GET /redfish/v1/Info": info}) as service:
        assert redfish(service.port).set("on") == PowerDone(state=PowerState.ON)
        failed(redfish(service.port).set("off"), "unsupported", "cannot be switched off", "On, PowerCycle")


def test_what_it_is_already_is_not_ordered(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        assert redfish(service.port).set("off") == PowerDone(state=PowerState.OFF)
        assert redfish(service.port).set("soft") == PowerDone(state=PowerState.OFF)
        assert orders(service) == []


def test_on_the_way_is_not_there(tmp_path: Path) -> None:
    said = iter(["Off", "PoweringOn", "PoweringOn", "On"])
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState=next(said, "On"))}) as service:
        assert redfish(service.port).set("on") == PowerDone(state=PowerState.ON)
    with Service(tmp_path, {f"GET {SYSTEM}": lambda _: system(PowerState="PoweringOff")}) as service:
        failed(redfish(service.port, IMPATIENT).set("off"), "not_obeyed", "still on")


def test_accepted_and_not_applied(tmp_path: Path) -> None:
    """200, and the override reads back as before."""
    with Service(tmp_path) as service:
        result = redfish(service.port, IMPATIENT).boot("network", persistent=False, uefi=True)
        failed(result, "not_obeyed", "set to network, it said yes and reads back none")
        assert RESET not in [line for line, _, _ in service.seen]
    with Service(tmp_path, {f"GET {SYSTEM}": {"PowerState": "Off"}}) as service:
        failed(redfish(service.port, IMPATIENT).set_boot("disk", persistent=False, uefi=None), "not_obeyed", "reads back nothing")


@pytest.mark.parametrize(
    ("shown", "uefi", "sent"),
    [(None, True, None), ("UEFI", True, None), ("UEFI", None, None), ("Legacy", True, "UEFI"), ("UEFI", False, "Legacy")],
)
def test_the_mode_is_sent_where_it_differs(tmp_path: Path, shown: str | None, uefi: bool | None, sent: str | None) -> None:
    obeys = Obeys(Boot={"BootSourceOverrideEnabled": "Disabled"} | ({"BootSourceOverrideMode": shown} if shown else {}))
    with Service(tmp_path, obeys.replies()) as service:
        done = redfish(service.port).set_boot("network", persistent=True, uefi=uefi)
        assert done == PowerDone(
            state=PowerState.OFF, boot_device="network", persistent=True, uefi=(sent or shown) == "UEFI"
        )
        mode = {"BootSourceOverrideMode": sent} if sent else {}
        assert orders(service) == [{"Boot": {"BootSourceOverrideEnabled": "Continuous", "BootSourceOverrideTarget": "Pxe"} | mode}]


def test_a_mode_that_is_refused_is_left_out(tmp_path: Path) -> None:
    obeys = Obeys(Boot={"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideMode": "UEFI"})
    obeys.refuses = lambda body: (400, {}, {}) if "BootSourceOverrideMode" in body["Boot"] else None
    with Service(tmp_path, obeys.replies()) as service:
        done = redfish(service.port).set_boot("disk", persistent=False, uefi=False)
        assert done == PowerDone(state=PowerState.OFF, boot_device="disk", uefi=True)
        assert orders(service)[-1] == {"Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Hdd"}}


def test_network_is_http_where_there_is_no_pxe(tmp_path: Path) -> None:
    allowed = {"BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "UefiHttp", "Cd"]}
    obeys = Obeys(Boot={"BootSourceOverrideEnabled": "Disabled", **allowed})
    with Service(tmp_path, obeys.replies()) as service:
        assert redfish(service.port).set_boot("network", persistent=False, uefi=None) == PowerDone(state=PowerState.OFF, boot_device="network")
        assert orders(service)[-1]["Boot"]["BootSourceOverrideTarget"] == "UefiHttp"
        failed(redfish(service.port).set_boot("disk", persistent=False, uefi=None), "unsupported", "boot from disk", "Cd, None, UefiHttp")


def test_an_order_of_somebody_else_is_seen(tmp_path: Path) -> None:
    boot = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "BiosSetup"}
    with Service(tmp_path, {f"GET {SYSTEM}": system(Boot=boot)}) as service:
        assert redfish(service.port).read() == PowerDone(state=PowerState.OFF, boot_device="other")


def test_etags(tmp_path: Path) -> None:
    """What was seen is what is changed; one that is out of date is asked for again, once."""
    obeys = Obeys()
    tags = iter(['W/"1"', 'W/"2"', 'W/"3"'])
    replies = obeys.replies() | {f"GET {SYSTEM}": lambda _: (200, {"ETag": next(tags, '"4"')}, obeys.now)}

    def patch(service: Service) -> Any:
        return obeys.patch(service) if service.seen[-1][1].get("if-match") == '"2"' else (412, {}, {})

    with Service(tmp_path, replies | {f"PATCH {SYSTEM}": patch}) as service:
        done = redfish(service.port).set_boot("disk", persistent=False, uefi=None)
        assert done == PowerDone(state=PowerState.OFF, boot_device="disk")
        assert [headers.get("if-match") for headers, _ in service.asked(f"PATCH {SYSTEM}")] == ['W/"1"', '"2"']
    with Service(tmp_path, replies | {f"PATCH {SYSTEM}": (412, {}, {})}) as service:
        failed(redfish(service.port).set_boot("disk", persistent=False, uefi=None), "refused", "HTTP 412")


def test_several_systems(tmp_path: Path) -> None:
    several = {
        "GET /redfish/v1/Systems": {"Members": [{"@odata.id": f"/redfish/v1/Systems/{n}"} for n in (1, 2, 3)]},
        "GET /redfish/v1/Systems/1": system(UUID="AAAA-1", SerialNumber="S1"),
        "GET /redfish/v1/Systems/2": system(UUID="AAAA-2", SerialNumber="S2", PowerState="On"),
        "GET /redfish/v1/Systems/3": system(UUID=None, SerialNumber="S3", Boot={}),
    }
    with Service(tmp_path, several) as service:
        on = PowerDone(state=PowerState.ON, boot_device="none")
        assert redfish(service.port, uuid="aaaa-2", serial="S1").read() == on
        assert redfish(service.port, uuid="bbbb", serial="S3").read() == PowerDone(state=PowerState.OFF)
        failed(redfish(service.port, uuid="bbbb", serial="S9").read(), "unsupported", "3 systems", "UUID or serial")
        failed(redfish(service.port).read(), "unsupported", "3 systems")
    with Service(tmp_path, {"GET /redfish/v1/Systems": {"Members": []}}) as service:
        failed(redfish(service.port).read(), "unsupported", "no system")


@pytest.mark.parametrize("has", [{"LocationIndicatorActive": False}, {"IndicatorLED": "Off"}, {}])
def test_the_light(tmp_path: Path, has: dict[str, Any]) -> None:
    with Service(tmp_path, {f"GET {SYSTEM}": system(**has)}) as service:
        result = redfish(service.port).identify(30)
        if not has:
            failed(result, "unsupported", "no light")
            return
        assert result == PowerDone(state=PowerState.OFF)
        assert isinstance(redfish(service.port).identify(0), PowerDone)
        name = next(iter(has))
        lit, out = (True, False) if name == "LocationIndicatorActive" else ("Blinking", "Off")
        assert orders(service) == [{name: lit}, {name: out}]


def test_sensors(tmp_path: Path) -> None:
    links = {"Chassis": [{"@odata.id": "/redfish/v1/C/1"}, {"@odata.id": "/redfish/v1/C/2"}]}
    fine, hot, absent = {"State": "Enabled", "Health": "OK"}, {"State": "Enabled", "Health": "Critical"}, {"State": "Absent"}
    replies = {
        f"GET {SYSTEM}": system(Links=links),
        "GET /redfish/v1/C/1": {"Thermal": {"@odata.id": "/redfish/v1/T"}, "Power": {"@odata.id": "/redfish/v1/gone"}},
        "GET /redfish/v1/T": {
            "Temperatures": [{"Name": "CPU1", "ReadingCelsius": 91, "Status": hot}, {"Name": "CPU2", "ReadingCelsius": None, "Status": absent}],
            "Fans": [{"FanName": "Fan 1", "Reading": 4200, "ReadingUnits": "RPM", "Status": fine}, "nonsense"],
        },
        "GET /redfish/v1/C/2": {"Sensors": {"@odata.id": "/redfish/v1/N"}, "Thermal": {"@odata.id": "/redfish/v1/T"}},
        "GET /redfish/v1/N": {"Members": [{"@odata.id": "/redfish/v1/N/1"}]},
        "GET /redfish/v1/N/1": {"Name": "Inlet", "ReadingType": "Temperature", "Reading": 21.5, "ReadingUnits": "Cel", "Status": fine},
    }
    with Service(tmp_path, replies) as service:
        assert redfish(service.port).sensors() == SensorsRead(
            sensors=(
                Sensor(name="CPU1", kind="Temperature", value=91.0, units="°C", states=("Critical",), ok=False),
                Sensor(name="Fan 1", kind="Fan", value=4200.0, units="RPM"),
                Sensor(name="Inlet", kind="Temperature", value=21.5, units="°C"),
            )
        )


# Is it there?


def test_whether_redfish_is_spoken(redfish_farm: RedfishFarm, machine: Any, tmp_path: Path) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine, mood=LOCKED)
    assert speaks_redfish("127.0.0.1", bmc.port, 10.0)
    assert redfish_farm.counters.refused == 0
    bmc.mood = DEAD
    assert not speaks_redfish("127.0.0.1", bmc.port, 0.3)
    assert not speaks_redfish("bmc.example.net", 443, 0.3)
    for other in ((404, {}, {}), (301, {"Location": "/"}, {}), {"Systems": {}}, {"RedfishVersion": "1.0.0"}, (200, {}, [1])):
        with Service(tmp_path, {"GET /redfish/v1/": other}) as service:
            assert not speaks_redfish("127.0.0.1", service.port, 10.0)


def test_the_gate_is_shared(redfish_farm: RedfishFarm, machine: Any) -> None:
    bmc = redfish_farm.add("127.0.0.1", 0, machine)
    gates = Gates(limits=EAGER)
    target = RedfishTarget(address="127.0.0.1", port=bmc.port, user="root", password="wrong")
    failed(RedfishPower(target, gates=gates, certificates=Certificates()).read(), "authentication")
    failed(RedfishPower(target, gates=gates, certificates=Certificates(), pace=Pace(web_s=1.0)).read(), "authentication", "next try in")
    assert redfish_farm.counters.refused == 1
