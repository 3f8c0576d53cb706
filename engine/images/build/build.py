"""Builds one image into a directory of images: `crowbar image build NAME`. Prints nothing; reports progress to a callback.

It checks all preconditions first (programs, free space), so that no build fails after half an hour for a reason that was known at its
start. The result is put in place only when it is complete: see `place`.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from . import able, kept
from . import locked as lists
from .apt import Apt
from .bootstrap import command, tree
from .elf import Libraries
from .errors import BuildError
from .installer import COMPONENT, make
from .origin import note, origin, script
from .pack import pack
from .place import building, settle
from .recipe import ARCHITECTURES, Recipe, Variant
from .sources import default_sources, host_sources, mirror_sources
from .tree import Drop, Entry, entries, own_files

ROOM = {"initramfs": 2_500_000_000, "ext4": 4_000_000_000, "tar": 2_500_000_000, "copy": 20_000_000, "installer": 800_000_000}
"""Free bytes that a build needs, by format."""
STATUS = "var/lib/dpkg/status"
KERNEL = "boot/vmlinuz"
LEVEL = 10
_DAY = 86_400


class Built(Struct, frozen=True, kw_only=True):
    """A finished image."""

    name: str
    variant: str
    files: dict[str, tuple[int, str]]
    """Name -> size in bytes, SHA-256."""
    unpacked: int
    """Bytes in memory or on the disk. 0 for a file that is not packed."""
    packages: int
    seconds: float


class Wish(Struct, frozen=True, kw_only=True):
    """The options of a build."""

    variant: str = ""
    """Empty: the recipe's default."""
    mirror: str = ""
    """URL. Empty: this machine's own mirrors."""
    locked: str = ""
    """Text of a recorded package list. Empty: the newest versions."""
    cache: Path | None = None
    """Folder of packages that are not downloaded again."""
    offline: bool = False
    """Nothing is downloaded: `cache` has everything."""
    level: int = LEVEL
    """zstd's level, 1 to 19."""


def build(
    recipe: Recipe,
    files: Sequence[str],
    directory: Path,
    node: Path,
    wish: Wish,
    tell: Callable[[str], None],
    also: Sequence[str] = (),
    moved: Callable[[int], None] = lambda _octets: None,
) -> Built:
    """Makes image `recipe.name` with these files in `directory`. `also`: files that are copied if this machine has them; `node`:
    folder of the node's tools. Raises BuildError."""
    begin = time.monotonic()
    try:
        with building(directory, recipe.name) as folder:
            _room(recipe, directory)
            if recipe.format == "copy":
                variant, unpacked, count = "", 0, 0
                _copy(recipe, files, also, directory, folder, tell)
            elif recipe.format == "installer":
                variant, (unpacked, count) = "", _installer(recipe, folder, node, wish, tell)
            else:
                variant, unpacked, count = _bootstrap(recipe, files, folder, node, wish, tell, moved)
            tell("writing checksums")
            done = settle(folder, directory, recipe.name)
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise BuildError(f"the disk of {directory} is full") from error
        raise BuildError(f"{error.filename or directory}: {error.strerror or error}") from error
    return Built(name=recipe.name, variant=variant, files=done, unpacked=unpacked, packages=count, seconds=time.monotonic() - begin)


def _room(recipe: Recipe, directory: Path) -> None:
    places = {directory} if recipe.format == "copy" else {directory, Path(os.environ.get("TMPDIR", "/tmp"))}
    for place in places:
        free = shutil.disk_usage(place).free
        if free < ROOM[recipe.format]:
            raise BuildError(f"{place} has {free // 1_000_000} MB free; building {recipe.name} needs {ROOM[recipe.format] // 1_000_000} MB")


def _copy(recipe: Recipe, files: Sequence[str], also: Sequence[str], directory: Path, folder: Path, tell: Callable[[str], None]) -> None:
    for file in (*files, *also):
        places = recipe.copies.get(file, ())
        found = _found(directory, places)
        if found is None and file in also:
            tell(f"without {file}: {' or '.join(places) or 'it'} is not on this machine")
            continue
        if found is None:
            wanted = f" (apt install {recipe.packages[0]})" if recipe.packages else ""
            raise BuildError(f"{places[0] if places else file} is not on this machine{wanted}")
        shutil.copyfile(found, folder / file)
    for file, places in recipe.copies.items():  # files that are optional in the image
        found = _found(directory, places)
        if file not in files and found is not None:
            shutil.copyfile(found, folder / file)


