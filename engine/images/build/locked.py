"""The recorded package list beside a built image, from which the same image can be built again.

`packages.list`: comment lines `# key: value` (suite, variant, arch, epoch: SOURCE_DATE_EPOCH in seconds, origin: see `origin`), then
`name version arch` per line, by name. It comes from the tree's own /var/lib/dpkg/status, so it lists what is in the image.
"""

from __future__ import annotations

import re

from msgspec import Struct

from .errors import BuildError

FILE = "packages.list"
_ROW = re.compile(r"([a-z0-9][a-z0-9+.-]+) ([A-Za-z0-9.+:~-]+) ([a-z0-9]+)")
_HEAD = re.compile(r"# ([a-z]+): ([A-Za-z0-9._-]*)")


class Locked(Struct, frozen=True, kw_only=True):
    """The contents and date of a build."""

    suite: str
    variant: str
    arch: str
    epoch: int
    origin: str = ""
    """Empty: built before this was recorded."""
    packages: tuple[tuple[str, str, str], ...]
    """(name, version, architecture), by name."""

    def wanted(self) -> list[str]:
        """Each package with its version, in apt's form."""
        return [f"{name}={version}" for name, version, _ in self.packages]

    def text(self) -> str:
        head = f"# suite: {self.suite}\n# variant: {self.variant}\n# arch: {self.arch}\n# epoch: {self.epoch}\n"
        head += f"# origin: {self.origin}\n" if self.origin else ""
        return head + "".join(f"{name} {version} {arch}\n" for name, version, arch in self.packages)


def parse(text: str) -> Locked:
    """Reads such a list. Raises BuildError with the number of a bad line."""
    head: dict[str, str] = {}
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := _HEAD.fullmatch(line):
            head[match[1]] = match[2]
        elif match := _ROW.fullmatch(line):
            rows.append((match[1], match[2], match[3]))
        elif line.strip() and not line.startswith("#"):
            raise BuildError(f"the package list's line {number} is no package with version and architecture")
    if not rows or not {"suite", "arch", "epoch"} <= head.keys() or not head["epoch"].isascii() or not head["epoch"].isdigit():
        raise BuildError("the package list is incomplete: it lacks the suite, architecture, epoch or packages")
    return Locked(
        suite=head["suite"],
        variant=head.get("variant", ""),
        arch=head["arch"],
        epoch=int(head["epoch"]),
        origin=head.get("origin", ""),
        packages=tuple(sorted(rows)),
    )


def installed(status: str) -> tuple[tuple[str, str, str], ...]:
    """(name, version, architecture) of the installed packages in dpkg's status file, by name."""
    found = []
    for stanza in status.split("\n\n"):
        keys = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" "))
        if keys.get("Status", "").endswith(" installed"):
            found.append((keys["Package"], keys["Version"], keys["Architecture"]))
    return tuple(sorted(found))
