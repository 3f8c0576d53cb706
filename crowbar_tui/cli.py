"""The command line: `crowbar [--store DIR] COMMAND`. Exit codes: 0 done; 1 refused, different or not all ready; 2 bad input or bad use."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.face import DEFAULT_STORE, AttachError, CatalogError, PlanError, ServiceError, StoreError, VaultError

from .commands import catalogue, doctor, look, node, plan, run, topology
from .console.lifecycle import open_console, terminal

GROUPS = (run, look, plan, node, topology, catalogue, doctor)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="crowbar", description="From servers in boxes to a working, validated cloud before lunch.")
    top.add_argument("--store", type=Path, default=None, metavar="DIR", help=f"where the engine keeps what it knows ({DEFAULT_STORE})")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for group in GROUPS:
        group.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    top = parser()
    arguments = top.parse_args(argv)
    if arguments.command is None:
        if not terminal():
            top.print_help()
            return 2
        arguments.run = lambda given: open_console(given.store)
    arguments.store_is_default = arguments.store is None and "CROWBAR_STORE" not in os.environ
    if arguments.store is None:
        arguments.store = Path(os.environ.get("CROWBAR_STORE", DEFAULT_STORE)).expanduser()
    try:
        return int(arguments.run(arguments))
    except (PlanError, CatalogError) as error:
        print(error, file=sys.stderr)
        return 2
    except (StoreError, ServiceError, VaultError, AttachError) as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
