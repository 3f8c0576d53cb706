"""The parts of Debian's installer (udebs): those that are needed, by their dependencies, and the index that the installer reads. Pure.

A udeb is a small Debian package. Its fields are those of deb-control(5), with `Kernel-Version` if it works with only one kernel. The
installer's initramfs lists its own parts in `var/lib/dpkg/status`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from .errors import BuildError

Fields = Mapping[str, str]
"""One package: field -> value, without continuation lines."""
KERNEL = re.compile(r"kernel-image-(?P<kernel>[a-z0-9.+~-]+)-di")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9+.-]*)")


def stanzas(text: str) -> list[dict[str, str]]:
    """The packages of an index, or of a list of installed packages."""
    found = []
    for part in re.split(r"\n\s*\n", text):
        lines = [line.partition(":") for line in part.splitlines() if line[:1] not in ("", " ", "\t") and ":" in line]
        if lines:
            found.append({name: value.strip() for name, _, value in lines})
    return [one for one in found if "Package" in one]


def names(relation: str) -> list[str]:
    """The packages in a relation (Depends, Provides): the first of alternatives, without versions."""
    return [match[1] for part in relation.split(",") if (match := _NAME.match(part)) is not None]


def kernel_of(present: Iterable[Fields]) -> str:
    """The version of the installer's kernel. Raises BuildError if there is none."""
    for one in present:
        if match := KERNEL.fullmatch(one["Package"]):
            return match["kernel"]
    raise BuildError("the installer's initramfs does not say which kernel it is for")


def modules(kind: str, kernel: str) -> str:
    """The part with a kind of kernel modules."""
    return f"{kind}-modules-{kernel}-di"


def wanted(roots: Sequence[str], index: Iterable[Fields], present: Iterable[Fields], kernel: str) -> list[Fields]:
    """The parts `roots` and all their dependencies, without those that are present. Raises BuildError for one that the index lacks."""
    own = [one for one in index if one.get("Kernel-Version", kernel) == kernel]
    by_name = {one["Package"]: one for one in own}
    by_virtue: dict[str, Fields] = {}
    for one in own:
        for name in names(one.get("Provides", "")):
            by_virtue.setdefault(name, one)
    there = {name for one in present for name in (one["Package"], *names(one.get("Provides", "")))}
    found: dict[str, Fields] = {}
    ahead = list(reversed(roots))
    while ahead:
        name = ahead.pop()
        if name in there:
            continue
        part = by_name.get(name) or by_virtue.get(name)
        if part is None:
            raise BuildError(f"the mirror's list of the installer's parts has no {name}")
        found[part["Package"]] = part
        there |= {name, part["Package"], *names(part.get("Provides", ""))}
        ahead += reversed(names(part.get("Depends", "")))
    return list(found.values())


def index(parts: Iterable[tuple[Fields, str, int, str]]) -> str:
    """The index of parts as the installer reads it: of each its fields, file name, size in octets and SHA-256.

    All have the priority with which the installer takes a part unasked: who chose them was the recipe.
    """
    out = []
    for fields, file, size, digest in parts:
        kept = {name: value for name, value in fields.items() if name not in _ANEW}
        kept |= {"Priority": "standard", "Filename": PurePosixPath(file).name, "Size": str(size), "SHA256": digest}
        out.append("".join(f"{name}: {value}\n" for name, value in kept.items()))
    return "\n".join(out)


_ANEW = ("Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Priority", "Description-md5")
