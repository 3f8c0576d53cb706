"""`crowbar setup`: the wizard, from a fresh admin node to a committed plan. `crowbar` opens it too if the store has no plan."""

from __future__ import annotations

import argparse
import sys

from engine.api.control import Reader, StoreError

from ..console.lifecycle import open_console, terminal


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("setup", help="set up this admin node: checks, interface, networks, BMCs; writes and commits a plan")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if not terminal():
        told = "setup needs a terminal; without one, write a plan (docs/plan.md) and start crowbar engine --plan FILE"
        print(f"crowbar: {told}", file=sys.stderr)
        return 2
    try:
        with Reader(arguments.store) as reader:
            if reader.plan is not None:
                number = max(reader.world.revisions)
                print(f"crowbar: this store already has a committed plan (revision {number})", file=sys.stderr)
                print("  try: crowbar plan save FILE, edit FILE, crowbar commit FILE; or choose another --store", file=sys.stderr)
                return 1
    except StoreError:
        pass  # setup is for a store that does not exist yet; opening the console reports a damaged one
    return open_console(arguments.store, arguments.instead)
