"""Barclamps and archives for tests."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from engine.files.kept_catalog import NAME

TEXT = """\
barclamp: {name: NAME, version: VERSION}
attributes:
  - {name: NAME-word, path: NAME/word, schema: {type: string}, default: x}
roles:
  - {name: NAME-role, stage: system, jig: script, requires: [{role: os-install, on: same}], wants: [NAME-word]}
"""


def barclamp(name: str = "web", version: str = "1", text: str = TEXT) -> dict[str, bytes]:
    """Path in the barclamp's folder -> content."""
    return {
        "barclamp.yml": text.replace("NAME", name).replace("VERSION", version).encode(),
        f"roles/{name}-role/run": b"#!/bin/sh\nexit 0\n",
    }


def folder(parent: Path, files: Mapping[str, bytes], name: str = "web") -> Path:
    """Writes PARENT/NAME."""
    for path, data in files.items():
        there = parent / name / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(data)
    return parent / name


def archive(place: Path, files: Mapping[str, bytes], *odd: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    """A tar of files, with odd members after them; each of these has no content, or as many zeros as its size."""
    with tarfile.open(place, mode) as tar:  # type: ignore[call-overload]
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
        for entry in odd:
            tar.addfile(entry, io.BytesIO(bytes(entry.size)) if entry.size else None)
    return place


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode, entry.size = kind, link, mode, size
    return entry


def tree(place: Path) -> dict[str, bytes]:
    """Everything below a folder, without the lock of imports and the kept catalogue."""
    return {
        p.relative_to(place).as_posix(): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file() and p.name not in (".lock", NAME)
    }
