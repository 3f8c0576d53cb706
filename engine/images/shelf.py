"""The files of images on this machine: present, with the right size and checksum, or the reason why not.

Built images are in `DIRECTORY/NAME/` with a `SHA256SUMS` in sha256sum's format, which the build wrote. The directory is $CROWBAR_IMAGES,
so that several stores may share built images, or else `images` in the store. For simulated machines, stand-ins are generated in
`DIRECTORY/synthetic/NAME/`: a stream of SHAKE-256 seeded with image and file name, so that each run gives the same incompressible bytes.
A damaged one is generated again.

An image that this program would build differently (another agent, another recipe: see `images.build.origin`) is complete and is served,
because a rack that half works at night is better than one that does not boot. Every list of images reports it. If its agent cannot talk
to this engine at all, the engine refuses its hello.

Hashing 20 MiB takes 50 ms, and a real image seconds. So checksums are kept in `DIRECTORY/checksums.json` and trusted while size and
modification time are unchanged. Files and the JSON are replaced by rename, so two processes may do this at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import threading
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..definitions import Catalog, ImageDef, Json
from ..files.catalog import shipped
from ..files.image_file import OPTIONAL
from ..files.paths import images_folder, shipped_folder
from ..reasons import Reason, image_damaged, image_missing, image_other, sentence
from ..serve.image_file import ImageFile
from .build import locked
from .build.errors import BuildError
from .build.origin import origin
from .build.recipe import has_recipe, read_recipe

SUMS = "SHA256SUMS"
CACHE = "checksums.json"
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._-]{0,99})")
_CHUNK = 1 << 20


class Images(Struct, frozen=True, kw_only=True):
    """The images that can be served, and those that cannot."""

    files: dict[str, dict[str, ImageFile]]
    """Image -> file name -> file; only images whose files are all right."""
    reasons: dict[str, Reason]

    def file(self, name: str, file: str) -> ImageFile | None:
        """The file for `/image/NAME/FILE`."""
        return self.files.get(name, {}).get(file)

    def loaders(self) -> dict[str, bytes]:
        """File name -> bytes of every loader, held in memory for TFTP. Raises OSError if one has disappeared."""
        return {name: Path(one.path).read_bytes() for files in self.files.values() for name, one in files.items() if one.kind == "loader"}

    def facts(self, name: str) -> dict[str, Json] | None:
        """What an installer needs to know of a system image: name, path below the engine's URL, checksum and size."""
        for file, one in self.files.get(name, {}).items():
            if one.use == "root":
                return {"name": name, "path": f"/image/{name}/{file}", "sha256": one.sha256, "size": one.size}
        return None

    def missing(self, name: str) -> Reason:
        """Why an image cannot be served."""
        return self.reasons.get(name) or image_missing(image=name)


_Known = dict[str, tuple[int, int, str]]
"""Path -> modification time in ns, size, checksum."""


class Shelf:
    """The images of a directory, checked again when one was built or removed. Safe for several threads."""

    def __init__(self, catalog: Catalog, directory: Path, synthetic: bool) -> None:
        """Raises OSError if the directory cannot be written."""
        self._catalog = catalog
        self._directory = directory
        self._synthetic = synthetic
        self._lock = threading.Lock()
        self._sums = self._look()
        self._images = open_images(catalog, directory, synthetic)

    def current(self) -> Images:
        """The present images; the former ones if the directory can no longer be read or written."""
        if self._synthetic:
            return self._images
        with self._lock:
            if (sums := self._look()) != self._sums:
                with contextlib.suppress(OSError):
                    self._images = open_images(self._catalog, self._directory, self._synthetic)
                    self._sums = sums
            return self._images

    def why_not(self, name: str) -> Reason | None:
        """Why that image cannot be served now. None: it can."""
        images = self.current()
        return None if name in images.files else images.missing(name)

    def _look(self) -> list[tuple[int, int, int] | None]:
        """Inode, size and modification time of each image's list of checksums and files. A build replaces them. Any other change
        is damage, which is noticed as soon."""
        found: list[tuple[int, int, int] | None] = []
        for name, image in self._catalog.images.items():
            for file in (SUMS, *image.files.values()):
                try:
                    about = (self._directory / name / file).stat()
                    found.append((about.st_ino, about.st_size, about.st_mtime_ns))
                except OSError:
                    found.append(None)
        return found


def open_images(catalog: Catalog, directory: Path, synthetic: bool) -> Images:
    """Checks the files of every image of the catalogue. With `synthetic`, generates missing ones.

    Raises OSError if the directory cannot be written."""
    directory.mkdir(parents=True, exist_ok=True)
    before = _read_cache(directory / CACHE)
    known: _Known = {}
    files: dict[str, dict[str, ImageFile]] = {}
    reasons: dict[str, Reason] = {}
    for name, image in catalog.images.items():
        found = _make(image, directory, before, known) if synthetic else _look(image, directory, before, known)
        if isinstance(found, Reason):
            reasons[name] = found
        else:
            files[name] = found
    if known != before:
        _replace(directory / CACHE, msgspec.json.encode(known))
    return Images(files=files, reasons=reasons)


