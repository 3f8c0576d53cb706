"""The IPMI adapter against simulated BMCs in every mood, and against what the network does to packets."""

from __future__ import annotations

import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pyghmi.ipmi.private import session as pyghmi_session

from engine.power import Pace, PowerDone, PowerFailed, PowerState, ipmi_session
from engine.power.gate import Gates, Limits
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.power.ipmi_session import IpmiSession, SessionFailed
from engine.rehearsal import bmc as simulated
from engine.rehearsal import bmc_commands, bmc_session
from engine.rehearsal.bmc import DEAD, LIES, LOCKED, OBEDIENT, BmcFarm, slow

EAGER = Limits(burst=1000)
QUICK = Pace(total_s=20.0, rest_s=0.0, poll_s=0.05)


def power_of(
    port: int, *, host: str = "127.0.0.1", password: str = "calvin", gates: Gates | None = None, pace: Pace = QUICK
) -> IpmiPower:
    target = IpmiTarget(address=host, port=port, user="root", password=password)
    return IpmiPower(target, gates=gates or Gates(limits=EAGER), pace=pace)


def open_session(port: int, seconds: float = 10.0) -> IpmiSession:
    deadline = time.monotonic() + seconds
    return IpmiSession("127.0.0.1", port, "root", "calvin", None, deadline=deadline, greet_s=seconds)


def assert_pyghmi_untouched() -> None:
    shared = pyghmi_session.Session
    tables = (
        shared.bmc_handlers,
        shared.initting_sessions,
        shared.waiting_sessions,
        shared.keepalive_sessions,
        shared.socketpool,
        pyghmi_session.iosockets,
    )
    assert [len(table) for table in tables] == [0] * 6
    assert pyghmi_session.iothread is None


def test_passwords_do_not_show() -> None:
    target = IpmiTarget(address="10.0.0.1", user="root", password="calvin", kg="secret-key")
    for text in (repr(target), str(target), f"{target}", repr([target])):
        assert "calvin" not in text
        assert "secret" not in text


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"address": "bmc.example.net"}, "unreachable"),
        ({"port": 0}, "unreachable"),
        ({"user": "x" * 17}, "unsupported"),
        ({"password": "x" * 21}, "unsupported"),
        ({"kg": "x" * 21}, "unsupported"),
    ],
)
def test_what_cannot_be_said_is_refused_before_any_packet(change: dict[str, Any], kind: str) -> None:
    given = {"address": "127.0.0.1", "user": "root", "password": "calvin"} | change
    result = IpmiPower(IpmiTarget(**given), gates=Gates()).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == kind


def test_logging_in_again_and_again_leaves_nothing(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    power = power_of(bmc.port)
    for n in range(20):
        wanted = PowerState.ON if n % 2 else PowerState.OFF
        assert power.set(wanted.value) == PowerDone(state=wanted)
        assert len(bmc.sessions) <= 1  # the answer to Close Session may come before the BMC has forgotten it
    assert farm.counters.logins == 20
    assert farm.counters.malformed == 0
    assert_pyghmi_untouched()


def test_hundred_bmcs_from_sixteen_threads(farm: BmcFarm, machines: Any) -> None:
    all_machines = [machines() for _ in range(100)]
    gates = Gates()
    powers = [power_of(farm.add("127.0.0.1", 0, m).port, gates=gates) for m in all_machines]

    def bring_up(power: IpmiPower) -> object:
        return power.boot("network", persistent=False, uefi=True)

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(bring_up, powers))
    assert results == [PowerDone(state=PowerState.ON, boot_device="network", uefi=True)] * 100
    assert all(m.log == [("network", False, True), "on"] for m in all_machines)
    assert farm.counters.logins == 100
    assert_pyghmi_untouched()


def test_calls_to_one_bmc_are_serial(farm: BmcFarm, machine: Any) -> None:
    machine.bmc = bmc = farm.add("127.0.0.1", 0, machine)
    gates = Gates(limits=EAGER)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: power_of(bmc.port, gates=gates).read(), range(40)))
    assert all(isinstance(result, PowerDone) for result in results)
    assert machine.crowd == 1


