"""The packages that roles need on the admin node and that it lacks. The engine installs nothing here: the machine is the operator's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from ..definitions import Catalog

OS_RELEASE = Path("/etc/os-release")
_FAMILY = {"debian": ("debian", "ubuntu"), "redhat": ("rhel", "fedora", "centos", "almalinux", "rocky")}
INSTALL = {"debian": "apt install", "redhat": "dnf install"}
"""Family of distributions -> the command that installs packages."""
PROGRAM_S = 10.0


def family(text: str) -> str:
    """The family of a system, from its os-release(5). Empty: unknown."""
    pairs = (line.partition("=") for line in text.splitlines())
    ids = " ".join(value.strip("\"'") for key, _, value in pairs if key in ("ID", "ID_LIKE")).split()
    return next((name for one in ids for name, known in _FAMILY.items() if one in known), "")


def wanted(catalog: Catalog, of: str) -> dict[str, str]:
    """Package -> the first role that needs it on the admin node, for a family of distributions."""
    out: dict[str, str] = {}
    for name, role in sorted(catalog.roles.items()):
        if role.jig_kind.runs == "admin node":
            for package in role.packages.get(of, ()):
                out.setdefault(package, name)
    return out


def installed(of: str, names: Iterable[str]) -> set[str]:
    """Those of the packages that this machine has. Raises OSError and subprocess.TimeoutExpired."""
    if of == "debian":
        command, there = ["dpkg-query", "-W", "-f", "${db:Status-Status}\n"], "installed"
    else:
        command, there = ["rpm", "-q", "--qf", "installed\n", "--whatprovides"], "installed"
    return {
        name
        for name in names
        if there
        in subprocess.run(
            [*command, name], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PROGRAM_S
        ).stdout.splitlines()
    }


def missing(catalog: Catalog, os_release: Path = OS_RELEASE) -> list[tuple[str, str, str]]:
    """Package, the role that needs it, and the command that installs it. Empty: nothing is missing, or the system is unknown."""
    try:
        of = family(os_release.read_text(encoding="utf-8", errors="replace"))
        needs = wanted(catalog, of)
        lacks = needs.keys() - installed(of, needs) if of else set()
    except (OSError, subprocess.TimeoutExpired):  # a machine without dpkg and rpm says nothing of packages
        return []
    return [(name, needs[name], f"{INSTALL[of]} {name}") for name in sorted(lacks)]
