"""Imports barclamps into a site's catalogue, and takes them back. An engine that runs keeps the catalogue with which it started.

Rules
* An import is read together with everything that is there, before anything counts. A barclamp that is shipped, a role, an attribute or a
  path of another barclamp, and the same version with other content are refused.
* Nothing that the plan in force or a node uses goes away (`use`).
* The files of a removed version stay while an engine runs on the store, because it still uses them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, structs

from ...definitions import Catalog
from ...store.file import held, sync
from ..catalog import SHIPPED, shipped
from ..mistakes import CatalogError, nearest
from .content import BarclampError, digest, digest_of_folder
from .index import FOLDER, KEPT, Imported, active, imports, locked, write
from .site import of_imports, site_catalog
from .sources import Source
from .use import refuse_loss


class Done(Struct, frozen=True, kw_only=True):
    """What an import or a removal did."""

    barclamps: tuple[Imported, ...]
    """Those that were handed over or removed."""
    new: tuple[Imported, ...] = ()
    """Of an import: those that were not there before."""
    idle: tuple[Imported, ...] = ()
    """Those of which a higher version is there, so that they do not count yet."""
    running: bool = False
    """An engine runs on the store: it keeps its catalogue until its next start."""


def check(store: Path, source: Source) -> Catalog:
    """The catalogue of the site with the source's barclamps. Nothing is written into the store. Raises CatalogError, OSError."""
    with tempfile.TemporaryDirectory(prefix="crowbar-check-") as made, _of_source(source, Path(made)):
        others = [one for one in active(imports(store)).values() if one.name not in source.barclamps]
        return of_imports(store, others, source.put(Path(made)))


def import_source(store: Path, source: Source, moved: Callable[[int, int], None] = lambda _done, _all: None) -> Done:
    """Adds the barclamps of a source to the site's catalogue, all or none. `moved` gets how many are in place, and of how many.
    Raises BarclampError, CatalogError, StoreError, OSError."""
    with locked(store) as folder:
        sweep(store)
        there = imports(store)
        made = folder / f".new-{secrets.token_hex(8)}"
        made.mkdir(mode=0o755)
        try:
            found = _judged(store, source, there, made)
            new = [one for one in found if one not in there]
            for number, one in enumerate(found, 1):
                if one in new or digest_of_folder(one.folder(store) / one.name) != one.sha256:
                    _place(store, one, made)
                moved(number, len(found))
            if new:
                write(store, [*there, *new])
        finally:
            shutil.rmtree(made, ignore_errors=True)
        counts = active([*there, *new])
        idle = tuple(one for one in found if counts[one.name] != one)
        return Done(barclamps=tuple(found), new=tuple(new), idle=idle, running=held(store))


def _judged(store: Path, source: Source, there: tuple[Imported, ...], made: Path) -> list[Imported]:
    """The imports of a source, old ones as they are in the index. Writes its files into `made`."""
    if taken := sorted(source.barclamps.keys() & {name for name, one in shipped().barclamps.items() if one.origin == SHIPPED}):
        raise BarclampError(f"barclamp {taken[0]} is shipped with the program: give yours another name")
    with _of_source(source, made):
        folders = source.put(made)
        others = [one for one in active(there).values() if one.name not in source.barclamps]
        catalog = of_imports(store, others, folders)
    found = []
    for name in source.barclamps:
        version = catalog.barclamps[name].version
        mine = Imported(name=name, version=version, sha256=digest(source.barclamps[name]), origin=source.origin, at=time.time())
        same = next((one for one in there if (one.name, one.version) == (name, version)), None)
        if same is not None and same.sha256 != mine.sha256:
            raise BarclampError(
                f"barclamp {name} {version} is there with other content, from {same.origin}: raise its version, "
                f"or crowbar barclamp remove {name} --version {version}"
            )
        found.append(same or mine)
    counts = active([*there, *found])
    if counts != active(there):
        after = catalog if all(counts[one.name] == one for one in found) else _of_some(store, counts, there, made)
        refuse_loss(store, site_catalog(store), after, "cannot import")
    return found


