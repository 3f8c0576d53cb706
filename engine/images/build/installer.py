"""Makes the files of Debian's own installer: its kernel, and its initramfs with all of its parts inside.

Debian's network installer downloads most of itself (udebs) from a mirror when it runs. Those fit its own kernel only while the mirror
has the same point release, and many mirrors and package caches lack some or all of them. So the build downloads them, checked by apt,
and puts them behind the installer's own initramfs as a second archive. It has an index and a `net-retriever` that reads it
(images/node/retriever). The installer's own code does the rest as always. Then a mirror needs only ordinary packages.

Parts that the mirror lacks are made from ordinary packages of the same version: kernel modules from the kernel's own package, and others
from the packages that the recipe names (`instead`). Without either, the build fails.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ..cpio import Cpio
from .apt import Apt
from .bootstrap import why
from .errors import BuildError
from .recipe import Recipe
from .udebs import Fields, index, kernel_of, modules, names, stanzas, wanted

COMPONENT = "main/debian-installer"
PLACE = "usr/share/crowbar/udebs"
"""Folder in which the installer has its parts."""
RETRIEVER = "usr/lib/debian-installer/retriever/net-retriever"
STATUS = "var/lib/dpkg/status"
TOOL = "retriever"
"""In the folder of the node's tools."""
_DISKS = re.compile(
    r"(usr/)?lib/modules/[^/]+/kernel/(arch|crypto|lib|fs/(ext4|jbd2|fat|nls|isofs|efivarfs|configfs|[^/]+$)|drivers/"
    r"(ata|block|cdrom|dax|firmware|hv|md|message|nvme|nvdimm|pci/controller|scsi|usb/storage|virtio|xen))(/|$).*"
)
"""Modules that an installer needs for disks and file systems."""
_TOOLS = re.compile(r"(usr/)?(s?bin/[^/]+|lib/[a-z0-9_-]+-linux-gnu/[^/]+\.so[.0-9]*)|etc/.+")
"""Files that a part takes from its packages."""


def make(recipe: Recipe, node: Path, apt: Apt, folder: Path, tell: Callable[[str], None]) -> tuple[int, int]:
    """Writes the files of `recipe.copies` to `folder`. The compressed archive among them gets the parts. `node`: folder of the
    node's tools. Returns the bytes that the parts take in memory, and their number. Raises BuildError and OSError."""
    tell("fetching the installer")
    package = recipe.packages[0]
    if said := apt.fetch([package]):
        raise BuildError(_why(said, package))
    _take(_there(apt, package), recipe, folder)
    initrd = next((folder / file for file in recipe.copies if file.endswith(".gz")), None)
    if initrd is None:
        raise BuildError(f"the recipe of {recipe.name} names no initramfs")
    present = stanzas(_member(initrd, STATUS).decode("utf-8", "replace"))
    kernel = kernel_of(present)
    roots = [*recipe.parts, *(modules(kind, kernel) for kind in recipe.modules)]
    parts = wanted(roots, stanzas(apt.lists(COMPONENT)), present, kernel)
    tell(f"fetching its {len(parts)} parts")
    apt.fetch([part["Package"] for part in parts])
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        files = _completed(recipe, apt, parts, kernel, Path(scratch), tell)
        tell("packing them")
        return _append(initrd, node / TOOL, files), len(files)


def _completed(
    recipe: Recipe, apt: Apt, parts: Sequence[Fields], kernel: str, scratch: Path, tell: Callable[[str], None]
) -> list[tuple[Fields, Path]]:
    """Each part with its file. Makes those that the mirror lacks."""
    found = [(part, file) for part in parts if (file := apt.file(part["Package"], part["Version"])) is not None]
    kept = [file for _, file in found]
    lacking = [part for part in parts if apt.file(part["Package"], part["Version"]) is None]
    own = [part for part in lacking if part.get("Kernel-Version") == kernel]
    others = [part for part in lacking if part not in own]
    if hopeless := [part["Package"] for part in others if part["Package"] not in recipe.instead]:
        raise BuildError(f"the mirror does not have parts of the installer that its list names: {', '.join(hopeless)}")
    if own:
        image = f"linux-image-{kernel}"
        tell(f"making the kernel modules that the mirror does not have, of {image}")
        found.append(_made(apt, [image], _together(own, kernel), _DISKS, scratch))
    for part in others:
        sources = recipe.instead[part["Package"]]
        tell(f"making {part['Package']}, which the mirror does not have, of {', '.join(sources)}")
        found.append(_made(apt, sources, part, _TOOLS, scratch))
    kept += [_there(apt, name) for name in recipe.packages]
    kept += [_there(apt, name) for part in others for name in recipe.instead[part["Package"]]]
    apt.keep([*kept, *([_there(apt, f"linux-image-{kernel}")] if own else [])])
    return found


def _together(parts: Sequence[Fields], kernel: str) -> Fields:
    """One part that replaces several parts with kernel modules."""
    provided = [name for part in parts for name in (part["Package"], *names(part.get("Provides", "")))]
    return {
        "Package": modules("disk", kernel),
        "Version": parts[0]["Version"],
        "Architecture": parts[0]["Architecture"],
        "Maintainer": "Crowbar",
        "Kernel-Version": kernel,
        "Provides": ", ".join(dict.fromkeys(provided)),
        "Section": "debian-installer",
        "Description": "modules for disks and file systems",
    }


