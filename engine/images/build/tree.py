"""Turns the packages' tree (a tar stream) into the entries of an image: without the paths that the recipe drops, with the image's own
files over it.

Rules
* The order of the stream is kept, so parents come before children. Own files come last, with the folders that they need.
* A file that an own file replaces is left out of the stream. Own files belong to root. Those that begin with `#!` are executable,
  because a package of Python files does not keep modes.
* No time is later than the epoch, so that two builds from the same packages are equal.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from .recipe import Recipe

Entry = tuple[tarfile.TarInfo, bytes]
"""Kind of an entry of a tree, and a file's content."""
NODE = "usr/lib/crowbar"
NODE_TOOLS = ("agent", "attempt", "attribute")
_MODES = {True: 0o755, False: 0o644}


class Drop:
    """True if a path is left out."""

    def __init__(self, patterns: Iterable[str]) -> None:
        parts = [re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for pattern in patterns]
        self._match = re.compile("(?:" + "|".join(parts) + ")(?:/.*)?", re.DOTALL).fullmatch if parts else None

    def __call__(self, path: str) -> bool:
        return self._match is not None and self._match(path) is not None


class Own(Struct, frozen=True, kw_only=True):
    """A file or symbolic link that the image adds."""

    path: str
    mode: int = 0o644
    body: bytes = b""
    target: str = ""
    """Target of a symbolic link. Empty: a file."""


def own_files(recipe: Recipe, node: Path) -> list[Own]:
    """What a recipe lays over the packages: `files/`, its links, and the node's tools in folder `node`. Raises OSError."""
    found: dict[str, Own] = {}
    top = Path(recipe.folder) / "files"
    places = {str(file.relative_to(top)): file for file in sorted(top.rglob("*")) if file.is_file() and "__pycache__" not in file.parts}
    if recipe.node:
        places |= {f"{NODE}/{tool}": node / tool for tool in NODE_TOOLS}
        for tool in NODE_TOOLS:
            found[f"usr/bin/{tool}"] = Own(path=f"usr/bin/{tool}", mode=0o777, target=f"../lib/crowbar/{tool}")
    for path, file in places.items():
        body = file.read_bytes()
        found[path] = Own(path=path, mode=_MODES[body.startswith(b"#!")], body=body)
    for path, target in recipe.links.items():
        found[path] = Own(path=path, mode=0o777, target=target)
    return [found[path] for path in sorted(found)]


def entries(tar: tarfile.TarFile, drop: Drop, own: Iterable[Own], epoch: int, seen: dict[str, bytes]) -> Iterator[Entry]:
    """Each entry of the image with its content, names relative and without `./`. Fills `seen`: path -> content of those that are in it,
    even where they are dropped.

    Raises tarfile.TarError and OSError for a stream that breaks off.
    """
    over = {one.path: one for one in own}
    folders: set[str] = set()
    for member in tar:
        path = member.name.removeprefix("./").strip("/")
        if path in ("", "."):
            continue
        body = b""
        if member.isreg():
            stream = tar.extractfile(member)
            assert stream is not None
            wanted = not drop(path) and path not in over
            if wanted or path in seen:
                body = stream.read()
            if path in seen:
                seen[path] = body
            if not wanted:
                continue
        elif drop(path) or path in over or (member.islnk() and drop(member.linkname.removeprefix("./"))):
            continue
        member.name = path
        member.mtime = min(int(member.mtime), epoch)
        member.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr")}
        if member.isdir():
            folders.add(path)
        yield member, body
    for one in over.values():
        for parent in reversed(Path(one.path).parents):
            if (name := str(parent)) not in (".", *folders):
                folders.add(name)
                yield _info(name, tarfile.DIRTYPE, 0o755, epoch), b""
        info = _info(one.path, tarfile.SYMTYPE if one.target else tarfile.REGTYPE, one.mode, epoch)
        info.linkname = one.target
        info.size = len(one.body)
        yield info, one.body


def _info(path: str, kind: bytes, mode: int, epoch: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type = kind
    info.mode = mode
    info.mtime = epoch
    return info
