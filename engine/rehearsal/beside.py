"""Plans that the program ships, and the file beside a plan that says what the machines of its rehearsal have: `NAME.rack.yml` beside
`NAME.yml`.

    machines:
      m1: {memory_mb: 4096, disks_mb: [20480]}

A plan finds its groups by memory and disks. So a rehearsal needs machines that differ in these, as the real ones do.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from ..files.mistakes import Mistakes, PlanError, PlanMistake
from ..files.yaml_source import load, plain

SUFFIX = ".rack.yml"

Memory = Annotated[int, Meta(ge=256, le=1 << 21)]
Disk = Annotated[int, Meta(ge=64, le=1 << 24)]


class Sizes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """None: as usual."""

    memory_mb: Memory | None = None
    disks_mb: tuple[Disk, ...] | None = None
    """Sizes in MiB, the disk of the system first."""


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    machines: dict[Annotated[str, Meta(pattern="^m[0-9]{1,5}$")], Sizes] = {}


def plan_path(named: Path) -> Path:
    """The file itself; or the shipped plan of that name, with or without `.yml`, if there is no such file."""
    folder = Path(str(importlib.resources.files("crowbar_tui"))) / "plans"
    ours = folder / f"{named.name.removesuffix('.yml')}.yml"
    return ours if not named.exists() and len(named.parts) == 1 and ours.is_file() else named


def machines_beside(plan: Path) -> dict[str, Any]:
    """Name of a machine -> what it has, as built-in values; empty if there is no such file. Raises PlanError."""
    file = plan.with_name(plan.name.removesuffix(".yml") + SUFFIX)
    if not file.exists():
        return {}
    mistakes = Mistakes()
    tree = load(file, mistakes)
    mistakes.end(PlanError)
    assert tree is not None
    try:
        found = msgspec.convert(plain(tree), type=_File)
    except msgspec.ValidationError as error:
        raise PlanError([PlanMistake(file=str(file), line=1, path="", expected=str(error))]) from None
    return {name: msgspec.to_builtins(one) for name, one in found.machines.items()}
