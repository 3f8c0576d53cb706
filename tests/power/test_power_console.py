"""Serial over LAN: from OpenIPMI's `ipmi_sim` with a real serial line, and from the simulated BMC."""

from __future__ import annotations

import os
import pty
import shutil
import socket
import subprocess
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ipmi_rig import QUICK, power_of

from engine.power import PowerDone, PowerFailed
from engine.power.ipmi_console import SolConsole

_LAN = """name "console"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_admin none md2 md5 straight
  guid a123456789abcdefa123456789abcdef
endlan
user 2 true "root" "calvin" admin 10 none md2 md5 straight
sol "{line}" 115200
"""
_EMULATION = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n"


class Line(NamedTuple):
    port: int
    machine: int
    """The machine's end of its serial line."""


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    program = shutil.which("ipmi_sim")
    if program is None:
        pytest.skip("ipmi_sim is not installed (Debian package openipmi)")
    machine, bmc = pty.openpty()
    tty.setraw(machine)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (tmp_path / "lan.conf").write_text(_LAN.format(port=port, line=os.ttyname(bmc)))
    (tmp_path / "sim.emu").write_text(_EMULATION)
    (tmp_path / "kept").mkdir()
    with (tmp_path / "out").open("w") as out:
        command = [program, "-c", "lan.conf", "-f", "sim.emu", "-s", "kept", "-n"]
        process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while not isinstance(read := power_of(port).read(), PowerDone) and "unreachable" in str(read):
            assert time.monotonic() < deadline, (tmp_path / "out").read_text()
            assert process.poll() is None, (tmp_path / "out").read_text()
        yield Line(port, machine)
    finally:
        process.terminate()
        process.wait(60)
        os.close(machine)
        os.close(bmc)


def opened(port: int, take: bool = False) -> SolConsole:
    found = power_of(port, pace=QUICK).console(take)
    assert isinstance(found, SolConsole), found
    return found


def until(console: SolConsole, text: bytes) -> bytes:
    out, deadline = b"", time.monotonic() + 60
    while text not in out:
        assert time.monotonic() < deadline, out
        out += console.read(0.5)
    return out


@pytest.mark.client
def test_what_a_machine_prints_is_read(line: Line) -> None:
    console = opened(line.port)
    os.write(line.machine, b"\x1b[2Jbooting\r\n")
    assert b"booting" in until(console, b"\n")
    many = b"".join(b"line %05d\r\n" % n for n in range(500))
    os.write(line.machine, many)
    assert many in until(console, b"line 00499\r\n"), "nothing is lost or doubled"
    assert isinstance(power_of(line.port).read(), PowerDone | PowerFailed)
    console.close()
    opened(line.port).close()


@pytest.mark.client
def test_a_console_that_another_has_is_left_alone_unless_it_is_to_be_taken(line: Line) -> None:
    first = opened(line.port)
    refused = power_of(line.port).console(False)
    assert isinstance(refused, PowerFailed)
    assert refused.message == "another session has the serial console"
    second = opened(line.port, take=True)
    os.write(line.machine, b"hello\r\n")
    until(second, b"hello")
    second.close()
    first.close()
