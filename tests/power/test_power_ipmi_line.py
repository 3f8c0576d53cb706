"""IPMI: a line that loses, doubles and damages packets, and slow cryptography."""

from __future__ import annotations

import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ipmi_rig import assert_pyghmi_untouched, power_of

from engine.power import Pace, PowerDone, PowerFailed, ipmi_session
from engine.power.gate import Gates, Limits
from engine.power.ipmi_session import IpmiSession
from engine.racks.bmc.ipmi import BmcFarm


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
            thread.join(60)
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
    session._fields_of_pyghmi("127.0.0.1", 623, "admin", "secret", None)
    session.logontries = 1
    session._initsession()
    late = bytearray((session.rmcptag, 0)) + bytearray(14) + b"\x01" + bytearray(19)  # suite 1 is what it would have
    session._got_rmcp_response(late)
    assert session.attemptedhash == 256
    assert session.lastpayload is None
    assert session.sessioncontext is None
