"""Which barclamps a site imported: `STORE/barclamps/index.json`, and the folder of each.

    STORE/barclamps/
      index.json                   what counts; replaced by rename
      NAME/VERSION-DIGEST/NAME/    the files of one import, never changed
      .new-..                      an import that is under way, or was killed

The index is the commit: a folder that it does not name does not exist for the engine. So a kill at any moment leaves the catalogue
before or the one after. Of several versions of a barclamp the highest counts.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from ...store.errors import from_os
from ..key_file import replace
from ..mistakes import CatalogError, PlanMistake
from ..spelling import NAME, VERSION

FOLDER = "barclamps"
STAGES = "stages.yml"
KEPT = (FOLDER, STAGES)
"""What of a store belongs to the site, not to a run."""
_INDEX = "index.json"
_LOCK = ".lock"
_LARGEST = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Imported(Struct, frozen=True, kw_only=True):
    """One version of a barclamp that was imported."""

    name: str
    version: str
    sha256: str
    """`content.digest` of its files."""
    origin: str
    at: float
    """Seconds since 1970."""

    def folder(self, store: Path) -> Path:
        """The folder that holds the barclamp's own folder."""
        return store / FOLDER / self.name / f"{self.version}-{self.sha256[:12]}"

    @property
    def order(self) -> tuple[tuple[int, ...], str]:
        """Sorts versions: by their numbers, so that 1.10 is above 1.9."""
        numbers = [int(part) for part in self.version.split(".")]
        while numbers and not numbers[-1]:
            numbers.pop()
        return tuple(numbers), self.version


class _Index(Struct, frozen=True, kw_only=True):
    crowbar: int = 1
    barclamps: tuple[Imported, ...] = ()


def imports(store: Path) -> tuple[Imported, ...]:
    """All imports, sorted by name and version. Empty if there are none. Raises CatalogError for a damaged index, StoreError for one that
    cannot be read."""
    file = store / FOLDER / _INDEX
    try:
        with file.open("rb") as stream:
            text = stream.read(_LARGEST + 1)
        found = msgspec.json.decode(text, type=_Index)
        if len(text) > _LARGEST or found.crowbar != 1 or not all(map(_sound, found.barclamps)):
            raise ValueError("it has other words than this program writes")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise from_os(error, file) from error
    except ValueError as error:
        why = f"this list of imports cannot be used ({error}): restore a copy of it, or move it away and import the barclamps again"
        raise CatalogError([PlanMistake(file=str(file), line=1, path="", expected=why)]) from error
    return tuple(sorted(found.barclamps, key=lambda one: (one.name, one.order)))


def _sound(one: Imported) -> bool:
    return bool(NAME.fullmatch(one.name) and VERSION.fullmatch(one.version) and _DIGEST.fullmatch(one.sha256))


def active(every: Iterable[Imported]) -> dict[str, Imported]:
    """Name -> its highest version."""
    return {one.name: one for one in sorted(every, key=lambda one: (one.name, one.order))}


def write(store: Path, every: Iterable[Imported]) -> None:
    """Makes these the imports of the site, in one step. Raises OSError."""
    body = msgspec.json.format(msgspec.json.encode(_Index(barclamps=tuple(every))), indent=1)
    replace(store / FOLDER / _INDEX, body + b"\n", 0o644)


@contextmanager
def locked(store: Path) -> Iterator[Path]:
    """One import or removal at a time; the next one waits. Yields the folder of imports, which exists then. Raises OSError."""
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = store / FOLDER
    folder.mkdir(mode=0o755, exist_ok=True)
    handle = os.open(folder / _LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        if os.geteuid() == 0:
            _give(folder, store)
        os.close(handle)


def _give(folder: Path, store: Path) -> None:
    """Root imports into the store of another user: that user can remove it again."""
    about = store.stat()
    for here, folders, names in os.walk(folder):
        for place in (here, *(os.path.join(here, name) for name in (*folders, *names))):
            os.chown(place, about.st_uid, about.st_gid, follow_symlinks=False)
