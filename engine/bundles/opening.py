"""Opens a bundle on an admin node: all of it counts, or nothing does, also after a kill.

    STORE/.bundle-new-..    being written; nothing of it counts. The next `open` removes it
    STORE/.bundle-ready     checked completely and on the disk. From its rename on, the bundle counts

`finish` moves what is ready to its places, each by a rename. It may be interrupted anywhere and begins again: `crowbar bundle open` calls
it first, and so does each command that starts an engine.

| part | goes to |
|---|---|
| images | the shelf of the store |
| packages | STORE/mirrors/DIGEST; the link STORE/mirrors/current is what the package cache serves first |
| barclamps | the site's catalogue, like `crowbar barclamp import` |
| wheels, sources | STORE/wheels, STORE/sources |
| plan | STORE/bundle/plan.yml, with the manifest beside it |
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import structs

from ..files.clamps.content import BarclampError
from ..files.clamps.shelf import check as check_barclamps
from ..files.clamps.shelf import import_source
from ..files.clamps.sources import from_path
from ..files.mistakes import CatalogError
from ..files.paths import images_folder
from ..images.shelf import SUMS
from ..store.file import sync
from . import BundleError
from .manifest import BARCLAMPS, MANIFEST, PLAN, Manifest
from .tape import Moved, Octets, Tape, pinned

NEW, READY = ".bundle-new-", ".bundle-ready"
MIRRORS, CURRENT = "mirrors", "current"
KEPT = "bundle"
"""Folder of the store with the plan and the manifest of the bundle that was opened last."""
SOURCES = re.compile(r"[0-9a-f]{24}\.bundle|built-[0-9a-f]{64}")
"""Names in the folder `sources`. A mirror is none: its configuration could name programs."""
LEAST_FREE = 1 << 30
"""Bytes that stay free on the disk."""


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM come too late now: the rest is renames."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_bundle(
    store: Path,
    file: Path,
    key: str = "",
    tell: Callable[[str], None] = lambda _text: None,
    moved: Moved = lambda _done, _all: None,
) -> Tape:
    """Checks the bundle, unpacks it and puts everything in place. Raises BundleError, StoreError and OSError; then nothing has changed."""
    with file.open("rb") as source:
        return open_stream(store, source, file.name, key, tell, moved)


def open_stream(
    store: Path,
    source: Octets,
    name: str,
    key: str = "",
    tell: Callable[[str], None] = lambda _text: None,
    moved: Moved = lambda _done, _all: None,
    judged: Callable[[Tape], None] = lambda _tape: None,
) -> Tape:
    """Like `open_bundle`, from a stream that is read once. `name`: for sentences. `judged` gets the signed manifest before anything is
    written, and may raise BundleError."""
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(store):
        _finish(store, tell)
        for old in store.glob(f"{NEW}*"):
            shutil.rmtree(old, ignore_errors=True)
        tape = Tape(source, name, moved)
        pinned(tape, name, key)
        judged(tape)
        _room(store, tape.manifest, name)
        fresh = store / f"{NEW}{secrets.token_hex(8)}"
        try:
            _unpack(tape, fresh, tell)
            _judge(store, fresh, name)
            (fresh / MANIFEST).write_bytes(tape.text)
            _settle(fresh)
            with _uninterrupted():
                os.rename(fresh, store / READY)
                sync(store)
                _finish(store, tell)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return tape


def close_bundle(store: Path) -> bool:
    """Packages come from the mirrors again, and no longer from the bundle. False: none was open."""
    with _alone(store):
        _finish(store)
        link = store / MIRRORS / CURRENT
        there = link.is_symlink()
        link.unlink(missing_ok=True)
        shutil.rmtree(store / MIRRORS, ignore_errors=True)
        return there


def unfinished(store: Path) -> bool:
    """True if an opened bundle is not completely in its places."""
    return os.path.isdir(store / READY)  # False also where the store may not be read: whoever opens it says so


def finish(store: Path) -> None:
    """Moves an opened bundle to its places. Does nothing if there is none. Raises BundleError, StoreError and OSError, and may then be
    called again."""
    with _alone(store):
        _finish(store)


def _finish(store: Path, tell: Callable[[str], None] = lambda _text: None) -> None:
    ready = store / READY
    if not ready.is_dir():
        return
    aside = ready / ".aside"
    aside.mkdir(exist_ok=True)
    shelf = images_folder(store)
    for image in _folders(ready / "images"):
        tell(f"image {image.name}")
        _replace(image, shelf / image.name, aside)
    if (ready / MANIFEST).is_file():  # moved last
        _mirror(store, ready)
    if (archive := ready / BARCLAMPS).is_file():
        _import(store, archive)
    for kind in ("wheels", "sources", "firmware"):
        for path in sorted((ready / kind).glob("*")):
            _replace(path, store / kind / path.name, aside)
    kept = store / KEPT
    kept.mkdir(mode=0o755, exist_ok=True)
    for name in (PLAN, MANIFEST):
        if (ready / name).is_file():
            os.replace(ready / name, kept / name)
    sync(kept)
    shutil.rmtree(ready)
    sync(store)


@contextlib.contextmanager
def _alone(store: Path) -> Iterator[None]:
    """One process at a time opens a bundle into a store."""
    with (store / ".bundle-lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BundleError(f"another command opens a bundle into {store} now: wait until it ends") from None
        yield


def _room(store: Path, manifest: Manifest, name: str) -> None:
    """Raises BundleError if the disk cannot hold the parts, before anything is written."""
    free = shutil.disk_usage(store).free
    if manifest.octets + LEAST_FREE > free:
        raise BundleError(
            f"{name} needs {manifest.octets:,} bytes and a GiB more, and {store} has {free:,} bytes free: make room, or name another store"
        )


def _unpack(tape: Tape, into: Path, tell: Callable[[str], None]) -> None:
    into.mkdir(mode=0o755)
    for part, pieces in tape.parts():
        tell(part.name)
        place = into / part.name  # the manifest's names stay inside
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write(place, pieces)


def _write(place: Path, pieces: Iterator[bytes]) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with open(handle, "wb") as out:
        for piece in pieces:
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
        os.fchmod(out.fileno(), 0o644)


def _judge(store: Path, fresh: Path, name: str) -> None:
    """Refuses what could not be put in place later. Raises BundleError."""
    for image in _folders(fresh / "images"):
        if not (image / SUMS).is_file():
            raise BundleError(f"image {image.name} of {name} has no {SUMS}: make the bundle again")
    for path in (fresh / "sources").glob("*"):
        if not SOURCES.fullmatch(path.name):
            raise BundleError(f"{name} holds sources/{path.name[:60]}, which is no repository and no build: do not use it")
    for path in (fresh / "firmware").glob("*"):
        if not path.is_file():
            raise BundleError(f"{name} holds firmware/{path.name[:60]}, which is no file: do not use it")
    if (archive := fresh / BARCLAMPS).is_file():
        try:
            check_barclamps(store, from_path(archive))
        except (BarclampError, CatalogError) as error:
            raise BundleError(f"the barclamps of {name} do not fit those of this site: {error}") from error


def _import(store: Path, archive: Path) -> None:
    source = structs.replace(from_path(archive), origin="a bundle")
    try:
        import_source(store, source)
    except (BarclampError, CatalogError) as error:
        raise BundleError(f"the barclamps of the opened bundle cannot be imported: {error}; then open it again") from error
    archive.unlink()


def _mirror(store: Path, ready: Path) -> None:
    """The files of mirrors count from one rename on: that of the link. Those of an older bundle go afterwards."""
    mirrors, packages = store / MIRRORS, ready / "packages"
    name = hashlib.sha256((ready / MANIFEST).read_bytes()).hexdigest()[:32]
    place = mirrors / name
    if packages.is_dir():
        mirrors.mkdir(mode=0o755, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        os.rename(packages, place)
    if not place.is_dir():  # a bundle without packages
        return
    link = mirrors / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    os.replace(link, mirrors / CURRENT)
    sync(mirrors)
    for old in _folders(mirrors):
        if old.name != name and not old.is_symlink():
            shutil.rmtree(old, ignore_errors=True)


def _replace(source: Path, place: Path, aside: Path) -> None:
    """Puts a file or folder in the place of another one."""
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if place.is_dir():
        shutil.rmtree(aside / place.name, ignore_errors=True)
        _move(place, aside / place.name)
    _move(source, place)
    sync(place.parent)


def _move(source: Path, place: Path) -> None:
    """By rename; over a copy where the shelf of images is on another disk."""
    try:
        os.replace(source, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = place.with_name(f".{place.name}.{secrets.token_hex(8)}")
        if source.is_dir():
            shutil.copytree(source, beside)
        else:
            shutil.copy2(source, beside)
        os.replace(beside, place)
        shutil.rmtree(source) if source.is_dir() else source.unlink()


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _settle(folder: Path) -> None:
    """Makes all names below a folder durable."""
    for here, _, _ in os.walk(folder):
        sync(Path(here))