def _installer(recipe: Recipe, folder: Path, node: Path, wish: Wish, tell: Callable[[str], None]) -> tuple[int, int]:
    components = [*recipe.components, COMPONENT]
    own = mirror_sources(wish.mirror, recipe.suite, components) if wish.mirror else host_sources(recipe.suite, components)
    # updates of a release have no parts of installers
    sources = [line for line in own or default_sources(recipe.suite, components) if f" {recipe.suite} " in line]
    apt = Apt(wish.cache or folder / "packages", sources, recipe.arch, wish.offline)
    tell("asking the mirrors for their lists")
    apt.update()
    return make(recipe, node, apt, folder, tell)


def _found(directory: Path, places: Sequence[str]) -> Path | None:
    """The first existing place. One in another image is below `directory`."""
    return next((path for place in places if (path := directory / place).is_file()), None)


def _bootstrap(
    recipe: Recipe, files: Sequence[str], folder: Path, node: Path, wish: Wish, tell: Callable[[str], None], moved: Callable[[int], None]
) -> tuple[str, int, int]:
    if why := able.why_not(recipe.arch):
        raise BuildError(why)
    before = lists.parse(wish.locked) if wish.locked else None
    variant = recipe.variant(wish.variant or (before.variant if before else ""))
    packages: list[str] = [*recipe.packages, *variant.packages]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0") or 0) or int(time.time()) // _DAY * _DAY
    if before is not None:
        if before.variant != variant.name:
            raise BuildError(f"the recorded list is of variant {before.variant}, not {variant.name}")
        packages, epoch = before.wanted(), before.epoch
    components = list(dict.fromkeys((*recipe.components, *variant.components)))
    sources = _sources(recipe, components, wish)
    if wish.cache is not None:
        wish.cache.mkdir(parents=True, exist_ok=True)
    hook = script(recipe)
    checksum = origin(recipe, variant, node)
    own = [*own_files(recipe, node), note(recipe, variant, checksum)]
    seen: dict[str, bytes] = dict.fromkeys((STATUS, *recipe.takes.values()), b"")
    if recipe.format == "initramfs":
        seen[KERNEL] = b""
    target = folder / files[-1]
    libraries = Libraries()
    try:
        with tree(command(recipe, variant, packages, sources, hook, None if wish.offline else wish.cache), epoch, tell) as tar:
            stream = libraries.watch(entries(tar, Drop(recipe.drop), own, epoch, seen))
            unpacked = pack(recipe.format, _counted(stream, moved), target, wish.level)
    except tarfile.TarError as error:
        raise BuildError(f"mmdebstrap's output ended too early: {error}") from error
    for library, file in libraries.missing().items():
        raise BuildError(f"the recipe drops {library}, without which {file} does not start")
    known = lists.installed(seen[STATUS].decode("utf-8", "replace"))
    if not known:
        raise BuildError("the tree has no package list, so it is incomplete")
    _take_out(recipe, files[0], folder, seen)
    if wish.cache is not None:
        kept.prune(wish.cache, known)
    arch = ARCHITECTURES[recipe.arch]
    record = lists.Locked(suite=recipe.suite, variant=variant.name, arch=arch, epoch=epoch, origin=checksum, packages=known)
    (folder / lists.FILE).write_text(record.text(), encoding="ascii")
    return variant.name, unpacked, len(known)


def _counted(stream: Iterable[Entry], moved: Callable[[int], None]) -> Iterator[Entry]:
    octets = 0
    for info, body in stream:
        octets += len(body)
        moved(octets)
        yield info, body


def _sources(recipe: Recipe, components: Sequence[str], wish: Wish) -> list[str]:
    """Lines of apt's sources: of what is kept, of the mirror that was named, or of this machine's own mirrors."""
    if wish.offline and wish.cache is not None:
        return [kept.index(wish.cache, recipe.suite)]
    if wish.mirror:
        return mirror_sources(wish.mirror, recipe.suite, components)
    return host_sources(recipe.suite, components) or default_sources(recipe.suite, components)


def _take_out(recipe: Recipe, kernel: str, folder: Path, seen: dict[str, bytes]) -> None:
    """Write the files of the tree that stand beside the image."""
    if recipe.format == "initramfs":
        if not seen[KERNEL]:
            raise BuildError("the tree has no kernel in /boot/vmlinuz")
        (folder / kernel).write_bytes(seen[KERNEL])
    for file, path in recipe.takes.items():
        if not seen[path]:
            raise BuildError(f"the tree has no {path}")
        (folder / file).write_bytes(seen[path])


__all__ = ["Built", "Variant", "Wish", "build"]
