"""`crowbar setup`: the wizard, from an admin node that was never asked anything to a committed plan. `crowbar` opens it by itself where
no plan is."""

from __future__ import annotations

import argparse
import sys

from engine.face import Reader, StoreError

from ..console.lifecycle import open_console, terminal


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("setup", help="the first run: checks, interface, networks, BMCs; writes and commits a plan")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ..cli import instead

    if not terminal():
        told = "setup needs a terminal; without one, write a plan (docs/plan.md) and use crowbar engine --plan FILE"
        print(f"crowbar: {told}", file=sys.stderr)
        return 2
    try:
        with Reader(arguments.store) as reader:
            if reader.plan is not None:
                number = max(reader.world.revisions)
                print(f"crowbar: a plan is committed on this store (revision {number})", file=sys.stderr)
                print("  try: crowbar plan save FILE, change that, then crowbar commit FILE; or another --store", file=sys.stderr)
                return 1
    except StoreError:
        pass  # there is none yet: that is what this is for; a broken one is told as it is opened
    return open_console(arguments.store, instead)
