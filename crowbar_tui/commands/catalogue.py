"""`crowbar barclamp list` and `check`: the roles of this installation, and the mistakes of new barclamps."""

from __future__ import annotations

import argparse
import json

from engine.api.control import read_catalog, shipped, shipped_folder

from ..paths import path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    barclamp = commands.add_parser("barclamp", help="list the barclamps and their roles, or check new ones").add_subparsers(
        dest="verb", required=True
    )
    listing = barclamp.add_parser("list", help="list every role with its stage and jig")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    check = barclamp.add_parser("check", help="check a folder of barclamps together with the shipped ones")
    check.add_argument("folder", type=path)
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
    print(f"no mistakes: {len(catalog.roles)} roles")
    return 0
