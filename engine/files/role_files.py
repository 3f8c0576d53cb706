"""Checks that a role's folder holds what its jig runs, and nothing that the jig would never run."""

from __future__ import annotations

from pathlib import Path

from ..definitions import RoleDef
from .element import Element

BMC_WORKS = ("bios", "firmware", "raid-report", "raid")
"""What the file `bmc` of a role with that jig may say."""


def check_files(folder: Path, role: RoleDef, keys: dict[str, Element]) -> None:
    """`folder` is `roles/ROLE` of the barclamp, `keys` are the role's keys. Adds each mistake to those of its key."""
    kind, here = role.jig_kind, f"roles/{role.name}"
    if not any((folder / name).exists() for name in kind.files):
        what = "the script " if "run" in kind.files else ""
        keys["name"].fail(f"expected {what}{' or '.join(f'{here}/{name}' for name in kind.files)}, which is missing")
    elif "run" not in kind.files and (folder / "run").exists():
        keys["name"].fail(f"jig {role.jig} runs {' or '.join(kind.files)}, so {here}/run would do nothing")
    if role.jig == "bmc" and (folder / "bmc").is_file() and bmc_work(folder) not in BMC_WORKS:
        keys["name"].fail(f"expected one of {', '.join(BMC_WORKS)} in {here}/bmc")
    there = (folder / "verify").is_file()
    if not kind.checks and there:
        keys["name"].fail(f"jig {role.jig} finds out by itself whether a role is applied, so {here}/verify would do nothing")
    elif kind.checks and role.verify and not there:
        keys.get("verify", keys["name"]).fail(f"expected the script {here}/verify, which is missing")
    elif kind.checks and there and not role.verify:
        keys["name"].fail(f"the script {here}/verify exists, but the role lacks verify: true")
    if kind.reports and role.gives and not (folder / kind.reports).is_file():
        keys["gives"].fail(f"expected the script {here}/{kind.reports}, which reports them and is missing")
    if role.batch > 1 and not kind.batches:
        keys["batch"].fail(f"jig {role.jig} runs once for each node, so batch would do nothing")


def bmc_work(folder: Path) -> str:
    """What the file `bmc` of a role's folder names. Empty: it cannot be read."""
    try:
        with (folder / "bmc").open(encoding="utf-8") as file:
            return file.read(100).strip()
    except (OSError, ValueError):
        return ""
