"""The command line: `crowbar [--store DIR] COMMAND`. Exit codes: 0 done; 1 refused, different or not all ready; 2 bad input or bad use.

Commands are imported when one is asked for: a console that attaches needs none of them, and paints half a second earlier.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .console.lifecycle import open_console, terminal


def parser() -> argparse.ArgumentParser:
    from engine.face import DEFAULT_STORE

    from .commands import catalogue, doctor, image, look, node, plan, run, setting, setup, topology

    top = argparse.ArgumentParser(prog="crowbar", description="From servers in boxes to a working, validated cloud before lunch.")
    top.add_argument("--store", type=Path, default=None, metavar="DIR", help=f"where the engine keeps what it knows ({DEFAULT_STORE})")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for group in (setup, run, look, plan, node, setting, topology, catalogue, image, doctor):
        group.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, or the console where there is none; the process's exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    bare = not given or (len(given) == 2 and given[0] == "--store") or (len(given) == 1 and given[0].startswith("--store="))
    if bare and terminal():
        return _console(given[-1].removeprefix("--store=") if given else "")
    return _command(given)


def instead(words: Sequence[str]) -> int:
    """Another command, chosen in the console that has just ended."""
    sys.argv[1:] = words  # a rehearsal begins itself anew in its network namespace, with the words of the command line
    return main(words)


def _console(store: str) -> int:
    from engine.views.show import DEFAULT_STORE, StoreError

    try:
        return open_console(Path(store) if store else Path(os.environ.get("CROWBAR_STORE", DEFAULT_STORE)).expanduser(), instead)
    except StoreError as error:
        print(f"crowbar: {error}", file=sys.stderr)
        return 2


def _command(given: Sequence[str]) -> int:
    from engine.face import DEFAULT_STORE, AttachError, CatalogError, PlanError, ServiceError, StoreError, VaultError

    top = parser()
    arguments = top.parse_args(given)
    if arguments.command is None:
        top.print_help()
        return 2
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
