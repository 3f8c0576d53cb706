"""Simulated BMCs: real `ipmitool` is the judge of what they answer; mutated packets of what they survive."""

from __future__ import annotations

import random
import resource
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bmc_machine import Machine

from engine.power.gate import Gates
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.power.ipmi_session import IpmiSession, SessionFailed
from engine.racks.bmc import session as bmc_session
from engine.racks.bmc.ipmi import DEAD, LIES, LOCKED, OBEDIENT, BmcFarm, SimBmc, slow
from engine.racks.bmc.session import SUITES


@pytest.fixture
def farm() -> Iterator[BmcFarm]:
    with BmcFarm() as made:
        yield made


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def bmc(farm: BmcFarm, machine: Machine) -> SimBmc:
    return farm.add("127.0.0.1", 0, machine)


def until(good: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def login(bmc: SimBmc, seconds: float = 10.0) -> IpmiSession:
    deadline = time.monotonic() + seconds
    return IpmiSession(bmc.host, bmc.port, "root", "calvin", None, deadline=deadline, greet_s=seconds)


def refusal(bmc: SimBmc, seconds: float = 10.0) -> str:
    with pytest.raises(SessionFailed) as caught:
        login(bmc, seconds)
    return caught.value.failed.kind


# ipmitool

Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ipmitool(bmc: SimBmc, monkeypatch: pytest.MonkeyPatch) -> Tool:
    program = shutil.which("ipmitool")
    if program is None:
        pytest.skip("ipmitool is not installed")
    monkeypatch.setenv("IPMI_PASSWORD", "calvin")

    def run(words: str, *options: str, suite: int | None = 3) -> subprocess.CompletedProcess[str]:
        where = [program, "-I", "lanplus", "-H", bmc.host, "-p", str(bmc.port), "-U", "root", "-E", *options]
        chosen = [] if suite is None else ["-C", str(suite)]
        return subprocess.run([*where, *chosen, *words.split()], capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.mark.client
@pytest.mark.parametrize("suite", [3, 17, None])
def test_ipmitool_power(ipmitool: Tool, machine: Machine, suite: int | None) -> None:
    for words, found in (("on", True), ("cycle", True), ("reset", True), ("soft", False), ("on", True), ("off", False)):
        done = ipmitool(f"power {words}", suite=suite)
        assert done.returncode == 0, done.stderr
        assert machine.on is found
        asked = ipmitool("power status", suite=suite)
        assert asked.stdout == f"Chassis Power is {'on' if found else 'off'}\n"
    assert machine.log == ["on", "cycle", "reset", "soft", "on", "off"]
    assert ipmitool("power cycle", suite=suite).returncode != 0
    assert machine.log[-1] == "off"


@pytest.mark.client
def test_ipmitool_boot_device(ipmitool: Tool, machine: Machine) -> None:
    assert ipmitool("chassis bootdev pxe options=persistent,efiboot").returncode == 0
    assert machine.log == [("network", True, True)]
    told = ipmitool("chassis bootparam get 5").stdout
    for line in ("Boot Flag Valid", "all future boots", "BIOS EFI boot", "Force PXE"):
        assert line in told
    assert ipmitool("chassis bootdev disk").returncode == 0
    assert machine.log[1:] == [("disk", False, False)]
    told = ipmitool("chassis bootparam get 5").stdout
    for line in ("Boot Flag Valid", "only next boot", "legacy", "Force Boot from default Hard-Drive"):
        assert line in told
    machine.device = "none"  # the machine has booted and used the order up
    assert "Boot Flag Invalid" in ipmitool("chassis bootparam get 5").stdout


@pytest.mark.client
def test_ipmitool_the_rest(ipmitool: Tool, machine: Machine, bmc: SimBmc) -> None:
    told = ipmitool("mc info").stdout
    assert "IPMI Version              : 2.0" in told
    assert "Chassis Device" in told
    assert "Chassis identify interval: 7 seconds" in ipmitool("chassis identify 7").stdout
    assert machine.log == [("identify", 7)]
    assert machine.light.shown == "temporary"
    assert ipmitool("raw 0x00 0x01").stdout.split() == ["00", "00", "50", "00"]  # section 28.2: known, temporary
    assert ipmitool("chassis identify force").returncode == 0
    assert ipmitool("raw 0x00 0x01").stdout.split()[2] == "60"
    assert ipmitool("chassis identify 0").returncode == 0
    assert ipmitool("raw 0x00 0x01").stdout.split()[2] == "40"
    told = ipmitool("lan print 1").stdout
    assert "IP Address              : 127.0.0.1" in told
    assert f"MAC Address             : {bmc.commands.mac.hex(':')}" in told
    assert "RMCP+ Cipher Suites     : 3,17" in told
    assert str(bmc.guid) in ipmitool("mc guid").stdout
    assert ipmitool("mc selftest").stdout == "Selftest: passed\n"
    sensors = ipmitool("sdr")
    assert (sensors.returncode, sensors.stdout.strip()) == (0, "")
    assert "BMC" in ipmitool("sdr list mcloc").stdout
    assert "Entries          : 0" in ipmitool("sel info").stdout
    assert "Product" not in ipmitool("fru").stdout
    assert "System Power         : off" in ipmitool("chassis status").stdout
    unknown = ipmitool("raw 0x06 0x99")
    assert "rsp=0xc1" in unknown.stderr


@pytest.mark.client
def test_ipmitool_moods(ipmitool: Tool, machine: Machine, bmc: SimBmc) -> None:
    bmc.mood = LIES
    assert ipmitool("power on").returncode == 0
    assert ipmitool("chassis bootdev pxe").returncode == 0
    assert ipmitool("power status").stdout == "Chassis Power is off\n"
    assert machine.log == []
    bmc.mood = LOCKED
    assert "Unable to establish" in ipmitool("power status").stderr
    bmc.mood = DEAD
    assert ipmitool("power status", "-N", "1", "-R", "1", suite=3).returncode != 0
    bmc.mood = slow(0.3)
    assert ipmitool("power status").stdout == "Chassis Power is off\n"


# Rules


def test_a_user_may_look_and_not_switch(bmc: SimBmc, machine: Machine) -> None:
    with login(bmc) as session:
        assert session.command(0x06, 0x3B, [2]) == b"\x02"
        assert session.command(0x00, 0x01)[0] == 0
        with pytest.raises(SessionFailed, match="D4h"):
            session.command(0x00, 0x02, [1])
    assert machine.log == []


def test_a_wrong_proof_of_the_password_is_refused(farm: BmcFarm, bmc: SimBmc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients see by RAKP 2 that their password is wrong and go no further; this one does."""
    original = IpmiSession._send_rakp3

    def send(session: IpmiSession) -> None:
        session.password = b"wrong"
        original(session)

    monkeypatch.setattr(IpmiSession, "_send_rakp3", send)
    assert refusal(bmc) == "authentication"
    until(lambda: (farm.counters.logins, farm.counters.refused, bmc.sessions) == (0, 1, {}))


@pytest.mark.parametrize(
    ("netfn", "command", "data", "code"),
    [
        (0x00, 0x02, [], "C7h"),
        (0x00, 0x02, [9], "CCh"),
        (0x00, 0x02, [2], "D5h"),
        (0x00, 0x08, [5, 0x80], "C7h"),
        (0x00, 0x08, [5, 0x80, 9 << 2], "CCh"),
        (0x00, 0x08, [99], "80h"),
        (0x00, 0x09, [7, 0, 0], "80h"),
        (0x0C, 0x02, [1, 99, 0, 0], "80h"),
        (0x0A, 0x23, [0, 0, 5, 0, 0, 255], "CBh"),
        (0x2E, 0x01, [], "C1h"),
    ],
)
def test_bad_requests_get_their_code(bmc: SimBmc, machine: Machine, netfn: int, command: int, data: list[int], code: str) -> None:
    with login(bmc) as session, pytest.raises(SessionFailed, match=f"code {code}"):
        session.command(netfn, command, data)
    assert machine.log == []


def test_a_machine_that_raises_is_answered_counted_and_survived(
    farm: BmcFarm, bmc: SimBmc, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(action: str) -> None:
        raise RuntimeError(action)

    machine.power = explode  # type: ignore[method-assign]
    with login(bmc) as session:
        with pytest.raises(SessionFailed, match="FFh"):
            session.command(0x00, 0x02, [1])
        assert session.command(0x00, 0x01)[0] == 0
    assert farm.broken == 1
    assert "the simulated machine failed" in caplog.text


def test_a_mistake_of_ours_does_not_stop_the_farm(
    farm: BmcFarm, bmc: SimBmc, machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SimBmc, "handle", lambda *_: 1 // 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"anything", (bmc.host, bmc.port))
            until(lambda: farm.counters.failed == 1)
    until(lambda: "could not handle a packet" in caplog.text)
    login(bmc).logout()


def test_sessions_are_bounded_and_unfinished_logins_go_first(farm: BmcFarm, bmc: SimBmc) -> None:
    held = [login(bmc, 60.0) for _ in range(12)]
    opening = b"\x06\x00\xff\x07\x06\x10" + bytes(8) + struct.pack("<H", 32)
    for algorithms in (b"\x01\x01\x01", b"\x03\x04\x01"):
        body = bytes(8) + b"".join(bytes((k, 0, 0, 8, a, 0, 0, 0)) for k, a in enumerate(algorithms))
        before = farm.counters.packets
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            for _ in range(50):
                flood.sendto(opening + body, (bmc.host, bmc.port))
            until(lambda before=before: farm.counters.packets >= before + 50)  # type: ignore[misc]
    assert len(bmc.sessions) == 16
    held += [login(bmc, 60.0) for _ in range(4)]
    assert refusal(bmc) == "refused"
    for session in held:
        assert session.command(0x00, 0x01)
        session.logout()
    login(bmc).logout()


def test_sessions_idle_for_a_minute_give_way(machine: Machine) -> None:
    at = [1000.0]
    with BmcFarm(now=lambda: at[0]) as farm:
        bmc = farm.add("127.0.0.1", 0, machine)
        held = [login(bmc, 60.0) for _ in range(16)]
        assert refusal(bmc) == "refused"
        at[0] += 61.0
        login(bmc).logout()
        for session in held[1:]:
            session.logout()
        held[0].deadline = time.monotonic()
        held[0].logout()


def test_removed_and_added_again_at_the_same_port(farm: BmcFarm, bmc: SimBmc, machine: Machine) -> None:
    with pytest.raises(OSError, match="in use"):
        farm.add(bmc.host, bmc.port, machine)
    farm.remove(bmc)
    until(lambda: bmc.socket.fileno() == -1)
    assert refusal(bmc) == "unreachable"
    again = farm.add(bmc.host, bmc.port, machine)
    assert again.guid == bmc.guid
    login(again).logout()


def test_delayed_packets_are_bounded(farm: BmcFarm, bmc: SimBmc) -> None:
    bmc.mood = slow(3600.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        for _ in range(100):
            flood.sendto(b"x" * 40, (bmc.host, bmc.port))
        until(lambda: farm.counters.packets == 100)
    assert bmc.delayed == 64
    assert farm.counters.dropped == 36


# Many


def test_a_thousand_bmcs_in_one_process(farm: BmcFarm) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1200:
        pytest.skip(f"needs 1200 open files, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        machines = [Machine() for _ in range(1000)]
        bmcs = [farm.add("127.0.0.1", 0, machine) for machine in machines]
        gates = Gates()

        def bring_up(bmc: SimBmc) -> bool:
            target = IpmiTarget(address=bmc.host, port=bmc.port, user="root", password="calvin")
            return repr(IpmiPower(target, gates=gates).boot("network", False, True)).startswith("PowerDone")

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(bring_up, bmcs))
        assert all(machine.log == [("network", False, True), "on"] for machine in machines)
        # One session does all three orders. A machine that is very busy answers some logins too late, and they are repeated.
        assert 1000 <= farm.counters.logins < 1100
        assert max(bmc.socket.fileno() for bmc in bmcs) > 1000
    finally:
        farm.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Malformed packets


def conversation(bmc: SimBmc, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What a real client sent in two whole logins, one of them with suite 3."""
    sent: list[bytes] = []
    original = IpmiSession._xmit_packet

    def recording(session: IpmiSession, *words: Any, **named: Any) -> None:
        original(session, *words, **named)
        sent.append(bytes(session.netpacket))

    with monkeypatch.context() as patch:
        patch.setattr(IpmiSession, "_xmit_packet", recording)
        for ids in ((3, 17), (3,)):
            patch.setattr(bmc_session, "SUITES", tuple(suite for suite in SUITES if suite.id in ids))
            with login(bmc) as session:
                session.command(0x00, 0x01)
                session.command(0x00, 0x09, [5, 0, 0])
    assert len(sent) > 14
    return sent


def mutated(packet: bytes, chance: random.Random) -> bytes:
    bad = bytearray(packet)
    for _ in range(chance.randint(1, 3)):
        match chance.randrange(5):
            case 0:
                bad[chance.randrange(len(bad))] = chance.randrange(256)
            case 1:
                bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
            case 2:
                del bad[chance.randrange(len(bad)) :]
            case 3:
                bad += chance.randbytes(chance.randint(1, 40))
            case _:
                start = chance.randrange(len(bad))
                bad[start : start + chance.randint(1, 8)] = chance.choice((b"\x00", b"\xff")) * chance.randint(0, 8)
        if not bad:
            return b""
    return bytes(bad)


def test_twenty_thousand_mutated_packets(farm: BmcFarm, bmc: SimBmc, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packets of whole logins, each with one to three changes, from one client; sessions stay open in between, so that
    the handshake is met in all its stages. The BMC must serve a good client afterwards as if nothing had been."""
    chance = random.Random(20_000)
    seeds = conversation(bmc, monkeypatch)
    total, window = 20_000, 100
    start = farm.counters.packets
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((bmc.host, bmc.port))
        client.setblocking(False)
        session_ids = [0]
        for n in range(total):
            seed = bytearray(chance.choice(seeds))
            if seed[4] == 6 and len(seed) > 24 and chance.random() < 0.7:  # aimed at a session that is there
                known = struct.pack("<I", chance.choice(session_ids))
                at = 20 if seed[5] in (0x12, 0x14) else 6
                seed[at : at + 4] = known
            client.send(mutated(bytes(seed), chance))
            if n % window == window - 1:
                until(lambda n=n: farm.counters.packets - start == n + 1)  # type: ignore[misc]
                session_ids = list(bmc.sessions) or [0]
    assert farm.counters.malformed > total // 4
    assert (farm.broken, farm.counters.failed) == (0, 0)
    assert machine.log == []
    assert len(bmc.sessions) <= 16
    bmc.mood = OBEDIENT
    with login(bmc) as session:
        session.command(0x00, 0x02, [1])
    assert machine.on


def test_noise_is_counted(farm: BmcFarm, bmc: SimBmc) -> None:
    noise = [
        b"",
        b"\x06",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x06\x00\xff\x07" + bytes(12),
        b"\x06\x00\xff\x07\x02" + bytes(30),
        b"\x06\x00\xff\x07\x06\x3f" + bytes(30),
        b"\x06\x00\xff\x07\x06\x10" + bytes(10),
        b"\x06\x00\xff\x07\x06\xc0\x01\x02\x03\x04" + bytes(40),
        b"\x06\x00\xff\x06" + bytes(20),
        bytes(2000),
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for packet in noise:
            client.sendto(packet, (bmc.host, bmc.port))
        until(lambda: farm.counters.packets == len(noise))
    until(lambda: farm.counters.malformed == len(noise))
    login(bmc).logout()
