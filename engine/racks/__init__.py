"""Rehearsal racks, for an engine or a command: `create` a folder for one, `start` its process, `connect` to it.

A rack is a separate process. It outlives the process that started it, and is found again by its folder. Loopback racks (`lane`) work
without root; see `process` for the folder, and `simulated.spec` and `qemu.spec` for `rack.yml`.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import namespace
from .kinds import AnyRackSpec, parse, render
from .qemu.spec import QemuRackSpec
from .simulated.spec import BmcAccess, Faults, RackFileWrong, SimulatedRackSpec

__all__ = [
    "AnyRackSpec",
    "BmcAccess",
    "Faults",
    "QemuRackSpec",
    "RackError",
    "RackFileWrong",
    "RehearsalRack",
    "SimulatedRackSpec",
    "connect",
    "create",
    "start",
]

START_S = 120.0
"""A busy machine needs a minute to start one. A process that cannot start the rack ends, and that is seen at once."""


class RackError(Exception):
    """The rack cannot be reached, or it refused. The text says what to do."""


class RehearsalRack:
    """A running rack. Every method raises RackError if it is gone or refuses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(self, verb: str, *words: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """One request over the control socket."""
        try:
            near = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as wrong:
            raise RackError(f"no rack in {self.folder}: {wrong.strerror}") from wrong
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(timeout_s)
                sock.connect(f"/proc/self/fd/{near}/control.sock")
                sock.sendall(json.dumps({"verb": verb, "words": list(words)}).encode() + b"\n")
                with sock.makefile("rb") as answers:
                    line = answers.readline()
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as wrong:
            raise RackError(f"the rack in {self.folder} does not answer: {wrong or 'nothing came'}") from wrong
        finally:
            os.close(near)
        if not answer.pop("ok", False):
            raise RackError(str(answer.get("error", "refused")))
        return answer

    @property
    def pid(self) -> int:
        """Id of the rack's process; 0 if there is none."""
        return _holder(self.folder) or 0

    def status(self) -> dict[str, Any]:
        """`nodes`, `on`, `running` {environment: number}, `boots`, `counters`."""
        return self.ask("status")

    def machines(self) -> list[dict[str, Any]]:
        """Name, power, environment, screen, address, boots, mac, uuid, serial, product, bmc, bmc_protocol, bios, installed, hostname."""
        return list(self.ask("machines")["machines"])

    def disks(self) -> list[dict[str, Any]]:
        """Machine, name, serial, kind (`disk`, `volume`), wipes, signature, system; of all disks and volumes."""
        return list(self.ask("disks")["disks"])

    def press(self, who: str = "all") -> list[str]:
        """Presses power buttons: powers on what is off. Returns the names of those machines."""
        return list(self.ask("press", who)["pressed"])

    def off(self, who: str = "all") -> None:
        """Pulls the power."""
        self.ask("off", who)

    def reset(self, who: str = "all") -> None:
        self.ask("reset", who)

    def fault(self, who: str, **faults: Any) -> None:
        """Sets faults (`spec.Faults`) of machines from now on."""
        self.ask("fault", who, json.dumps(faults))

    def faulty(self) -> list[dict[str, Any]]:
        """Name, mac, uuid, serial and `faults` of each machine with something to repair."""
        return list(self.ask("faulty")["faulty"])

    def repair(self, who: str) -> list[dict[str, Any]]:
        """Repairs a machine. Name, mac, uuid, serial and what was `done`, of it and of machines whose cables had to move."""
        return list(self.ask("repair", who)["repaired"])

    def stop(self, timeout_s: float = 30.0) -> None:
        """Ends the process and waits until it is gone. At the next start, machines that were on start as after a power failure."""
        pid = self.pid
        self.ask("stop")
        _await(lambda: _holder(self.folder) is None, timeout_s, f"the rack in {self.folder} does not stop")
        _reap(pid)

    def kill(self, timeout_s: float = 30.0) -> None:
        """`kill -9`, for tests of what the rack itself stores."""
        if (pid := self.pid) > 1:
            os.kill(pid, signal.SIGKILL)
            _await(lambda: _holder(self.folder) is None, timeout_s, f"process {pid} does not die")
            _reap(pid)


def create(directory: str | Path, spec: AnyRackSpec, scenario: str = "") -> Path:
    """Makes the folder of a rack, its `rack.yml` and the text of its scenario. The same again changes nothing; another one is
    refused.

    Raises RackError, RackFileWrong, OSError."""
    folder = Path(directory)
    text = render(spec)
    parse(text)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "rack.yml"
    if file.exists():
        if parse(file.read_text(encoding="utf-8")) != spec:
            raise RackError(f"there is another rack in {folder}: use another folder, or delete it")
        if scenario and (not (folder / "scenario.yml").exists() or (folder / "scenario.yml").read_text(encoding="utf-8") != scenario):
            raise RackError(f"the rack in {folder} was begun with another scenario: use another folder, or delete it")
        return folder
    if scenario:
        (folder / "scenario.yml").write_text(scenario, encoding="utf-8")
    new = folder / "rack.yml.new"
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(file)
    return folder


def start(directory: str | Path) -> RehearsalRack:
    """The running rack of a folder. Starts its process, detached, if there is none. Raises RackError."""
    folder = Path(directory).resolve()
    if not (folder / "rack.yml").is_file():
        raise RackError(f"no rack in {folder}: it has no rack.yml")
    rack = RehearsalRack(folder)
    end = time.monotonic() + START_S
    pid = 0
    while True:
        if _holder(folder) is not None:
            with suppress(RackError):
                rack.status()
                return rack
        elif pid and _ended(pid):
            if _holder(folder) is None:
                raise RackError(f"the rack in {folder} did not start: {_last_line(folder / 'rack.log')}")
        elif not pid:
            pid = _spawn(folder)
        if time.monotonic() > end:
            raise RackError(f"the rack in {folder} is not up after {START_S:.0f} s: see rack.log there")
        time.sleep(0.02)


def connect(directory: str | Path) -> RehearsalRack:
    """The running rack of a folder. Raises RackError if none runs there."""
    folder = Path(directory).resolve()
    if _holder(folder) is None:
        raise RackError(f"no rack runs in {folder}")
    rack = RehearsalRack(folder)
    rack.status()
    return rack


def _spawn(folder: Path) -> int:
    """Not with `subprocess`: the process must outlive us, and nobody waits for it."""
    words = [sys.executable, "-m", "engine.racks.process", str(folder)]
    if parse((folder / "rack.yml").read_text(encoding="utf-8")).lane is None:
        try:
            words = namespace.owner_command(folder)
        except namespace.NoNamespace as wrong:
            raise RackError(f"the rack in {folder} wants a network namespace, and {wrong}") from wrong
    code = Path(__file__).resolve().parent.parent.parent
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH", "")]))
    output = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        words[0],
        words,
        {**os.environ, "PYTHONPATH": path},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(folder / "rack.log"), output, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _holder(folder: Path) -> int | None:
    """The process that holds the folder's lock. None if no process does, 0 if it has not written its id yet."""
    try:
        with open(folder / "rack.lock", "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read(32).strip()
                return int(text) if text.isdigit() else 0
            return None
    except FileNotFoundError:
        return None


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _reap(pid: int) -> None:
    """A process that we started ourselves stays a zombie until it is waited for."""
    if pid > 0:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _await(so: Any, timeout_s: float, otherwise: str) -> None:
    end = time.monotonic() + timeout_s
    while not so():
        if time.monotonic() > end:
            raise RackError(otherwise)
        time.sleep(0.02)


def _last_line(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "see rack.log there"
    return lines[-1][:300] if lines else "it said nothing"
