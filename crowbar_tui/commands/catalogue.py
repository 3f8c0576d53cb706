"""`crowbar barclamp list` and `check`, `crowbar image list`: what this installation can do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engine.face import image_states, read_catalog, shipped, shipped_folder


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    barclamp = commands.add_parser("barclamp", help="barclamps and their roles").add_subparsers(dest="verb", required=True)
    listing = barclamp.add_parser("list", help="every role, its stage and jig")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    check = barclamp.add_parser("check", help="check a folder of barclamps beside those that are shipped")
    check.add_argument("folder", type=Path)
    check.set_defaults(run=_check)
    image = commands.add_parser("image", help="images").add_subparsers(dest="verb", required=True)
    images = image.add_parser("list", help="every image: name, version, size, whether it is whole")
    images.add_argument("--json", action="store_true")
    images.set_defaults(run=_images)


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


def _images(arguments: argparse.Namespace) -> int:
    bad = 0
    for state in image_states(arguments.store):
        bad += not state["whole"]
        if arguments.json:
            print(json.dumps(state))
        else:
            whole = "whole" if state["whole"] else state["reason"]
            print(f"{state['name']:<14} {state['version']:<10} {state['arch']:<8} {state['size']:>12,} bytes  {whole}")
    return 1 if bad else 0
