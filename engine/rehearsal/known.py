"""The stores that this user has opened on this machine, so that `crowbar` without an argument finds every engine that runs, and every
rehearsal that can go on.

Each opened store has an entry in `$XDG_STATE_HOME/crowbar/stores` (`~/.local/state/crowbar/stores`): a file with the store's path. An entry
goes with its store. The file `stopped` in a store says that a person stopped its engine; a killed engine leaves none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct, ValidationError

from ..files.paths import absolute
from ..model import Revision
from ..plan import Plan, from_stored
from ..racks import RackFileWrong
from ..racks.kinds import parse
from ..store.file import held
from ..store.place import there
from ..store.store import Store, StoreError
from .repair import rack_beside

SERVICE_STORE = Path("/var/lib/crowbar/store")
"""The store of the Debian package's service."""
STOPPED = "stopped"
MOST = 200
"""Entries that are read, the newest first."""
LONGEST = 4096
"""Octets of a path (PATH_MAX of Linux)."""


class Crowbar(Struct, frozen=True, kw_only=True):
    """An engine that runs, or one that can go on."""

    store: Path
    runs: bool
    machines: int = 0
    """Machines of its virtual rack. 0: it serves real machines."""
    kind: str = ""
    """Of the virtual rack: `simulated` or `qemu`."""
    site: str = ""
    """The site's name in its plan. Empty: no plan, or it cannot be read."""


def _entries() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "crowbar" / "stores"


def remember(store: Path) -> None:
    """From now on `crowbar` finds this store. A user without a home directory has no entries."""
    with contextlib.suppress(OSError, RuntimeError):
        folder = _entries()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = hashlib.sha256(os.fsencode(store)).hexdigest()[:32]
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.write_bytes(os.fsencode(store))
        fresh.replace(folder / name)


@contextlib.contextmanager
def opened(store: Path) -> Iterator[None]:
    """Around the life of an engine: the store is found from now on, and says so if it is stopped as it should be."""
    remember(store)
    with contextlib.suppress(OSError):
        (store / STOPPED).unlink(missing_ok=True)
    yield
    with contextlib.suppress(OSError):
        (store / STOPPED).touch(mode=0o600)


def remembered() -> list[Path]:
    """The stores with an entry that still exist, the newest first. Removes entries of stores that are gone."""
    found: list[tuple[float, Path]] = []
    with contextlib.suppress(OSError, RuntimeError):
        for entry in _entries().iterdir():
            with contextlib.suppress(OSError, ValueError):
                about = entry.lstat()
                if entry.name.startswith(".") or not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
                    continue
                if about.st_size > LONGEST or not (store := Path(os.fsdecode(entry.read_bytes()))).is_absolute() or not _there(store):
                    entry.unlink()
                    continue
                found.append((about.st_mtime, store))
    return [store for _, store in sorted(found, reverse=True)[:MOST]]


def _there(store: Path) -> bool:
    """False if the store is gone. A store that may not be looked at is there."""
    try:
        return there(store) or rack_beside(store).is_dir()
    except OSError:
        return True


def find(usual: Path) -> list[Crowbar]:
    """Every engine that runs, and what can go on: the usual store if it has a plan, and what was neither stopped nor finished. The usual
    store comes first."""
    out: list[Crowbar] = []
    for store in _distinct([usual, SERVICE_STORE, *remembered()]):
        runs = held(store)
        plan = plan_of(store)
        if runs or (plan is not None and (store == usual or not (store / STOPPED).exists())):
            machines, kind = _rack(store)
            out.append(Crowbar(store=store, runs=runs, machines=machines, kind=kind, site=plan.site.name if plan is not None else ""))
    return out


def _distinct(stores: Iterable[Path]) -> list[Path]:
    seen: dict[str, Path] = {}
    for store in stores:
        seen.setdefault(os.path.realpath(absolute(store)), store)
    return list(seen.values())


def plan_of(store: Path) -> Plan | None:
    """The plan that is committed there. None: none, or the store cannot be read."""
    try:
        with Store.read(store) as reader:
            found = [one for one in reader.table("revisions").values() if isinstance(one, Revision)]
        return from_stored(max(found, key=lambda one: one.number).plan) if found else None
    except (StoreError, ValidationError, OSError):
        return None


def _rack(store: Path) -> tuple[int, str]:
    try:
        spec = parse((rack_beside(store) / "rack.yml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RackFileWrong):
        return 0, ""
    return spec.nodes, spec.kind


def is_rehearsal(store: Path) -> bool:
    return _rack(store)[0] > 0