def _made(apt: Apt, sources: Sequence[str], part: Fields, pattern: re.Pattern[str], scratch: Path) -> tuple[Fields, Path]:
    """A part made of the matching files of some packages."""
    if said := apt.fetch(sources):
        raise BuildError(_why(said, ", ".join(sources)))
    tree = scratch / part["Package"]
    (tree / "DEBIAN").mkdir(parents=True)
    control = "".join(f"{name}: {value}\n" for name, value in part.items() if name not in _OF_THE_INDEX)
    (tree / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    for source in sources:
        with _contents(_there(apt, source)) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if (member.isreg() or member.issym()) and pattern.fullmatch(name) and ".." not in name.split("/"):
                    _write(tar, member, tree / name)
    out = scratch / f"{part['Package']}_{part['Version'].replace(':', '%3a')}_{part['Architecture']}.udeb"
    _run(["dpkg-deb", "--build", "--root-owner-group", "-Zxz", "-z1", str(tree), str(out)])
    return part, out


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        path.symlink_to(member.linkname)
        return
    stream = tar.extractfile(member)
    assert stream is not None
    with stream, path.open("xb") as out:
        shutil.copyfileobj(stream, out)
    path.chmod(member.mode & 0o755)


_OF_THE_INDEX = ("Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Description-md5")


def _append(initrd: Path, retriever: Path, files: Sequence[tuple[Fields, Path]]) -> int:
    """Puts the parts behind an initramfs. Returns their bytes in memory. The kernel reads one archive after the other, and a later
    file replaces an earlier one."""
    rows = []
    with initrd.open("ab") as out, gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0, filename="") as packed:
        archive = Cpio(packed)  # type: ignore[arg-type]
        for parent in ("usr", "usr/share", "usr/share/crowbar", PLACE, "usr/lib", "usr/lib/debian-installer", RETRIEVER.rpartition("/")[0]):
            archive.add(parent, "directory", 0o755)
        for fields, file in files:
            body = file.read_bytes()
            archive.add(f"{PLACE}/{file.name}", "file", 0o644, body)
            rows.append((fields, file.name, len(body), hashlib.sha256(body).hexdigest()))
        archive.add(f"{PLACE}/Packages", "file", 0o644, index(rows).encode("utf-8"))
        archive.add(RETRIEVER, "file", 0o755, retriever.read_bytes())
        archive.end()
    return archive.octets


def _take(package: Path, recipe: Recipe, folder: Path) -> None:
    places = {place.strip("/"): file for file, paths in recipe.copies.items() for place in paths}
    with _contents(package) as tar:
        for member in tar:
            file = places.get(member.name.removeprefix("./"))
            if file is not None and member.isreg():
                stream = tar.extractfile(member)
                assert stream is not None
                with stream, (folder / file).open("xb") as out:
                    shutil.copyfileobj(stream, out)
    for file in recipe.copies:
        if not (folder / file).is_file():
            raise BuildError(f"{package.name} does not have {file} where the recipe says")


class _contents:
    """The tar of a package's files, read once."""

    def __init__(self, package: Path) -> None:
        self._package = package

    def __enter__(self) -> tarfile.TarFile:
        words = ["dpkg-deb", "--fsys-tarfile", str(self._package)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        self._tar = tarfile.open(fileobj=self._process.stdout, mode="r|")
        return self._tar

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._tar.close()
        assert self._process.stdout is not None
        with self._process.stdout as rest:
            while rest.read(1 << 20):
                pass
        if self._process.wait() != 0 and kind is None:
            raise BuildError(f"{self._package.name} is not a whole package")


def _member(archive: Path, path: str) -> bytes:
    """A file of a gzip-compressed initramfs ("newc"). Raises BuildError."""
    try:
        with gzip.open(archive) as stream:
            for name, body in _files(stream):  # type: ignore[arg-type]
                if name.removeprefix("./") == path:
                    return body
    except (OSError, EOFError, ValueError) as error:
        raise BuildError(f"{archive.name} of the installer cannot be read: {error}") from error
    raise BuildError(f"{archive.name} of the installer has no {path}")


def _files(stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Each entry of the archive at the start of a stream. Raises ValueError if there is no archive."""
    while head := stream.read(110):
        if head[:6] != b"070701":
            raise ValueError("not an archive of files")
        size, length = int(head[54:62], 16), int(head[94:102], 16)
        name = stream.read(length + (-(110 + length) % 4))[: length - 1].decode("utf-8", "replace")
        if name == "TRAILER!!!":
            return
        yield name, stream.read(size + -size % 4)[:size]


def _there(apt: Apt, name: str) -> Path:
    file = apt.file(name)
    if file is None:
        raise BuildError(f"the mirror does not have the package {name}")
    return file


def _why(said: str, package: str) -> str:
    return f"{package}: {why(said.splitlines())}"


def _run(words: Sequence[str]) -> None:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise BuildError(f"{words[0]}: {done.stderr.strip().splitlines()[-1:] or ['failed']}")
