"""Log files of the store and of a rehearsal's rack: a list per node, and the end of a file. Reads files; runs in threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.api.views import console_files

from . import terminal_text

TAIL = 128 * 1024
"""Bytes of a log that the console shows."""


class LogFile(NamedTuple):
    label: str
    path: Path
    at: float
    """Time of the last write."""
    kind: str
    """`attempt`, `system`, `console` (recorded through the BMC) or `serial` (of a rehearsal's rack)."""
    role: str = ""


class Attempted(NamedTuple):
    role: str
    attempt: str
    state: str


class Tail(NamedTuple):
    lines: tuple[str, ...]
    size: int
    """Size of the file in bytes."""
    cut: bool
    """True if the beginning is not shown."""


def of_node(store: Path, attempted: Sequence[Attempted], identity: Sequence[str], name: str, node: str = "") -> list[LogFile]:
    """Logs of the last attempts of the node's roles, newest first, then its system log, then those of its serial console. `identity`:
    UUID, serial, MACs. `name`: the node's full name. `node`: its id."""
    out = []
    folder = store / "logs"
    for one in attempted:
        for path in folder.glob(f"{one.attempt}.*.log") if one.attempt else ():
            leg = path.name.removeprefix(f"{one.attempt}.").removesuffix(".log")
            with contextlib.suppress(OSError):
                about = path.stat()
                label = f"{one.role}, attempt {one.attempt}{f' leg {leg}' if leg not in ('0', '1') else ''}"
                out.append(LogFile(label, path, about.st_mtime, "attempt", one.role))
        out += last_look(folder, one)
    out.sort(key=lambda one: -one.at)
    return [*out, *system(store, name), *recorded(store, node), *serial(store, identity)]


def last_look(folder: Path, one: Attempted) -> list[LogFile]:
    """The newest log of a look at the active role (`watch`). Looks that find nothing wrong print nothing, and leave no log."""
    found = []
    for path in folder.glob(f"{one.attempt}-w*.1.log") if one.attempt else ():
        with contextlib.suppress(OSError):
            found.append(LogFile(f"{one.role}, look at attempt {one.attempt}", path, path.stat().st_mtime, "attempt", one.role))
    return sorted(found, key=lambda file: file.at)[-1:]


def system(store: Path, name: str) -> list[LogFile]:
    """The system log that the node sends to the admin node (barclamp `logging`), the present file first."""
    out = []
    folder = store / "services" / "logging" / "nodes"
    for number in range(10):
        path = folder / (f"{name}.log.{number}" if number else f"{name}.log")
        with contextlib.suppress(OSError):
            out.append(LogFile(f"system log{f', {number} before' if number else ''}", path, path.stat().st_mtime, "system"))
    return out


def recorded(store: Path, node: str) -> list[LogFile]:
    """The serial console as the engine recorded it through the BMC, the present file first."""
    out = []
    for number, path in enumerate(console_files(store, node)):
        with contextlib.suppress(OSError):
            label = f"serial console by its BMC{f', {number} before' if number else ''}"
            out.append(LogFile(label, path, path.stat().st_mtime, "console"))
    return out


def serial(store: Path, identity: Sequence[str]) -> list[LogFile]:
    """Logs of a rehearsal machine. Empty if no rack keeps any."""
    if not (store.with_name(store.name + ".rack") / "machines").is_dir():
        return []
    from engine.api.control import RackError, connect, machine_of, rack_beside, serial_logs

    rack = rack_beside(store)
    try:
        machine = machine_of(connect(rack).machines(), identity)
    except RackError:
        return []
    found = serial_logs(rack, machine) if machine else []
    return [LogFile(f"serial console, start {one.boot}", one.path, one.at, "serial") for one in found]


def tail(path: Path, size: int = TAIL) -> Tail:
    """The end of a file. Raises OSError."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(length - size, 0))
        data = file.read(size)
    if length > size:
        data = data.partition(b"\n")[2]
    return Tail(tuple(terminal_text.lines(data.decode("utf-8", "replace"))), length, length > size)
