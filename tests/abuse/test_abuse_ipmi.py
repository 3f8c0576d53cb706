"""Mutated replies of BMCs, handshake and commands, to the whole client: each call ends with a result or a `PowerFailed`. 20,000 of them, and
100,000 in the slow suite.

The BMC is the simulated one, in process and without sockets: what it answers is mutated as octets, or before it is encrypted, so that
what is wrong passes the integrity check. Time is the test's own, so each call is bounded by its deadline and not by a clock.
"""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import time
from collections import Counter, deque
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from mutate import mutations

from engine.power import NoteRead, Pace, PowerDone, PowerFailed, SensorsRead, call, ipmi, ipmi_session
from engine.power.gate import Gates, Limits
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.racks.bmc.ipmi import OBEDIENT, SimBmc
from engine.racks.bmc.ipmi import Counters as BmcCounters
from engine.racks.bmc.label import About
from engine.racks.bmc.light import Light
from engine.racks.bmc.session import BAD_PACKET

MANY, SLOW = 20_000, 100_000
TOTAL_S = 30.0
PACE = Pace(total_s=TOTAL_S, soft_s=TOTAL_S, sensors_s=TOTAL_S)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Chassis:
    user, password = "admin", "secret"

    def __init__(self) -> None:
        self.on = False
        self.device = "none"
        self.light = Light()

    def power_state(self) -> bool:
        return self.on

    def power(self, action: str) -> None:
        self.on = action in ("on", "cycle", "reset")

    def boot_device(self) -> str:
        return self.device

    def set_boot_device(self, device: str, persistent: bool, uefi: bool) -> None:
        self.device = device


class Site:
    """A BMC with a wire to it that spoils `percent` of what comes back; `inside` spoils the answers before they are encrypted."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.inbox: deque[bytes] = deque()
        self.seen: list[bytes] = [b"\x06\x00\xff\x07\x06\x11" + bytes(40)]
        self.spoiled = 0
        self.inside = False
        self.percent = 50
        self.noise = mutations(self.seen, 10**9, seed)
        self.bmc = SimBmc(self, Chassis(), OBEDIENT, About(guid=UUID(int=7), serial="SN7"), b"\x52\x54\0\0\0\1", BmcCounters())  # type: ignore[arg-type]
        plain = self.bmc.commands.execute

        def execute(netfn: int, command: int, data: bytes, level: int) -> tuple[int, bytes]:
            code, said = plain(netfn, command, data, level)
            if not self.inside or self.rng.randrange(100) >= self.percent:
                return code, said
            self.spoiled += 1
            return (self.rng.randrange(256) if self.rng.randrange(8) == 0 else code), next(
                mutations([said, bytes(16)], 2, self.rng.random())
            )[:200]  # type: ignore[call-overload]

        self.bmc.commands.execute = execute  # type: ignore[method-assign]

    # the BMC's socket
    def getsockname(self) -> tuple[str, int]:
        return ("10.0.0.7", 623)

    def sendto(self, packet: bytes, _peer: object) -> int:
        packet = bytes(packet)
        if not self.inside and self.rng.randrange(100) < self.percent:
            self.seen.append(packet)
            del self.seen[:-64]
            self.spoiled += 1
            self.inbox.append(self._spoil(packet))
        else:
            self.inbox.append(packet)
        return len(packet)

    def _spoil(self, packet: bytes) -> bytes:
        if self.rng.randrange(4) == 0:
            return next(self.noise)  # something of another session, changed
        head, body = packet[:4], packet[4:]
        changed = next(m for i, m in enumerate(mutations([body], 2, self.rng.randrange(1 << 30))) if i == 1)
        return head + changed

    # the client's
    def client(self, *_: object) -> Any:
        site = self

        class Wire:
            deadline = 0.001

            def connect(self, _peer: object) -> None:
                site.inbox.clear()

            def getpeername(self) -> tuple[str, int]:
                return ("10.0.0.7", 623)

            def settimeout(self, seconds: float) -> None:
                self.deadline = seconds

            def send(self, packet: bytes) -> int:
                with contextlib.suppress(*BAD_PACKET):  # the client may have been led to ask nonsense
                    site.bmc.handle(bytes(packet), ("10.0.0.1", 5), site.clock.now)
                return len(packet)

            def recv(self, _size: int) -> bytes:
                site.clock.now += 0.0005
                if site.inbox:
                    return site.inbox.popleft()
                site.clock.now += self.deadline
                raise TimeoutError

            def close(self) -> None:
                site.inbox.clear()

        return Wire()


@pytest.mark.parametrize("many", [MANY, pytest.param(SLOW, marks=pytest.mark.slow)])
def test_ipmi_replies_are_used_or_refused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, many: int) -> None:
    site = Site(11)
    names = {name: getattr(socket, name) for name in ("AF_INET", "AF_INET6", "SOCK_DGRAM")}
    monkeypatch.setattr(ipmi_session, "socket", SimpleNamespace(socket=site.client, **names))
    monkeypatch.setattr(ipmi_session, "time", site.clock)
    monkeypatch.setattr(call, "time", site.clock)
    gates = Gates(
        limits=Limits(burst=10**9, first_s=0.0, longest_s=0.0, free_tries=10**9), now=site.clock.monotonic, sleep=site.clock.sleep
    )
    power = IpmiPower(IpmiTarget(address="10.0.0.7", user="admin", password="secret"), gates=gates, pace=PACE, sleep=site.clock.sleep)
    owned = IpmiPower(
        power.target,
        gates=gates,
        pace=PACE,
        owner=lambda said: "" if said.serials else "its FRU is needed",
        sleep=site.clock.sleep,
    )
    calls: tuple[Any, ...] = (
        power.read,
        lambda: power.set("on"),
        lambda: power.set("off"),
        lambda: power.set("cycle"),
        lambda: power.set_boot("network", False, True),
        lambda: power.boot("disk", True, False),
        lambda: power.identify(5),
        power.sensors,
        lambda: power.note(0, bool),
        lambda: power.note(1, bool),
        owned.read,
    )
    site.percent = 0
    assert power.set("on") == PowerDone(state=ipmi.PowerState.ON), "the wire works"
    counted: Counter[str] = Counter()
    number = 0
    began = time.process_time()
    with caplog.at_level(logging.ERROR):
        while site.spoiled < many:
            number += 1
            site.inside = number % 2 == 0
            site.percent = (10, 40, 90)[number % 3]
            site.bmc.sessions.clear()
            before = site.clock.now
            result = calls[number % len(calls)]()
            assert site.clock.now - before < TOTAL_S + 10, "a call ends by its deadline"
            assert isinstance(result, PowerDone | PowerFailed | SensorsRead | NoteRead)
            if isinstance(result, PowerFailed):
                assert len(result.message) < 300
                assert "could not be handled" not in result.message, (result, caplog.text[-3000:])
                counted[result.kind] += 1
            else:
                counted["done"] += 1
            assert len(site.seen) <= 64
    assert not caplog.records
    assert counted["done"] > 20
    assert sum(counted.values()) - counted["done"] > 100
    assert len(counted) >= 3, counted
    assert time.process_time() - began < 120