def _of_some(store: Path, counts: dict[str, Imported], there: tuple[Imported, ...], made: Path) -> Catalog:
    """The catalogue when only some of a source's barclamps are the highest version."""
    old = [one for one in counts.values() if one in there]
    return of_imports(store, old, [made / one.name for one in counts.values() if one not in there])


def _place(store: Path, one: Imported, made: Path) -> None:
    """Moves a written barclamp to its place, where it does not count yet."""
    place = one.folder(store)
    place.parent.mkdir(mode=0o755, exist_ok=True)
    for here, _, _ in os.walk(made / one.name):
        sync(Path(here))
    if place.exists():  # of an import that was removed, or killed
        os.rename(place, made / f"old-{one.name}")
    os.rename(made / one.name, place)
    sync(place.parent)
    sync(place.parent.parent)


def remove(store: Path, name: str, version: str = "") -> Done:
    """Takes back one version of an import, or all of them. Raises BarclampError, CatalogError, StoreError, OSError."""
    if not (store / FOLDER).is_dir():
        raise BarclampError(_unknown(store, name, version))
    with locked(store):
        there = imports(store)
        gone = tuple(one for one in there if one.name == name and version in ("", one.version))
        if not gone:
            raise BarclampError(_unknown(store, name, version))
        left = [one for one in there if one not in gone]
        try:
            after = of_imports(store, active(left).values())
        except CatalogError as error:
            raise BarclampError(f"cannot remove {name}, because what is left would be wrong:\n{error}") from error
        with contextlib.suppress(CatalogError):  # a catalogue that is wrong now is in use by nobody
            now = site_catalog(store)
            refuse_loss(store, now, after, f"cannot remove {name}")
        write(store, left)
        sweep(store)
        return Done(barclamps=gone, running=held(store))


def _unknown(store: Path, name: str, version: str) -> str:
    there = imports(store)
    if name in shipped().barclamps:
        return f"barclamp {name} is shipped with the program, so it cannot be removed"
    mine = [one.version for one in there if one.name == name]
    if mine:
        return f"there is no version {version} of barclamp {name}; imported: {', '.join(mine)}"
    names = sorted({one.name for one in there})
    near = nearest(name, names)
    return f"no barclamp {name} was imported" + (f"; did you mean {near}?" if near else f"; imported: {', '.join(names) or 'none'}")


def sweep(store: Path) -> None:
    """Deletes folders that no import names, unless an engine runs, which may use them."""
    folder = store / FOLDER
    if held(store):
        return
    kept = {one.folder(store) for one in imports(store)}
    for child in [one for one in folder.iterdir() if one.is_dir()]:
        if child.name.startswith("."):
            shutil.rmtree(child, ignore_errors=True)
            continue
        for version in child.iterdir():
            if version not in kept:
                shutil.rmtree(version, ignore_errors=True)
        with contextlib.suppress(OSError):  # it has versions
            child.rmdir()


def same_site(one: Path, other: Path) -> bool:
    """True if two stores have the same barclamps and stages of their own."""
    return _signature(one) == _signature(other)


def _signature(store: Path) -> tuple[list[tuple[str, str]], bytes]:
    stages = store / KEPT[1]
    return [(one.name, one.sha256) for one in imports(store)], stages.read_bytes() if stages.is_file() else b""


def copy_site(source: Path, target: Path) -> None:
    """Gives a store the barclamps and stages of another one. Raises OSError."""
    for name in KEPT:
        place = target / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, place, symlinks=True)
        elif (source / name).is_file():
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source / name, place)


@contextlib.contextmanager
def _of_source(source: Source, made: Path) -> Iterator[None]:
    """Mistakes in files below `made` name the files of the source."""
    try:
        yield
    except CatalogError as error:
        places = [(f"{made}/{name}/{name}", shown) for name, shown in source.shown.items()]

        def shown(text: str) -> str:
            for place, here in places:
                text = text.replace(place, here)
            return text

        raise CatalogError(structs.replace(one, file=shown(one.file), expected=shown(one.expected)) for one in error.mistakes) from None
