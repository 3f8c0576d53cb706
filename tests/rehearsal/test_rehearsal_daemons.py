"""Services of simulated machines: what real `check_nrpe` and `check_tcp` say of them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.racks.simulated.daemons import NRPE_FILE, Daemons, answer, check
from engine.racks.simulated.nonvolatile import System

PLUGINS = Path("/usr/lib/nagios/plugins")
COMMANDS = (
    "allowed_hosts=10.0.0.1\ncommand[ntp-client.process]=check_procs -c 1: -C chronyd\ncommand[a.disk]=check_disk -w 10% -c 5% -p /\n"
)
with_plugins = pytest.mark.skipif(
    not (PLUGINS / "check_nrpe").exists(), reason="check_nrpe is not installed: apt install nagios-nrpe-plugin monitoring-plugins-basic"
)


def a_system() -> System:
    return System(os="debian-12", hostname="n1", address="127.0.0.1", files={NRPE_FILE: COMMANDS})


def test_a_process_runs_until_somebody_kills_it() -> None:
    system = a_system()
    assert check(system, "ntp-client.process") == (0, "PROCS OK: 1 process with command name 'chronyd'")
    system.killed.append("chronyd")
    assert check(system, "ntp-client.process") == (2, "PROCS CRITICAL: 0 processes with command name 'chronyd'")
    assert check(system, "a.disk")[0] == 0
    assert check(system, "reboot") == (3, "NRPE: Command 'reboot' not defined")


def test_an_answer_has_the_length_of_a_packet() -> None:
    assert len(answer(4, 1020, 0, "x" * 5000)) == 1036


class Here:
    """Wiring to loopback; each port is one that is free."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}

    def local(self, address: str, port: int) -> tuple[str, int]:
        if port not in self.ports:
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                self.ports[port] = one.getsockname()[1]
        return address, self.ports[port]


class Counts:
    def add(self, name: str, by: int = 1) -> None:
        raise AssertionError(name)


async def plugin(name: str, *words: str) -> tuple[int, str]:
    done = await asyncio.to_thread(subprocess.run, [PLUGINS / name, "-H", "127.0.0.1", "-t", "30", *words], capture_output=True, text=True)
    return done.returncode, done.stdout.strip()


@with_plugins
def test_real_plugins_understand_them() -> None:
    async def talk() -> None:
        system, wiring = a_system(), Here()
        machine: Any = type("M", (), {"counters": Counts()})()
        daemons = Daemons(machine, system, wiring, {})  # type: ignore[arg-type]
        system.listens = {"5666": "nrpe", "9100": "tcp"}
        await daemons.follow()
        nrpe, tcp = str(wiring.ports[5666]), str(wiring.ports[9100])
        assert (await plugin("check_tcp", "-p", tcp))[0] == 0
        assert await plugin("check_nrpe", "-p", nrpe, "-c", "ntp-client.process") == (
            0,
            "PROCS OK: 1 process with command name 'chronyd'",
        )
        system.killed.append("chronyd")
        assert (await plugin("check_nrpe", "-p", nrpe, "-c", "ntp-client.process"))[0] == 2
        assert (await plugin("check_nrpe", "-p", nrpe, "-c", "other"))[0] == 3
        system.listens = {}
        await daemons.follow()
        assert (await plugin("check_tcp", "-p", tcp))[0] == 2
        daemons.close()

    asyncio.run(talk())
