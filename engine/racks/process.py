"""`python -m engine.racks.process RACKDIR`: a rack, simulated or of QEMU machines, as a separate process, until it is told to stop.

The folder holds `rack.yml` (the rack's spec), `scenario.yml` (the faults; optional), `machines/*.json` (what survives power off in each
machine), `faults.json` (the faults that changed meanwhile), `rack.lock` (held while the process runs; its text is the process id),
`control.sock` (JSON lines, mode 0600) and `rack.log`.

Control: one request per line, `{"verb": "press", "words": ["all"]}`; one answer per line, `{"ok": true, ...}` or `{"ok": false, "error":
"..."}`. Verbs: status, machines, disks, press WHO, off WHO, reset WHO, soft WHO, fault WHO JSON, faulty, repair WHO, stop; for QEMU
machines also reached WHO PERCENT WORD...: what the engine saw of one, for the scenario.

A rack outlives the process that started it. But if the environment variable CROWBAR_RACK_ENDS_WITH holds a process id, the rack ends
when that process has ended. Tests set it, so that a killed test run leaves no machines behind.

Exit: 0 told to stop, 1 could not start (the last line of rack.log says why), 3 another process has this rack.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from .kinds import AnyRackSpec, parse
from .orders import WrongOrder
from .qemu.rack import QemuRack
from .qemu.spec import QemuRackSpec
from .scenario import Scenario, read
from .simulated.behaviours import BehaviourWrong
from .simulated.rack import SimulatedRack
from .simulated.spec import RackFileWrong

MAX_LINE = 64 * 1024
ENDS_WITH = "CROWBAR_RACK_ENDS_WITH"
log = logging.getLogger("rack")


class _Control:
    """The control socket of one rack."""

    def __init__(self, rack: SimulatedRack | QemuRack, stop: asyncio.Event) -> None:
        self._rack = rack
        self._stop = stop

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            log.info("control: a client was cut off: its line was too long, or it went away")
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            verb, words = asked["verb"], [str(word) for word in asked.get("words", [])]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {"ok": False, "error": 'not a request: expected {"verb": ..., "words": [...]}'}
        if verb == "stop":
            self._stop.set()
            return {"ok": True}
        try:
            return {"ok": True, **await self._rack.order(str(verb), words)}
        except WrongOrder as wrong:
            return {"ok": False, "error": str(wrong)}


async def run(folder: Path, spec: AnyRackSpec, scenario: Scenario | None = None) -> None:
    """Starts the rack and drives it until it is told to stop. Raises the errors of the rack's `start`."""
    rack: SimulatedRack | QemuRack
    if isinstance(spec, QemuRackSpec):
        rack = QemuRack(folder, spec, scenario)
    else:
        rack = SimulatedRack(folder, spec, scenario)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _end_with(os.environ.get(ENDS_WITH, ""), loop, stop)
    try:
        await rack.start()
        with _control_path(folder) as path:
            server = await asyncio.start_unix_server(_Control(rack, stop).serve, path=path, limit=MAX_LINE)
            os.chmod(path, 0o600)
            log.info("rack of %d machines is up, process %d", spec.nodes, os.getpid())
            await stop.wait()
            server.close()
    finally:
        await rack.close()
        log.info("counts: %s", json.dumps(rack.counts()))


def _end_with(owner: str, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Sets `stop` when the process with that id has ended; at once if there is none. Empty or not a number: never."""
    if not owner.isdigit():
        return
    try:
        there = os.pidfd_open(int(owner))
    except ProcessLookupError:
        log.info("process %s, with which this rack ends, is gone", owner)
        stop.set()
        return

    def ended() -> None:
        log.info("process %s has ended, and this rack ends with it", owner)
        loop.remove_reader(there)
        os.close(there)
        stop.set()

    loop.add_reader(there, ended)  # a pidfd can be read when its process has ended (pidfd_open(2))


@contextmanager
def _control_path(folder: Path) -> Iterator[str]:
    """The path of a Unix socket has room for 107 bytes; a path through the open folder always fits."""
    near = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    path = f"/proc/self/fd/{near}/control.sock"
    with suppress(FileNotFoundError):
        os.unlink(path)
    try:
        yield path
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)
        os.close(near)


def lock(folder: Path) -> IO[str] | None:
    """The folder's lock, to keep open. None if another process has it."""
    file = open(folder / "rack.lock", "a+", encoding="ascii")  # noqa: SIM115 - it is held for the life of the process
    for left in range(20, -1, -1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not left:
                file.close()
                return None
            time.sleep(0.05)  # a process that checks for a rack holds the lock for an instant
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m engine.racks.process RACKDIR", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = lock(folder)
    if held is None:
        log.error("another process has the rack in %s", folder)
        return 3
    try:
        spec = parse((folder / "rack.yml").read_text(encoding="utf-8"))
        file = folder / "scenario.yml"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        scenario = read(text, file.name, spec.nodes, spec.kind) if text else None
        asyncio.run(run(folder, spec, scenario))
    except (OSError, RackFileWrong, BehaviourWrong, WrongOrder, ValueError, msgspec.DecodeError) as wrong:
        log.error("the rack could not start: %s", wrong)
        return 1
    finally:
        held.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
