"""A folder that stands for a machine, with the agent on it and the fake engine beside it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_engine import Engine
from node_shell import NODE, Attempts, Shell, found, until

NONCE = "n0nce-of-this-boot"
QUICK = {"CROWBAR_DELAY_S": "0", "CROWBAR_REFUSED_S": "0", "CROWBAR_SIGN_S": "1", "CROWBAR_WATCH_S": "1"}


class Node:
    """A folder that stands for a machine, and the agent on it."""

    def __init__(self, shell: Shell, folder: Path, engine: Engine) -> None:
        self.attempts = Attempts(shell, folder)
        self.shell = shell
        self.engine = engine
        self.root = self.attempts.root
        self.said = folder / "said"
        url = f"http://127.0.0.1:{engine.port}"
        self.write("proc/cmdline", f"quiet crowbar.url={url} crowbar.nonce={NONCE} crowbar.env=sledgehammer * x=\n")
        self.write("sys/class/dmi/id/product_uuid", "4c4c4544-0042-3510-8053-b4c04f4d3732\n")
        self.write("sys/class/dmi/id/product_serial", 'SN"7\\\n')
        self.write("sys/class/dmi/id/chassis_serial", "CHASSIS\n")
        for name, mac, real in (
            ("lo", "00:00:00:00:00:00", False),
            ("eno2", "52:54:00:00:00:02", True),
            ("eno1", "52:54:00:00:00:01", True),
            ("br0", "52:54:00:00:00:99", False),
        ):
            self.write(f"sys/class/net/{name}/address", mac + "\n")
            if real:
                (self.root / f"sys/class/net/{name}/device").mkdir()
        # The second port of a bond shows the bond's address.
        self.write("sys/class/net/eno3/address", "52:54:00:00:00:01\n")
        self.write("sys/class/net/eno3/bonding_slave/perm_hwaddr", "52:54:00:00:00:03\n")
        (self.root / "sys/class/net/eno3/device").mkdir()
        self.process: subprocess.Popen[bytes] | None = None
        self.env = {**self.attempts.env, **QUICK}

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def stub(self, name: str) -> Path:
        """A command that notes how it was called."""
        note = self.said.parent / f"{name}.called"
        tool = self.said.parent / "tools" / name
        tool.unlink(missing_ok=True)
        tool.write_text(f'#!/bin/sh\necho "$@" >>"{note}"\n')
        tool.chmod(0o755)
        return note

    def clock(self, seconds: int, ticks: int = 0) -> tuple[Path, Path]:
        """A clock that stands still until it is set, or goes on by `ticks` seconds each time it is read; the file that holds it, and what was
        said to the hardware's."""
        held = self.said.parent / "clock"
        held.write_text(f"{seconds}\n")
        tool = self.said.parent / "date"
        tool.write_text(
            f'#!/bin/sh\ncase $* in +%s) now=$(cat "{held}"); echo "$now"; echo "$((now + {ticks}))" >"{held}" ;; "-u -s @"*) echo "${{3#@}}" >"{held}" ;; *) exit 1 ;; esac\n'
        )
        tool.chmod(0o755)
        hardware = self.stub("hwclock")
        self.env |= {"CROWBAR_DATE": str(tool), "CROWBAR_HWCLOCK": str(self.said.parent / "tools" / "hwclock")}
        return held, hardware

    def agent(self, *words: str) -> subprocess.Popen[bytes]:
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [*self.shell.words, str(NODE / "agent"), *words],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return self.process

    def kill(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def until(self, met: Callable[[], Any], what: str) -> Any:
        try:
            return until(met, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said.read_text()}") from None


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    engine.up()
    yield engine
    engine.down()


def node_with(client: str, folder: Path, engine: Engine) -> Node:
    if client == "busybox":
        return Node(Shell("busybox", folder), folder, engine)
    found(client)
    other = "wget" if client == "curl" else "curl"
    return Node(Shell("dash", folder, without=(other,)), folder, engine)


@pytest.fixture(params=["curl", "wget", "busybox"])
def node(request: pytest.FixtureRequest, tmp_path: Path, engine: Engine) -> Iterator[Node]:
    node = node_with(request.param, tmp_path, engine)
    yield node
    node.kill()


@pytest.fixture
def curl_node(tmp_path: Path, engine: Engine) -> Iterator[Node]:
    node = node_with("curl", tmp_path, engine)
    yield node
    node.kill()
