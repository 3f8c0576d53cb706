"""The daemon of a role that left the plan ends; all others run on."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from engine.jigs.local import SERVICE, Daemons
from engine.runtime.left_daemons import LeftDaemons

LIMIT_S = 60.0


class FakeWorld:
    def __init__(self, *roles: str) -> None:
        self.bound: dict[str, Any] = {role: {("admin", role)} for role in roles}


def call(folder: Path, *words: str, role: str = "", code: int = 0) -> None:
    environment = {"PATH": os.environ["PATH"], "CROWBAR_STATE": str(folder), "CROWBAR_LIVES_WITH": str(os.getpid()), "CROWBAR_ROLE": role}
    done = subprocess.run(["sh", str(SERVICE), *words], env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == code, done.stderr


def pid(folder: Path, name: str) -> int:
    return int((folder / name / ".service/pid").read_text().split()[0])


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def until_gone(folder: Path, name: str, left: LeftDaemons) -> None:
    end = time.monotonic() + LIMIT_S
    while (folder / name / ".service").exists() or left._ending:
        assert time.monotonic() < end, f"{name} is not forgotten"
        left.look()
        time.sleep(0.05)


def test_a_daemon_ends_with_its_role(tmp_path: Path) -> None:
    world = FakeWorld("log-server", "ntp-server")
    left = LeftDaemons(lambda: world, Daemons(folder=tmp_path))  # type: ignore[arg-type,return-value]  # a fake
    try:
        for name, role in (("logging", "log-server"), ("ntp", "ntp-server")):
            call(tmp_path, "up", name, "--", "sleep", "1000", role=role)
        logging, ntp = pid(tmp_path, "logging"), pid(tmp_path, "ntp")
        left.look()
        world.bound["log-server"] = set()
        until_gone(tmp_path, "logging", left)
        assert not running(logging)
        assert running(ntp)
        call(tmp_path, "check", "ntp", role="ntp-server")
        world.bound["log-server"] = {("admin", "log-server")}
        call(tmp_path, "up", "logging", "--", "sleep", "1000", role="log-server")
        left.look()
        call(tmp_path, "check", "logging", role="log-server")
    finally:
        for name in ("logging", "ntp"):
            call(tmp_path, "down", name)


def test_a_daemon_of_an_earlier_version_is_known_from_its_next_check_on(tmp_path: Path) -> None:
    world = FakeWorld("ntp-server")
    left = LeftDaemons(lambda: world, Daemons(folder=tmp_path))  # type: ignore[arg-type,return-value]  # a fake
    try:
        call(tmp_path, "up", "ntp", "--", "sleep", "1000")
        world.bound.clear()
        left.look()
        assert not left._ending, "nobody knows whose it is"
        call(tmp_path, "check", "ntp", role="ntp-server")
        until_gone(tmp_path, "ntp", left)
    finally:
        call(tmp_path, "down", "ntp")
