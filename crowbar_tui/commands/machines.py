"""`crowbar node import FILE` adds a list of known machines to the plan: expected machines, and rules that pin their names and groups.

The plan is the wanted state, so nothing else changes. The command shows what the commit would change. With `--yes` it commits the plan.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.api.control import (
    Plan,
    PlanError,
    Reader,
    added,
    commit_plan,
    plan_file,
    read_machine_list,
    site_catalog,
    to_json,
    with_machines,
)

from .. import answers
from ..paths import path
from .plan import show


def options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plan", type=path, default=None, metavar="FILE", help="for import: add to this plan (default: the current one)")
    command.add_argument("--write", type=path, default=None, metavar="FILE", help="for import: write the new plan to a file")


def add_machines(arguments: argparse.Namespace, file: Path) -> int:
    """Exit code 0: committed, written, or nothing to do; 1: shown only, or refused; 2: bad input."""
    catalog = site_catalog(arguments.store)
    with Reader(arguments.store) as reader:
        base = max(reader.world.revisions, default=0)
        before = plan_file.read_file(arguments.plan, catalog) if arguments.plan is not None else reader.plan
        if before is None:
            print("crowbar: no plan was committed on this store: give one with --plan FILE", file=sys.stderr)
            return 1
        known = read_machine_list(file, before)
        plan = with_machines(before, known)
        text = plan_file.write(plan)
        if not _usable(text, plan, arguments.store):
            return 2
        found = reader.diff(plan)
    new = added(before, plan)
    if arguments.json:
        print(json.dumps({"type": "import", "listed": len(known), **to_json(new)}))
    else:
        counts = f"{new.machines} expected machines, {new.rules} rules, {new.places} places"
        print(f"{file.name} lists {len(known)} machines; new or changed: {counts}")
    show(found, arguments.json)
    if arguments.write is not None:
        try:
            arguments.write.write_text(text, encoding="utf-8")
        except OSError as error:
            print(f"crowbar: cannot write {arguments.write} ({error.strerror}): choose another file", file=sys.stderr)
            return 2
    if found.refused is not None:
        return 1
    if found.same:
        return 0
    if arguments.yes:
        return answers.ask_each(
            arguments.store, "commit", [("", lambda engine: commit_plan(engine, text, file.name, base))], arguments.json
        )
    if arguments.write is not None:
        return 0
    if not arguments.json:
        print(f"nothing was changed: to commit a plan with these {len(known)} machines, add --yes", file=sys.stderr)
    return 1


def _usable(text: str, plan: Plan, store: Path) -> bool:
    """True if the engine will read the text as this plan. A plan has limits that a long list exceeds."""
    try:
        return plan_file.read(text, "the plan with these machines", site_catalog(store)) == plan
    except PlanError as error:
        print(error, file=sys.stderr)
        print("crowbar: import fewer machines, or only those that need a name, a group or a BMC", file=sys.stderr)
        return False
