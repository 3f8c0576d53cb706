"""Reads what Nagios says, and makes findings of it.

Nagios replaces its status file every five seconds. The file is read as a stranger's: a plain file, bounded, no link followed. Without
Nagios in the plan this costs a look at the roles that have checks.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from ..core.monitor.alarms import Row, changes, cleared, rows
from ..core.world.world import World
from ..definitions import Json
from ..events import Event, Found
from ..model import Key
from ..reasons import Reason
from ..views.monitor_view import SILENT_S, monitoring, status_file, trouble
from ..wire.nagios_status import MOST_BYTES, NagiosStatus, parse_status


class _Read(Struct, frozen=True, kw_only=True):
    """What was read last."""

    status: NagiosStatus = NagiosStatus(created=0.0)
    stamp: tuple[int, int, int] = (0, 0, 0)
    """Inode, size and time of change of the file."""
    failure: str = ""
    rows: tuple[Row, ...] = ()
    """What it said of the world at the last look: a console asks every second, and thousands of rows take a tenth of one."""


class Monitoring:
    """`look` is called every few seconds by one thread, `shown` by any. `wall`: seconds since 1970."""

    def __init__(self, world: Callable[[], World], submit: Callable[[Event], bool], wall: Callable[[], float] = time.time) -> None:
        self._world, self._submit, self._wall = world, submit, wall
        self._read = _Read()

    def look(self) -> None:
        """Reads the file if it changed, and submits the findings that differ."""
        world = self._world()
        path = status_file(world)
        if not path:
            self._read = _Read()
            self._find(cleared(world))
            return
        read = _look(path, self._read)
        self._read = read = replace(read, rows=tuple(rows(world, read.status)))
        if not read.failure and self._wall() - read.status.created <= SILENT_S:
            self._find(changes(world, read.rows))

    def _find(self, found: list[tuple[Key, Reason | None]]) -> None:
        for (node, role), reason in found:
            self._submit(Found(node=node, role=role, finding=reason))

    def shown(self) -> dict[str, Json]:
        """See `views.monitor_view.monitoring`."""
        world, read = self._world(), self._read
        why = trouble(world, read.status.created, read.failure, self._wall())
        return monitoring(world, read.rows, read.status.created, why)


def _look(path: str, before: _Read) -> _Read:
    """What the file says now. A file that is not there yet says nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return _Read()
    except OSError as error:
        return _Read(failure=f"{path}: {error.strerror}")
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return _Read(failure=f"{path} is no plain file")
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if stamp == before.stamp:
            return before
        try:
            return _Read(status=parse_status(file.read(MOST_BYTES + 1)), stamp=stamp)
        except ValueError as error:
            return _Read(stamp=stamp, failure=f"{path}: {error}")
        except OSError as error:
            return _Read(failure=f"{path}: {error.strerror}")
