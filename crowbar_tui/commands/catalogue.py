"""`crowbar barclamp list` and `check`: what this installation can do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engine.face import read_catalog, shipped, shipped_folder


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    barclamp = commands.add_parser("barclamp", help="barclamps and their roles").add_subparsers(dest="verb", required=True)
    listing = barclamp.add_parser("list", help="every role, its stage and jig")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    check = barclamp.add_parser("check", help="check a folder of barclamps beside those that are shipped")
    check.add_argument("folder", type=Path)
    check.set_defaults(run=_check)


def _list(arguments: argparse.Namespace) -> int:
    catalog = shipped()
    for role in sorted(catalog.roles.values(), key=lambda r: (r.barclamp, r.name)):
        row = {"barclamp": role.barclamp, "role": role.name, "stage": role.stage, "jig": role.jig, "flags": sorted(role.flags)}
        if arguments.json:
            print(json.dumps(row))
        else:
            print(f"{role.barclamp:<12} {role.name:<16} {role.stage:<10} {role.jig:<7} {' '.join(sorted(role.flags))}".rstrip())
    return 0


def _check(arguments: argparse.Namespace) -> int:
    folders = [shipped_folder("barclamps"), arguments.folder]
    catalog = read_catalog(folders, [shipped_folder("images")], shipped_folder("engine") / "stages.yml")
    print(f"right: {len(catalog.roles)} roles")
    return 0