def image_states(store: Path) -> list[dict[str, Json]]:
    """For each shipped image: name, kind, version, arch, size of its files in bytes, SHA-256 of each, and whether it is complete; if
    not, the reason as a sentence. `other`: a sentence if another version of this program built it. Only built images. Writes
    nothing."""
    directory = images_folder(store)
    before = _read_cache(directory / CACHE)
    out: list[dict[str, Json]] = []
    for name, image in shipped().images.items():
        found = _look(image, directory, before, {})
        row: dict[str, Json] = {"name": name, "kind": image.kind, "version": image.version, "arch": image.arch}
        if isinstance(found, Reason):
            row |= {"size": 0, "sha256": {}, "whole": False, "reason": sentence(found), "other": ""}
        else:
            sums: dict[str, Json] = {file: one.sha256 for file, one in found.items()}
            row |= {"size": sum(one.size for one in found.values()), "sha256": sums, "whole": True, "reason": ""}
            row |= {"other": sentence(image_other(image=name)) if built_by_other(directory / name) else ""}
        out.append(row)
    return out


def manifests(store: Path) -> dict[str, str]:
    """Image -> SHA-256 of its list of checksums, for every image that was built or copied here. It tells whether two machines have the
    same image, and not whether its files are whole. Writes nothing."""
    out = {}
    for name in shipped().images:
        with contextlib.suppress(OSError):
            out[name] = hashlib.sha256((images_folder(store) / name / SUMS).read_bytes()).hexdigest()
    return out


def built_by_other(folder: Path) -> bool:
    """True if this program would put other files or packages into the image in that folder. An image without recorded packages is
    not checked. Raises CatalogError for a recipe with mistakes."""
    recipe_folder = shipped_folder("images") / folder.name
    try:
        built = locked.parse((folder / locked.FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BuildError):
        return False
    if not has_recipe(recipe_folder):
        return False
    try:
        recipe = read_recipe(recipe_folder)
        return origin(recipe, recipe.variant(built.variant), shipped_folder("images") / "node") != built.origin
    except BuildError:
        return True  # of a variant that no longer exists


def _look(image: ImageDef, directory: Path, before: _Known, known: _Known) -> dict[str, ImageFile] | Reason:
    folder = directory / image.name
    try:
        lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return image_missing(image=image.name)
    sums = {match[2]: match[1] for match in map(_LINE.fullmatch, lines) if match}
    out = {}
    for use, file in image.files.items():
        path = folder / file
        if use in OPTIONAL and file not in sums:
            continue
        if not path.is_file():
            return image_missing(image=image.name)
        found = _checked(image, use, path, before, known)
        if found.sha256 != sums.get(file):
            return image_damaged(image=image.name)
        out[file] = found
    return out


def _make(image: ImageDef, directory: Path, before: _Known, known: _Known) -> dict[str, ImageFile] | Reason:
    folder = directory / "synthetic" / image.name
    out = {}
    for use, file in image.files.items():
        size = image.synthetic.get(file)
        if size is None and use in OPTIONAL:
            continue
        if size is None:
            return image_missing(image=image.name)
        path = folder / file
        found = _checked(image, use, path, before, known) if path.is_file() else None
        # a generated file's checksum is in the cache; without it, the file is generated again to be sure
        kept = before.get(str(path))
        if found is None or kept is None or kept[1:] != (found.size, found.sha256) or found.size != size:
            folder.mkdir(parents=True, exist_ok=True)
            content = synthetic_bytes(image.name, file, size)
            _replace(path, content)
            known[str(path)] = (path.stat().st_mtime_ns, size, hashlib.sha256(content).hexdigest())
            found = _checked(image, use, path, known, known)
        out[file] = found
    return out


def synthetic_bytes(image: str, file: str, size: int) -> bytes:
    """The content of a generated file: always the same for these arguments (FIPS 202, SHAKE-256)."""
    return hashlib.shake_256(f"crowbar synthetic image/{image}/{file}".encode()).digest(size)


def _checked(image: ImageDef, use: str, path: Path, before: _Known, known: _Known) -> ImageFile:
    about = path.stat()
    kept = before.get(str(path))
    if kept is None or kept[:2] != (about.st_mtime_ns, about.st_size):
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        kept = (about.st_mtime_ns, about.st_size, digest.hexdigest())
    known[str(path)] = kept
    return ImageFile(path=str(path), size=about.st_size, sha256=kept[2], kind=image.kind, use=use)


def _read_cache(path: Path) -> _Known:
    """A missing or unreadable cache counts as empty: everything is hashed again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Known)
    except (OSError, msgspec.DecodeError):
        return {}


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def with_loaders_there(catalog: Catalog, directory: Path, synthetic: bool) -> Catalog:
    """The catalogue without the optional files that this `loader` image lacks, because the pure core (`core.boot.loaders`) chooses among
    the files that the catalogue names. Read once, at the start: a loader that is built later is offered from the next start.

    `directory` holds the built images. `synthetic`: they are generated for simulated machines."""
    image = catalog.images.get("loader")
    if image is None:
        return catalog
    there: set[str] = set(image.synthetic)
    if not synthetic:
        try:
            lines = (directory / "loader" / SUMS).read_text(encoding="ascii").splitlines()
            there = {line.split()[-1].lstrip("*") for line in lines if line.strip()}
        except (OSError, UnicodeDecodeError):
            there = set()
    files = {use: file for use, file in image.files.items() if use not in OPTIONAL or file in there}
    return replace(catalog, images=catalog.images | {"loader": replace(image, files=files)})
