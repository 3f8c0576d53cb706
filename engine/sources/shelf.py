"""The builds that the admin node keeps: a folder of wheels with a manifest, which appears complete or not at all.

What a build leaves is a stranger's: only plain files with names of wheels are taken, within bounds, and none is opened but for its bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from ..store.file import sync
from . import SourceError

FORMAT = 1
MANIFEST = "manifest.json"
PREFIX = "built-"
MOST_FILES = 600
LARGEST = 4 << 30
"""Octets of all wheels of one build."""
LARGEST_MANIFEST = 1 << 20
KEEP = 8
"""Builds of one source that are kept; the longest unused go first."""
WHEEL = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._]{0,99}-[A-Za-z0-9][A-Za-z0-9._+]{0,79}(-[0-9][A-Za-z0-9_.]{0,30})?(-[A-Za-z0-9_.]{1,90}){3}\.whl"
)
"""File name of a wheel (PEP 427)."""
_KEY = re.compile(r"[0-9a-f]{64}")


class WheelFile(Struct, frozen=True, kw_only=True):
    name: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What one build is."""

    format: int
    name: str
    """Of the source."""
    commit: str
    project: str
    version: str
    """Of the wheel of the repository itself."""
    python: str
    """Of the build, for example `3.11`."""
    machine: str
    pure: bool
    """True if all wheels fit every Python 3 and every machine."""
    files: tuple[WheelFile, ...]
    build: tuple[WheelFile, ...] = ()
    """Wheels that only a build needs. Nodes do not fetch them."""


class Kept(Struct, frozen=True, kw_only=True):
    """A build on the shelf."""

    key: str
    folder: Path
    manifest: Manifest
    sha256: str
    """Of the manifest's file."""


def find(sources: Path, key: str) -> Kept | None:
    """The build with this key, if it is complete."""
    if not _KEY.fullmatch(key):
        return None
    folder = sources / f"{PREFIX}{key}"
    try:
        text = (folder / MANIFEST).read_bytes()
        manifest = msgspec.json.decode(text, type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return None
    if manifest.format != FORMAT or not all(_there(folder, one) for one in (*manifest.files, *manifest.build)):
        return None
    return Kept(key=key, folder=folder, manifest=manifest, sha256=hashlib.sha256(text).hexdigest())


def put(sources: Path, key: str, manifest: Manifest, work: Path) -> Kept:
    """Takes the wheels of a build from `work`. Raises SourceError and OSError."""
    size = sum(_sizes(work / "all")) + sum(_sizes(work / "build"))
    if size > LARGEST:  # before the first is copied: links and files with holes may be larger than what they use
        raise SourceError("source_build_failed", f"the build made wheels of {size} octets, and {LARGEST} is the most")
    fresh = sources / f".new-{secrets.token_hex(8)}"
    fresh.mkdir(mode=0o755)
    try:
        files = tuple(_take(work / "all", fresh, set()))
        needed = {one.name for one in files}
        build = tuple(_take(work / "build", fresh, needed))
        if not files:
            raise SourceError("source_build_failed", "the build made no wheels")
        pure = all(one.name.endswith(("-py3-none-any.whl", "-py2.py3-none-any.whl")) for one in files)
        whole = msgspec.structs.replace(manifest, files=files, build=build, pure=pure)
        text = msgspec.json.format(msgspec.json.encode(whole, order="deterministic"), indent=1) + b"\n"
        _write(fresh / MANIFEST, text)
        sync(fresh)
        place = sources / f"{PREFIX}{key}"
        shutil.rmtree(place, ignore_errors=True)  # an incomplete one
        os.rename(fresh, place)
        sync(sources)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _trim(sources, manifest.name, key)
    found = find(sources, key)
    if found is None:
        raise SourceError("source_build_failed", f"the build in {sources} was changed meanwhile")
    return found


def all_kept(sources: Path) -> Iterator[Kept]:
    """Each complete build, by key."""
    for folder in sorted(sources.glob(f"{PREFIX}*")):
        if (found := find(sources, folder.name.removeprefix(PREFIX))) is not None:
            yield found


def file_of(sources: Path, key: str, name: str) -> tuple[Path, int, str] | None:
    """A file of a build that nodes may fetch: its path, size and SHA-256."""
    kept = find(sources, key)
    if kept is None:
        return None
    if name == MANIFEST:
        return kept.folder / name, (kept.folder / name).stat().st_size, kept.sha256
    found = next((one for one in kept.manifest.files if one.name == name), None)
    return (kept.folder / name, found.size, found.sha256) if found is not None else None


def own_wheel(work: Path) -> tuple[str, str]:
    """Project and version of the wheel of the repository itself. Raises SourceError."""
    names = sorted(name for name in os.listdir(work / "own") if WHEEL.fullmatch(name)) if (work / "own").is_dir() else []
    if len(names) != 1:
        raise SourceError("source_build_failed", f"the repository made {len(names)} wheels, and one was expected")
    project, version = names[0].split("-")[:2]
    return project, version


def _there(folder: Path, one: WheelFile) -> bool:
    try:
        return WHEEL.fullmatch(one.name) is not None and (folder / one.name).stat().st_size == one.size
    except OSError:
        return False


def _sizes(folder: Path) -> list[int]:
    names = os.listdir(folder) if folder.is_dir() else []
    return [(folder / name).lstat().st_size for name in names if WHEEL.fullmatch(name)]


def _take(source: Path, into: Path, known: set[str]) -> Iterator[WheelFile]:
    names = sorted(os.listdir(source)) if source.is_dir() else []
    if len(names) > MOST_FILES:
        raise SourceError("source_build_failed", f"the build made {len(names)} files, and {MOST_FILES} is the most")
    for name in names:
        if name in known or not WHEEL.fullmatch(name):
            continue
        handle = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise SourceError("source_build_failed", f"{name} is not a plain file")
            digest = hashlib.sha256()
            size = 0
            with (into / name).open("xb") as out:
                while piece := file.read(1 << 20):
                    digest.update(piece)
                    size += len(piece)
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
        yield WheelFile(name=name, size=size, sha256=digest.hexdigest())


def _write(path: Path, text: bytes) -> None:
    if len(text) > LARGEST_MANIFEST:
        raise SourceError("source_build_failed", "the list of the wheels is too long")
    with path.open("xb") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def _trim(sources: Path, name: str, key: str) -> None:
    """Removes the longest unused builds of a source."""
    others = [one for one in all_kept(sources) if one.manifest.name == name and one.key != key]
    others.sort(key=lambda one: one.folder.stat().st_mtime_ns, reverse=True)
    for one in others[KEEP - 1 :]:
        shutil.rmtree(one.folder, ignore_errors=True)
