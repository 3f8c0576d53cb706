"""Which shared libraries a program needs, so that a trimmed image never has a program that cannot start.

Reads the dynamic section of 64-bit little-endian ELF files (System V ABI, chapters 4 and 5); our machines have no others. Files that a
program opens by name while it runs (plug-ins, name services) are not listed there and not found here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from .tree import Entry

_MAGIC = b"\x7fELF\x02\x01"
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRTAB = 1, 5
_MAX = 10_000


def needed(body: bytes) -> tuple[bool, list[str]]:
    """Whether it is a program, and the file names of the libraries that the dynamic linker will look for. None for a file that is
    not such an ELF file, or is broken."""
    if not body.startswith(_MAGIC):
        return False, []
    try:
        return _needed(body)
    except (struct.error, ValueError, StopIteration):
        return False, []


def _needed(body: bytes) -> tuple[bool, list[str]]:
    offset, size, count = struct.unpack_from("<Q", body, 32)[0], *struct.unpack_from("<HH", body, 54)
    loads, dynamic, program = [], None, False
    for number in range(count):
        kind, _, at, address, _, length = struct.unpack_from("<IIQQQQ", body, offset + number * size)
        if kind == _LOAD:
            loads.append((address, at, length))
        elif kind == _DYNAMIC:
            dynamic = (at, length)
        elif kind == _INTERPRETER:
            program = True
    if dynamic is None:
        return program, []
    wanted, strings = [], 0
    for place in range(dynamic[0], dynamic[0] + min(dynamic[1], _MAX * 16), 16):
        tag, value = struct.unpack_from("<QQ", body, place)
        if tag == 0:
            break
        if tag == _NEEDED:
            wanted.append(value)
        elif tag == _STRTAB:
            strings = next(at + value - address for address, at, length in loads if address <= value < address + length)
    return program, [body[strings + one : body.index(b"\0", strings + one)].decode("ascii", "replace") for one in wanted]


class Libraries:
    """Watches the entries of a tree, and reports missing libraries at the end."""

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._needs: dict[str, list[str]] = {}
        """File name -> the libraries that it needs."""
        self._programs: list[str] = []

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for info, body in entries:
            if not info.isdir():
                self._there.add(info.name.rpartition("/")[2])
            if info.isreg():
                program, libraries = needed(body)
                name = info.name.rpartition("/")[2]
                if libraries:
                    self._needs[name] = libraries
                if program and ".so" not in name:
                    self._programs.append(name)
            elif info.issym():
                # a library's short name
                self._needs.setdefault(info.name.rpartition("/")[2], [info.linkname.rpartition("/")[2]])
            yield info, body

    def missing(self) -> dict[str, str]:
        """Library that the tree lacks -> a program that needs it to start. Unused plug-ins do not count."""
        found: dict[str, str] = {}
        for program in self._programs:
            seen, todo = {program}, [program]
            while todo:
                for library in self._needs.get(todo.pop(), ()):
                    if library in seen:
                        continue
                    seen.add(library)
                    todo.append(library)
                    if library not in self._there:
                        found.setdefault(library, program)
        return found
