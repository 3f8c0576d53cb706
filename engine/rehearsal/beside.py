"""Plans that the program ships, and the file beside a plan that says what the machines of its rehearsal have: `NAME.rack.yml` beside
`NAME.yml`.

    attributes: {cloud-profile: rehearsal}
    machines:
      m1: {memory_mb: 4096, disks_mb: [20480]}

A plan finds its groups by memory and disks. So a rehearsal needs machines that differ in these, as the real ones do. `attributes` are
values that the site's root gets in the rehearsal only, as if they stood in the plan's `attributes`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from ..core.roles.typed import misfit
from ..definitions import Catalog
from ..files.mistakes import Mistakes, PlanError, PlanMistake
from ..files.paths import shipped_plan
from ..files.yaml_source import load, plain
from ..plan import Plan
from ..reasons import sentence

SUFFIX = ".rack.yml"

Memory = Annotated[int, Meta(ge=256, le=1 << 21)]
Cpus = Annotated[int, Meta(ge=1, le=64)]
Disk = Annotated[int, Meta(ge=64, le=1 << 24)]


class Sizes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """None: as usual."""

    memory_mb: Memory | None = None
    cpus: Cpus | None = None
    disks_mb: tuple[Disk, ...] | None = None
    """Sizes in MiB, the disk of the system first."""


class Beside(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says; nothing without one."""

    attributes: dict[str, Any] = {}
    machines: dict[Annotated[str, Meta(pattern="^m[0-9]{1,5}$")], Sizes] = {}

    def sizes(self) -> dict[str, Any]:
        """Name of a machine -> what it has, as built-in values."""
        return {name: msgspec.to_builtins(one) for name, one in self.machines.items()}


def plan_path(named: Path) -> Path:
    """The file itself; or the shipped plan of that name, with or without `.yml`, if there is no such file."""
    ours = shipped_plan(named.name.removesuffix(".yml"))
    here = named.parent in (Path("."), Path.cwd())
    return ours if here and not named.exists() and ours.is_file() else named


def beside(plan: Path) -> Beside:
    """The file beside a plan. Raises PlanError."""
    file = beside_file(plan)
    if not file.exists():
        return Beside()
    mistakes = Mistakes()
    tree = load(file, mistakes)
    mistakes.end(PlanError)
    assert tree is not None
    try:
        return msgspec.convert(plain(tree), type=Beside)
    except msgspec.ValidationError as error:
        raise PlanError([PlanMistake(file=str(file), line=1, path="", expected=str(error))]) from None


def rehearsed(plan: Plan, file: Path, catalog: Catalog) -> Plan:
    """The plan of a file with the attributes that its rehearsal gets besides. Raises PlanError."""
    for name, value in beside(file).attributes.items():
        known = catalog.attributes.get(name)
        wrong = f"unknown attribute {name}" if known is None else misfit(known, value)
        if wrong:
            said = wrong if isinstance(wrong, str) else sentence(wrong)
            raise PlanError([PlanMistake(file=str(beside_file(file)), line=1, path=f"attributes.{name}", expected=said)])
        plan = replace(plan, attributes={**plan.attributes, name: value})
    return plan


def beside_file(plan: Path) -> Path:
    return plan.with_name(plan.name.removesuffix(".yml") + SUFFIX)
