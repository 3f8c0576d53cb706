"""What a person hands over as barclamps: a folder of barclamps, the folder of one, an archive of either, or a revision in git.

A source is read completely and bounded (`content`, `tarball`) before anything is checked or written. Names of files in mistakes are those
of the source: `FOLDER/barclamp.yml`, `swift.tgz/swift/barclamp.yml`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from ..mistakes import Mistakes
from ..spelling import NAME
from ..yaml_source import Mapping as TreeMap
from ..yaml_source import Word, parse
from .content import FILE, MAX_BYTES, BarclampError, Files, belongs, executable, harmless, read_folder
from .tarball import read_tarball

MAX_BARCLAMPS = 200
MAX_TOGETHER = 4 * MAX_BYTES
_LIKE = re.compile(r"barclamps?\.ya?ml", re.IGNORECASE)


class Source(Struct, frozen=True):
    """Barclamps that were read, and where they came from."""

    origin: str
    """As a person would say it: `folder /x`, `archive swift.tgz`, `git /x at 3f5a...`."""
    barclamps: dict[str, Files]
    """Name of the barclamp's folder -> its files."""
    shown: dict[str, str]
    """Name of the barclamp's folder -> its place in the source, for mistakes."""

    def put(self, into: Path) -> list[Path]:
        """Writes each barclamp to INTO/NAME/NAME, and returns the folders INTO/NAME. Raises OSError."""
        for name, files in self.barclamps.items():
            for path, one in files.items():
                file = into / name / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                mode = 0o755 if executable(path, one.executable) else 0o644
                handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
                with open(handle, "wb") as out:
                    out.write(one.data)
                    out.flush()
                    os.fsync(out.fileno())
                    os.fchmod(out.fileno(), mode)
        return [into / name for name in self.barclamps]


def from_path(path: Path) -> Source:
    """The barclamps of a folder or an archive. Raises BarclampError with what was seen and what to do."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _of_folder(path)
        if stat.S_ISREG(mode):
            return of_archive(read_tarball(path), f"archive {path}", path.name)
    except OSError as error:
        where = error.filename or path
        raise BarclampError(f"cannot read {where}: {error.strerror or error}; name a folder of barclamps or an archive") from error
    raise BarclampError(f"{path} is neither a folder nor a file: name a folder of barclamps or an archive")


def _of_folder(path: Path) -> Source:
    origin = f"folder {path}"
    if (path / FILE).is_file():
        return Source(origin, {path.name: read_folder(path)}, {path.name: str(path)})
    found: dict[str, Files] = {}
    shown: dict[str, str] = {}
    many = 0
    for child in sorted(path.iterdir()):
        if not belongs(child.name) or not child.is_dir():
            continue
        if (child / FILE).is_file():
            if len(found) == MAX_BARCLAMPS:
                raise BarclampError(f"{path} has more than {MAX_BARCLAMPS} barclamps: hand over fewer at a time")
            found[child.name], shown[child.name] = read_folder(child), str(child)
            many += sum(len(one.data) for one in found[child.name].values())
            if many > MAX_TOGETHER:
                raise BarclampError(f"the barclamps in {path} have more than {MAX_TOGETHER} bytes: hand over fewer at a time")
        elif near := next((name for name in sorted(os.listdir(child)) if _LIKE.fullmatch(name)), ""):
            raise BarclampError(f"{child} has {near}, and no {FILE}: rename it")
        elif (child / "roles").is_dir():
            raise BarclampError(f"{child} has the folder roles, and no {FILE}: write one, or move the folder away")
    if not found:
        raise BarclampError(_nothing(str(path), sorted(child.name for child in path.iterdir())))
    return Source(origin, found, shown)


def of_archive(files: Files, origin: str, label: str) -> Source:
    """The barclamps among the files of an archive: at its top, in its folders, or in those of its only folder. Raises BarclampError."""
    if not files:
        raise BarclampError(f"{label} is empty: hand over an archive of a barclamp, or of a folder of barclamps")
    prefix = ""
    for _ in range(3):
        inside = {path.removeprefix(prefix): one for path, one in files.items() if path.startswith(prefix)}
        if FILE in inside:
            name = _name_in(inside) or harmless(prefix.rstrip("/").rpartition("/")[2] or label.partition(".")[0])
            return Source(origin, {name: inside}, {name: f"{label}/{prefix}".rstrip("/")})
        tops = sorted({path.partition("/")[0] for path in inside if "/" in path})
        names = [top for top in tops if f"{top}/{FILE}" in inside]
        if names == tops and len(tops) == 1:
            prefix += tops[0] + "/"
            continue
        if names:
            if len(names) > MAX_BARCLAMPS:
                raise BarclampError(f"{label} has more than {MAX_BARCLAMPS} barclamps: hand over fewer at a time")
            return Source(
                origin,
                {name: {path[len(name) + 1 :]: one for path, one in inside.items() if path.startswith(name + "/")} for name in names},
                {name: f"{label}/{prefix}{name}" for name in names},
            )
        if len(tops) != 1:
            break
        prefix += tops[0] + "/"
    raise BarclampError(_nothing(label, sorted(path.removeprefix(prefix).partition("/")[0] for path in files)))


def _name_in(files: Mapping[str, object]) -> str:
    """The name that a barclamp at the top of an archive gives itself. Empty: none that could be a folder."""
    data = getattr(files[FILE], "data", b"")
    tree = parse(data.decode("utf-8", "replace"), FILE, Mistakes())
    head = tree.items.get("barclamp") if isinstance(tree, TreeMap) else None
    name = head.items.get("name") if isinstance(head, TreeMap) else None
    text = name.text if isinstance(name, Word) else ""
    return text if NAME.fullmatch(text) and len(text) <= 63 else ""


def _nothing(where: str, names: list[str]) -> str:
    names = list(dict.fromkeys(map(harmless, names)))
    seen = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "nothing"
    return f"there is no barclamp in {where}: expected {FILE} in it or in one of its folders, and it has {seen}"
