"""What a SAN's delegate keeps on its machine: which LUNs there are, what it exposed, and the files that hold the data.

Rules
* A LUN is in the list before its data has a place, and leaves it after its data is gone. So a kill at any step leaves nothing unknown.
* A LUN whose data is missing is never made anew: an empty disk in its place would look like the node's own.
* Both files have the mode 0600: the second one holds CHAP secrets, so that a reboot can restore what was exposed.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
from pathlib import Path

from san_model import Export, Lun, SanError, Unit

RESERVE = 64 << 20
"""Bytes that stay free in the file system of the pool."""


class Store:
    """The two files of one SAN, in `folder`."""

    def __init__(self, folder, san):
        self.folder, self._luns, self._exposed = folder, folder / f"{san}.luns.json", folder / f"{san}.exposed.json"

    @contextlib.contextmanager
    def locked(self):
        """One delegate at a time. Raises SanError if another one works."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.folder / ".lock", "w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SanError("another delegate works on this SAN now") from None
            yield

    def luns(self):
        return {one["node"] + "/" + one["name"]: Lun(**one) for one in self._read(self._luns, [])}

    def keep(self, luns):
        self._write(self._luns, [dataclasses.asdict(luns[name]) for name in sorted(luns)])

    def exposed(self):
        """Target -> what was exposed last, with its secret."""
        return {one["target"]: _export(one) for one in self._read(self._exposed, [])}

    def keep_exposed(self, exports):
        rows = [
            {**dataclasses.asdict(one), "units": {str(n): dataclasses.asdict(unit) for n, unit in one.units.items()}} for one in exports
        ]
        self._write(self._exposed, rows)

    def _read(self, file, default):
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return default
        except (OSError, ValueError) as error:
            raise SanError(f"{file} cannot be read: {error}") from None

    def _write(self, file, value):
        fresh = file.with_name(file.name + ".new")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
                json.dump(value, out, indent=1, sort_keys=True)
                out.flush()
                os.fsync(out.fileno())
            os.replace(fresh, file)
        except OSError as error:
            raise SanError(f"{file} cannot be written: {error.strerror}") from None


def _row(one):
    units = {str(number): dataclasses.asdict(unit) for number, unit in one.units.items()}
    return {"target": one.target, "initiator": one.initiator, "user": one.user, "units": units, "secret": one.secret}


def _export(one):
    units = {int(number): Unit(**unit) for number, unit in one["units"].items()}
    return Export(one["target"], one["initiator"], one["user"], units, one["secret"])


class Pool:
    """A folder of files, one for each LUN, with all their room reserved."""

    def __init__(self, folder, own):
        """`own`: the folder is the default one, which is made. Another one must be there: it may be a mount that is missing."""
        self._folder = folder
        if own:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not folder.is_dir():
            raise SanError(f"the pool {folder} is not there: mount it, or correct `pool` in san-access")

    def path(self, lun):
        return str(self._folder / f"{lun.node}.{lun.name}.{lun.serial}.img")

    def has(self, lun):
        path = Path(self.path(lun))
        return path.is_file() and path.stat().st_size == lun.size

    def make(self, lun):
        room = os.statvfs(self._folder)
        free = room.f_bavail * room.f_frsize - RESERVE
        if lun.size > free:
            raise SanError(f"{self._folder} has room for {max(free, 0)} bytes, and {lun.id} needs {lun.size}")
        fresh = self.path(lun) + ".new"
        try:
            number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.posix_fallocate(number, 0, lun.size)
                os.fsync(number)
            finally:
                os.close(number)
            os.replace(fresh, self.path(lun))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            why = "no room is left" if error.errno == errno.ENOSPC else error.strerror
            raise SanError(f"{lun.id} cannot be made in {self._folder}: {why}") from None

    def remove(self, lun):
        try:
            Path(self.path(lun)).unlink(missing_ok=True)
        except OSError as error:
            raise SanError(f"{self.path(lun)} cannot be removed: {error.strerror}") from None
