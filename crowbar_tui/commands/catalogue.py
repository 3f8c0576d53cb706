"""`crowbar barclamp`: list the barclamps of this site, check new ones, import them, take them back, and write a new one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.api import barclamps

from ..long_task import LongTask
from ..paths import path

_FROM = "a folder of barclamps, the folder of one, or a .tar or .tgz of either"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("barclamp", help="list the barclamps of this site; check, import, remove or write one")
    barclamp = group.add_subparsers(dest="verb", required=True)
    listing = barclamp.add_parser("list", help="list every role with its stage and jig, and every barclamp with version and origin")
    listing.add_argument("--json", action="store_true", help="print one JSON object per role")
    listing.set_defaults(run=_list)
    for verb, what, run in (
        ("check", "check barclamps together with those of this site; write nothing", _check),
        ("import", "add barclamps to this site; an engine uses them from its next start", _import),
    ):
        command = barclamp.add_parser(verb, help=what)
        command.add_argument("folder", type=path, nargs="?", metavar="FOLDER|TARBALL", help=_FROM)
        command.add_argument("--from-git", nargs=2, metavar=("DIR", "REV"), help="a revision of the git repository in DIR")
        command.set_defaults(run=run)
    removal = barclamp.add_parser("remove", help="take an import back; an engine notices at its next start")
    removal.add_argument("name")
    removal.add_argument("--version", default="", help="this version only (default: all of them)")
    removal.set_defaults(run=_remove)
    new = barclamp.add_parser("new", help="write a new barclamp with a comment on each line")
    new.add_argument("name")
    new.add_argument("--folder", type=path, default=None, metavar="DIR", help="where to write DIR/NAME (default: here)")
    new.set_defaults(run=_new)


def _list(arguments: argparse.Namespace) -> int:
    catalog = barclamps.site_catalog(arguments.store)
    for role in sorted(catalog.roles.values(), key=lambda r: (r.barclamp, r.name)):
        row = {"barclamp": role.barclamp, "role": role.name, "stage": role.stage, "jig": role.jig, "flags": sorted(role.flags)}
        if arguments.json:
            of = catalog.barclamps[role.barclamp]
            print(json.dumps(row | {"version": of.version, "origin": of.origin, "sha256": of.sha256}))
        else:
            print(f"{role.barclamp:<12} {role.name:<16} {role.stage:<10} {role.jig:<7} {' '.join(sorted(role.flags))}".rstrip())
    if arguments.json:
        return 0
    print("\nBARCLAMP     VERSION    ORIGIN")
    every = barclamps.imports(arguments.store)
    for name, one in catalog.barclamps.items():
        print(f"{name:<12} {one.version:<10} {one.origin}")
        for older in every:
            if (older.name, older.version != one.version) == (name, True):
                print(f"{'':<12} {older.version:<10} {older.origin} (does not count: a higher version is there)")
    own = barclamps.stages_of(arguments.store)
    print(f"\nstages: {', '.join(stage.name for stage in catalog.stages)} ({own or 'shipped'})")
    return 0


def _source(arguments: argparse.Namespace) -> barclamps.Source:
    """What was handed over. Raises BarclampError."""
    if (arguments.folder is None) == (arguments.from_git is None):
        raise barclamps.BarclampError(f"hand over either {_FROM}, or --from-git DIR REV")
    if arguments.from_git is not None:
        folder, revision = arguments.from_git
        return barclamps.from_git(Path(folder).absolute(), revision)
    return barclamps.from_path(arguments.folder)


def _check(arguments: argparse.Namespace) -> int:
    source = _source(arguments)
    catalog = barclamps.check(arguments.store, source)
    for name in source.barclamps:
        roles = sum(role.barclamp == name for role in catalog.roles.values())
        print(f"no mistakes: {name} {catalog.barclamps[name].version}, {roles} roles")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    try:
        with LongTask("import", False) as task:
            done = barclamps.import_source(arguments.store, _source(arguments), task.moved)
    except barclamps.InUse as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 1
    for one in done.barclamps:
        what = f"imported {one.name} {one.version}" if one in done.new else f"{one.name} {one.version} was imported before"
        print(f"{what}: {one.origin}")
    for one in done.idle:
        print(f"{one.name} {one.version} does not count, because a higher version is there: crowbar barclamp list")
    if done.new:
        _tell_running(done)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    try:
        done = barclamps.remove(arguments.store, arguments.name, arguments.version)
    except barclamps.InUse as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 1
    for one in done.barclamps:
        print(f"removed {one.name} {one.version}")
    _tell_running(done)
    return 0


def _tell_running(done: barclamps.Done) -> None:
    if done.running:
        print("the running engine keeps its barclamps until its next start: crowbar engine stop, then crowbar engine")


def _new(arguments: argparse.Namespace) -> int:
    made = barclamps.new_barclamp(arguments.name, arguments.folder or Path.cwd())
    print(f"wrote {made}: change it, then crowbar barclamp check {made}, and crowbar barclamp import {made}")
    return 0
