"""Log files that the store and a rehearsal's rack keep: which there are of a node, and their ends. Reads files; called from threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import teletype

TAIL = 128 * 1024
"""Octets of a log that are shown."""


class LogFile(NamedTuple):
    label: str
    path: Path
    at: float
    """When something was written last."""
    kind: str
    """`attempt` or `serial`."""
    role: str = ""


class Attempted(NamedTuple):
    role: str
    attempt: str
    state: str


class Tail(NamedTuple):
    lines: tuple[str, ...]
    size: int
    """Of the file, in octets."""
    cut: bool
    """The beginning is not shown."""


def of_node(store: Path, attempted: Sequence[Attempted], identity: Sequence[str]) -> list[LogFile]:
    """The logs of its roles' last attempts, newest first, then those of its serial console. `identity`: UUID, serial, MACs."""
    out = []
    folder = store / "logs"
    for one in attempted:
        for path in folder.glob(f"{one.attempt}.*.log") if one.attempt else ():
            leg = path.name.removeprefix(f"{one.attempt}.").removesuffix(".log")
            with contextlib.suppress(OSError):
                about = path.stat()
                label = f"{one.role}, attempt {one.attempt}{f' leg {leg}' if leg not in ('0', '1') else ''}"
                out.append(LogFile(label, path, about.st_mtime, "attempt", one.role))
    out.sort(key=lambda one: -one.at)
    return [*out, *serial(store, identity)]


def serial(store: Path, identity: Sequence[str]) -> list[LogFile]:
    """Of a rehearsal's machine; none where there is no rack that keeps them."""
    if not (store.with_name(store.name + ".rack") / "machines").is_dir():
        return []
    from engine.face import RackError, connect, machine_of, rack_beside, serial_logs

    rack = rack_beside(store)
    try:
        machine = machine_of(connect(rack).machines(), identity)
    except RackError:
        return []
    found = serial_logs(rack, machine) if machine else []
    return [LogFile(f"serial console, start {one.boot}", one.path, one.at, "serial") for one in found]


def tail(path: Path, size: int = TAIL) -> Tail:
    """Raises OSError."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(length - size, 0))
        data = file.read(size)
    if length > size:
        data = data.partition(b"\n")[2]
    return Tail(tuple(teletype.lines(data.decode("utf-8", "replace"))), length, length > size)