def test_same_port_on_different_addresses(farm: BmcFarm, machines: Any) -> None:
    first, second = machines(), machines()
    port = farm.add("127.0.0.1", 0, first).port
    farm.add("127.0.0.2", port, second)
    gates = Gates()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(power_of(port, gates=gates).set, "on")
        two = pool.submit(power_of(port, host="127.0.0.2", gates=gates).read)
        assert one.result() == PowerDone(state=PowerState.ON)
        assert two.result() == PowerDone(state=PowerState.OFF, boot_device="none")
    assert (first.on, second.on) == (True, False)


def test_ipv6(farm: BmcFarm, machine: Any) -> None:
    try:
        bmc = farm.add("::1", 0, machine)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    assert power_of(bmc.port, host="::1").set("on") == PowerDone(state=PowerState.ON)


def test_wrong_password_backs_off_without_asking_again(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    at = [0.0]
    gates = Gates(limits=EAGER, now=lambda: at[0])
    wrong = power_of(bmc.port, password="wrong", gates=gates)
    first = wrong.read()
    assert isinstance(first, PowerFailed)
    assert (first.kind, first.retry_in_s) == ("authentication", 60.0)
    asked = farm.counters.packets
    for _ in range(10):
        held = wrong.set("on")
        assert isinstance(held, PowerFailed)
        assert (held.kind, held.retry_in_s) == ("authentication", 60.0)
    assert farm.counters.packets == asked
    at[0] += 60.0
    second = wrong.read()
    assert isinstance(second, PowerFailed)
    assert second.retry_in_s == 120.0
    assert farm.counters.packets > asked
    assert isinstance(power_of(bmc.port, gates=gates).read(), PowerDone), "the corrected password need not wait"


def test_wrong_user_and_locked_account_are_authentication(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    target = IpmiTarget(address="127.0.0.1", port=bmc.port, user="nobody", password="calvin")
    result = IpmiPower(target, gates=Gates()).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "authentication"
    bmc.mood = LOCKED
    result = power_of(bmc.port).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "authentication"
    assert farm.counters.logins == 0


def test_nobody_listens_is_known_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    result = power_of(port).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "unreachable"
    assert time.monotonic() - started < 3.0


def test_silence_from_the_middle_on_is_a_timeout(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    with open_session(bmc.port) as session:
        session.command(0, 1)
        bmc.mood = DEAD
        session.deadline = time.monotonic() + 0.3
        with pytest.raises(SessionFailed) as caught:
            session.command(0, 1)
    assert caught.value.failed.kind == "timeout"


def test_lies_are_found_out_and_the_truth_is_told(farm: BmcFarm, machine: Any) -> None:
    machine.device = "disk"
    bmc = farm.add("127.0.0.1", 0, machine, mood=LIES)
    power = power_of(bmc.port, pace=Pace(total_s=1.5, poll_s=0.05))
    result = power.set_boot("network", persistent=False, uefi=False)
    assert isinstance(result, PowerFailed)
    assert result.kind == "not_obeyed"
    assert "reads back disk" in result.message
    assert machine.log == []
    bmc.mood = OBEDIENT
    assert power.set("on") == PowerDone(state=PowerState.ON)


def test_a_machine_that_obeys_late_is_waited_for(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    looked = threading.Event()

    def late_switch(action: str) -> None:
        machine.log.append(action)
        machine.wanted = action == "on"

    def late_state() -> bool:
        seen: bool = machine.on
        if machine.log:
            looked.set()
            machine.count = getattr(machine, "count", 0) + 1
            machine.on = machine.wanted if machine.count >= 4 else machine.on
        return seen

    machine.power, machine.power_state = late_switch, late_state
    assert power_of(bmc.port).set("on") == PowerDone(state=PowerState.ON)
    assert machine.log == ["on"]
    assert machine.count >= 4


def test_slow_bmcs_work(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bmc = farm.add("127.0.0.1", 0, machine, mood=slow(0.05))
    assert power_of(bmc.port).set("on") == PowerDone(state=PowerState.ON)
    usual = farm.counters.packets
    monkeypatch.setattr(ipmi_session, "_RETRY_S", 0.02)  # slower than three intervals: much is sent again
    assert power_of(bmc.port).set("off") == PowerDone(state=PowerState.OFF)
    assert farm.counters.packets - usual > usual
    assert machine.log == ["on", "off"]


def test_a_repeated_packet_is_carried_out_once(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    with open_session(bmc.port) as session:
        bmc.mood = slow(0.7)
        session.patience = 0.2
        before = farm.counters.packets
        session.command(0, 2, [1])
        assert farm.counters.packets - before >= 2
        deadline = time.monotonic() + 20
        while bmc.delayed:  # the repeated ones come to it later
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert machine.log == ["on"]
        bmc.mood = OBEDIENT
        for _ in range(2):
            session.command(0, 2, [0])
        assert machine.log == ["on", "off", "off"]


def test_only_one_suite(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bmc_session.suite_of
    for only in (3, 17):
        chosen: list[int] = []

        def suite_of(request: bytes, only: int = only, chosen: list[int] = chosen) -> bmc_session.Suite | None:
            suite = whole(request)
            chosen.append(suite.id if suite else 0)
            return suite if suite and suite.id == only else None

        monkeypatch.setattr(simulated, "suite_of", suite_of)
        assert isinstance(power_of(farm.add("127.0.0.1", 0, machine).port).read(), PowerDone)
        assert chosen == ([17, 3] if only == 3 else [17])


def test_a_bmc_that_answers_suite_3_whatever_is_offered(
    farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "suite_of", lambda _request: bmc_session.SUITES[0])
    assert isinstance(power_of(farm.add("127.0.0.1", 0, machine).port).read(), PowerDone)


def test_a_bmc_of_ipmi_1_5_is_unsupported(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    old = (lambda *_: (0, b"\x01\x04\x04\x00\x00\x00\x00\x00")), 2, 0
    monkeypatch.setitem(bmc_commands.Commands._TABLE, (0x06, 0x38), old)
    result = power_of(farm.add("127.0.0.1", 0, machine).port).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "unsupported"


def test_an_unknown_command_is_unsupported_and_boot_flags_are_optional_to_read(
    farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ((0x00, 0x09), (0x00, 0x04)):
        monkeypatch.delitem(bmc_commands.Commands._TABLE, command)
    power = power_of(farm.add("127.0.0.1", 0, machine).port)
    assert power.read() == PowerDone(state=PowerState.OFF)
    result = power.identify(1)
    assert isinstance(result, PowerFailed)
    assert result.kind == "unsupported"


def test_no_free_session_is_refused(farm: BmcFarm, machine: Any) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    held = [open_session(bmc.port, 60.0) for _ in range(16)]
    result = power_of(bmc.port).read()
    assert isinstance(result, PowerFailed)
    assert result.kind == "refused"
    for session in held:
        session.logout()
    assert isinstance(power_of(bmc.port).read(), PowerDone)


def test_a_mistake_inside_is_a_failure_and_not_an_exception(
    farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bmc = farm.add("127.0.0.1", 0, machine)
    for method in ("command", "_got_rakp2"):
        with monkeypatch.context() as patch:
            patch.setattr(IpmiSession, method, lambda *_: 1 // 0)
            result = power_of(bmc.port).read()
        assert isinstance(result, PowerFailed)
        assert "ZeroDivisionError" in result.message
    assert caplog.text.count("talking to the BMC") == 2
    assert isinstance(power_of(bmc.port).read(), PowerDone)


class BadWire:
    """A UDP relay to a BMC that loses, doubles and damages packets, on both ways, by a seeded chance."""

    def __init__(self, port: int, seed: int, lose: float, damage: float) -> None:
        self.chance = random.Random(seed)
        self.lose, self.damage = lose, damage
        self.near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.near.bind(("127.0.0.1", 0))
        self.port: int = self.near.getsockname()[1]
        self.far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.far.connect(("127.0.0.1", port))
        self.client: Any = None
        self.threads = [threading.Thread(target=turn, daemon=True) for turn in (self._out, self._back)]
        for thread in self.threads:
            thread.start()

    def _worn(self, packet: bytes) -> list[bytes]:
        roll = self.chance.random()
        if roll < self.lose:
            return []
        if roll < self.lose + self.damage:
            bad = bytearray(packet)
            for _ in range(self.chance.randint(1, 4)):
                bad[self.chance.randrange(len(bad))] = self.chance.randrange(256)
            return [bytes(bad[: self.chance.randint(1, len(bad))]), bytes(bad)]
        return [packet]

    def _out(self) -> None:
        while True:
            packet, client = self.near.recvfrom(3000)
            if packet == b"end":
                return
            self.client = client
            for worn in self._worn(packet):
                self.far.send(worn)

    def _back(self) -> None:
        while True:
            packet = self.far.recv(3000)
            if not packet:
                return
            for worn in self._worn(packet):
                self.near.sendto(worn, self.client)

    def close(self) -> None:
        self.far.shutdown(socket.SHUT_RDWR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as voice:
            voice.sendto(b"end", ("127.0.0.1", self.port))
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()
        self.near.close()
        self.far.close()


def test_a_lossy_line_is_survived(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipmi_session, "_RETRY_S", 0.1)
    wire = BadWire(farm.add("127.0.0.1", 0, machine).port, seed=3, lose=0.06, damage=0.0)
    try:
        results = [power_of(wire.port).read() for _ in range(4)]
    finally:
        wire.close()
    assert all(isinstance(result, PowerDone) for result in results), results


def test_a_damaging_line_never_raises_and_never_hangs(farm: BmcFarm, machine: Any) -> None:
    pace = Pace(total_s=1.0, greet_s=1.0, sensors_s=1.0, rest_s=0.0, poll_s=0.05)
    kinds = set()
    wires = [BadWire(farm.add("127.0.0.1", 0, machine).port, seed=n, lose=0.0, damage=0.25) for n in range(8)]

    def worn(wire: BadWire) -> list[object]:
        power = power_of(wire.port, pace=pace, gates=Gates(limits=Limits(burst=1000, first_s=0.0)))
        started = time.monotonic()
        results: list[object] = [power.read(), power.set("on"), power.sensors()]
        assert time.monotonic() - started < 60.0
        return results

    try:
        with ThreadPoolExecutor(8) as pool:
            for results in pool.map(worn, wires):
                kinds |= {result.kind if isinstance(result, PowerFailed) else "done" for result in results}
    finally:
        for wire in wires:
            wire.close()
    assert len(kinds) > 1, "the line damaged nothing"
    assert farm.counters.malformed > 0
    assert_pyghmi_untouched()


def test_a_quick_bmc_is_asked_again_quickly(farm: BmcFarm, machine: Any) -> None:
    """Many packets of it are lost. Half a second and more for each would be more than a call has; its answer time is known soon."""
    bmc = farm.add("127.0.0.1", 0, machine)
    chance = random.Random(2)
    bmc.copies = lambda: () if chance.random() < 0.15 else (0.0,)
    began = time.monotonic()
    results = [power_of(bmc.port, pace=Pace(rest_s=0.0)).boot("network", False, False) for _ in range(3)]
    assert all(isinstance(result, PowerDone) for result in results), results
    assert time.monotonic() - began < 25.0


def test_a_bmc_with_slow_cryptography_is_logged_in_to(farm: BmcFarm, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick in all else: what was learnt of its other answers must not hurry these."""
    bmc = farm.add("127.0.0.1", 0, machine)
    real = bmc.handle

    def handle(packet: bytes, peer: Any, now: float) -> None:
        if packet[4:6] == b"\x06\x12" or packet[4:6] == b"\x06\x14":  # RAKP 1 and 3
            time.sleep(0.7)
        real(packet, peer, now)

    monkeypatch.setattr(bmc, "handle", handle)
    assert isinstance(power_of(bmc.port, pace=Pace(rest_s=0.0)).read(), PowerDone)


def test_a_late_answer_to_a_handshake_that_was_given_up_changes_nothing() -> None:
    """After the login has begun anew; acted upon, the next packet would be framed as IPMI 1.5, which pyghmi cannot do."""
    session = IpmiSession.__new__(IpmiSession)
    session._state_of_pyghmi("127.0.0.1", 623, "admin", "secret", None)
    session.logontries = 1
    session._initsession()
    late = bytearray((session.rmcptag, 0)) + bytearray(14) + b"\x01" + bytearray(19)  # suite 1 is what it would have
    session._got_rmcp_response(late)
    assert session.attemptedhash == 256
    assert session.lastpayload is None
    assert session.sessioncontext is None
